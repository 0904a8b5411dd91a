//! What surrounds a call.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use http::{HeaderValue, Request, Response};
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service as _;
use tracing::Instrument as _;
use types::UserId;

use super::body::{Guarded, Limited};
use super::{Server, Shared};
use crate::Context;
use crate::trace::rpc::{self, Method};
use crate::trace::{Kind, Span};

/// What a call may take at most.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

impl Server {
    /// The context of a call, and its span if it is traced.
    pub(super) fn arrived<B>(&self, request: &Request<B>) -> (Context, Option<Span>) {
        let Shared { ids, tracer, .. } = &*self.shared;
        let path = request.uri().path();
        if is_health(path) {
            return (Context::arriving(request.headers(), ids.as_ref(), LIMIT), None);
        }
        let (context, mut span) =
            Context::traced(request.headers(), ids.as_ref(), LIMIT, tracer, Kind::Server);
        if let Some(span) = &mut span {
            rpc::arrived(span, path);
        }
        (context, span)
    }

    pub(super) async fn answer(
        self,
        request: Request<Body>,
        context: Context,
        span: Option<Span>,
    ) -> Response<Body> {
        let began = Instant::now();
        let call = Call::of(&request);
        let handled = Span::only(span.as_ref(), self.handle(request, &context, &call));
        let mut response = match handled.await {
            Ok(response) => response,
            Err(status) => status.into_http(),
        };
        if let Some(mut span) = span {
            rpc::served(&mut span, code(&response));
        }
        if let Ok(id) = HeaderValue::from_str(context.request_id()) {
            response.headers_mut().insert("x-request-id", id);
        }
        if !call.is_health() {
            self.shared.durations.record(&call.path, code(&response), began.elapsed());
        }
        call.log(self.shared.name, code(&response), began, &context);
        let stopping = self.shared.health.stopping().clone();
        response.map(|body| Body::new(Guarded::new(body, stopping)))
    }

    async fn handle(
        &self,
        mut request: Request<Body>,
        context: &Context,
        call: &Call,
    ) -> Result<Response<Body>, Status> {
        let _place = match self.shared.places.try_acquire() {
            Ok(place) => Some(place),
            Err(_) if call.is_health() => None,
            Err(_) => return Err(Status::resource_exhausted("too many calls at once")),
        };
        if context.remaining().is_zero() {
            return Err(too_late());
        }
        request.extensions_mut().insert(context.clone());
        let request = request.map(|body| Body::new(Limited::new(body)));
        // No parent: in process the caller's span is still entered, and its fields are not ours.
        let span = tracing::info_span!(parent: None, "call", program = self.shared.name, service = call.service(),
            method = call.method(), request_id = context.request_id(), trace_id = %context.trace_id());
        let mut routes = self.routes.clone();
        let handled =
            AssertUnwindSafe(async move { routes.call(request).await }).catch_unwind().instrument(span);
        match timeout_at(context.deadline(), handled).await {
            Ok(Ok(Ok(response))) => Ok(response),
            // The panic itself is logged where it happens, by the panic hook.
            Ok(Err(_)) => Err(internal()),
            Err(_) => Err(too_late()),
        }
    }
}

/// Which method is called: `/cart.CartService/AddItem`.
struct Call {
    path: String,
}

impl Call {
    fn of<B>(request: &Request<B>) -> Self {
        Self { path: request.uri().path().to_owned() }
    }

    fn service(&self) -> &str {
        Method::of(&self.path).service()
    }

    fn method(&self) -> &str {
        Method::of(&self.path).name()
    }

    fn is_health(&self) -> bool {
        is_health(&self.path)
    }

    /// The one line of a call.
    fn log(&self, program: &str, code: Code, began: Instant, context: &Context) {
        macro_rules! line {
            ($level:ident) => {
                // No parent: in process the span around it is the caller's.
                tracing::$level!(
                    parent: None,
                    program,
                    service = self.service(),
                    method = self.method(),
                    status = ?code,
                    duration_ms = crate::milliseconds(began.elapsed()),
                    user_id = context.user().map(UserId::get),
                    request_id = context.request_id(),
                    trace_id = %context.trace_id(),
                    "call"
                )
            };
        }
        match code {
            Code::Internal | Code::Unknown | Code::DataLoss => line!(error),
            Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted => line!(warn),
            Code::Ok if self.is_health() => line!(debug),
            Code::Ok
            | Code::Cancelled
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Unauthenticated => line!(info),
        }
    }
}

/// Whether this is the path of a method of the health service: it answers even when nothing else may.
pub(crate) fn is_health(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.Health/")
}

/// The status in the head of an answer, where every error of a unary call is; none there means OK so far.
pub(crate) fn code<B>(response: &Response<B>) -> Code {
    response.headers().get(Status::GRPC_STATUS).map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

/// What a caller learns of a fault of ours.
pub(super) fn internal() -> Status {
    Status::internal("internal error")
}

/// The deadline has passed.
pub(crate) fn too_late() -> Status {
    Status::deadline_exceeded("the deadline has passed")
}
