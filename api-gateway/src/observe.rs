//! What happens around every request: an id, an end in time, a document for every failure, one log line.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use http::header::{CACHE_CONTROL, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use platform::trace::{Kind, Span};
use platform::{Context, World};
use tokio::time::{Instant, timeout};
use types::UserId;

use crate::gateway::Shop;
use crate::problem::Problem;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The outermost layer.
pub(crate) async fn observe(State(shop): State<Shop>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    // A deadline is ours to set.
    request.headers_mut().remove("grpc-timeout");
    let limit = shop.timeouts.request;
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    let (context, span) = arrived(&shop, &request, route, limit);
    request.extensions_mut().insert(context.clone());

    let answering = AssertUnwindSafe(timeout(limit, next.run(request))).catch_unwind();
    let answered = Span::only(span.as_ref(), answering).await;
    let mut response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(_elapsed)) => Problem::timeout().into_response(),
        Err(panic) => Problem::internal(format!("panic: {}", words(panic.as_ref()))).into_response(),
    };

    let problem = response.extensions_mut().remove::<Problem>().or_else(|| {
        let failed = response.status().is_client_error() || response.status().is_server_error();
        failed.then(|| Problem::bare(response.status()))
    });
    let cause = problem.as_ref().and_then(Problem::cause).map(str::to_owned);
    if let Some(problem) = problem {
        response = document(problem, &response, context.request_id());
    }
    finish(&mut response, &shop, context.request_id());
    shop.durations.record(route, &method, response.status(), began.elapsed());
    if let Some(span) = span {
        traced(span, response.status());
    }
    let route = route.unwrap_or("none");
    log(&context, method.as_str(), route, response.status(), began.elapsed(), cause.as_deref());
    response
}

/// The context of a request, and its span if it is traced. Probes are not: they come every few seconds and say nothing.
fn arrived(shop: &Shop, request: &Request, route: Option<&str>, limit: Duration) -> (Context, Option<Span>) {
    let (headers, World { ids, tracer, .. }) = (request.headers(), &shop.world);
    if route.is_some_and(|route| route.starts_with("/health")) {
        return (Context::arriving(headers, ids.as_ref(), limit), None);
    }
    let (context, mut span) = Context::traced(headers, ids.as_ref(), limit, tracer, Kind::Server);
    if let Some(span) = &mut span {
        describe(span, request.method(), route);
        span.set("oxcart.request_id", context.request_id().to_owned());
    }
    (context, span)
}

/// By the semantic conventions, without the path: only its pattern is not somebody's business.
fn describe(span: &mut Span, method: &Method, route: Option<&str>) {
    // A method that HTTP does not know is what anybody has made up.
    let method = if is_known(method) { method.as_str() } else { "_OTHER" };
    span.set("http.request.method", method.to_owned());
    let named = if method == "_OTHER" { "HTTP" } else { method };
    match route {
        Some(route) => {
            span.set("http.route", route.to_owned());
            span.rename(format!("{named} {route}"));
        }
        None => span.rename(named.to_owned()),
    }
}

fn is_known(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS
            | Method::CONNECT
            | Method::TRACE
    )
}

fn traced(mut span: Span, status: StatusCode) {
    span.set("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.fail(status.as_str().to_owned());
    }
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
    cause: Option<&str>,
) {
    let (request_id, trace_id, status) = (context.request_id(), context.trace_id(), status.as_u16());
    let (user_id, duration_ms) = (context.user().map(UserId::get), platform::milliseconds(took));
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                method, route, status, duration_ms, user_id, request_id, %trace_id, cause, $message
            )
        };
    }
    if status >= 500 {
        line!(error, "request failed");
    } else {
        line!(info, "request");
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}
