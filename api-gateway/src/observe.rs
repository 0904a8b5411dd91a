//! What happens around every request: an id, an end in time, a document for every failure, one log line.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use http::header::{CACHE_CONTROL, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};
use platform::Context;
use tokio::time::{Instant, timeout};

use crate::gateway::Shop;
use crate::guard::Caller;
use crate::problem::Problem;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The outermost layer.
pub(crate) async fn observe(State(shop): State<Shop>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    // A deadline is ours to set.
    request.headers_mut().remove("grpc-timeout");
    let limit = shop.timeouts.request;
    let context = Context::arriving(request.headers(), shop.world.ids.as_ref(), limit);
    request.extensions_mut().insert(context.clone());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();

    let answered = AssertUnwindSafe(timeout(limit, next.run(request))).catch_unwind().await;
    let mut response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(_elapsed)) => Problem::timeout().into_response(),
        Err(panic) => Problem::internal(format!("panic: {}", words(panic.as_ref()))).into_response(),
    };

    let caller = response.extensions_mut().remove::<Caller>();
    let problem = response.extensions_mut().remove::<Problem>().or_else(|| {
        let failed = response.status().is_client_error() || response.status().is_server_error();
        failed.then(|| Problem::bare(response.status()))
    });
    let cause = problem.as_ref().and_then(Problem::cause).map(str::to_owned);
    if let Some(problem) = problem {
        response = document(problem, &response, context.request_id());
    }
    finish(&mut response, &shop, context.request_id());
    let matched = route.as_ref().map(MatchedPath::as_str);
    shop.durations.record(matched, &method, response.status(), began.elapsed());
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let user_id = caller.map(|caller| caller.user_id.get());
    log(&context, method.as_str(), route, response.status(), began.elapsed(), user_id, cause.as_deref());
    response
}

/// The document in place of a response, with the headers that layers further in have set.
fn document(problem: Problem, response: &Response, request_id: &str) -> Response {
    let mut document = problem.document(request_id);
    for (name, value) in response.headers() {
        let of_the_body = name.as_str().starts_with("content-");
        if !of_the_body && !document.headers().contains_key(name) {
            document.headers_mut().append(name, value.clone());
        }
    }
    document
}

/// Headers that every response has. What no handler lets caches keep is for this client only.
fn finish(response: &mut Response, shop: &Shop, request_id: &str) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(X_REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(hsts) = &shop.hsts {
        headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

fn log(
    context: &Context,
    method: &str,
    route: &str,
    status: StatusCode,
    took: Duration,
    user_id: Option<i64>,
    cause: Option<&str>,
) {
    let (request_id, status) = (context.request_id(), status.as_u16());
    let duration_ms = platform::milliseconds(took);
    if status >= 500 {
        tracing::error!(method, route, status, duration_ms, request_id, user_id, cause, "request failed");
    } else {
        tracing::info!(method, route, status, duration_ms, request_id, user_id, cause, "request");
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}
