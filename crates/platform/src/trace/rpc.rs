//! Spans of gRPC calls, by the semantic conventions.

use tonic::Code;

use super::{Kind, Span, begin};

/// What is called, of `/cart.CartService/AddItem`.
#[derive(Clone, Copy)]
pub(crate) struct Method<'a> {
    path: &'a str,
}

impl<'a> Method<'a> {
    pub(crate) fn of(path: &'a str) -> Self {
        Self { path: path.trim_start_matches('/') }
    }

    /// `cart.CartService`
    pub(crate) fn service(self) -> &'a str {
        self.path.split_once('/').map_or(self.path, |(service, _)| service)
    }

    /// `AddItem`
    pub(crate) fn name(self) -> &'a str {
        self.path.split_once('/').map_or("", |(_, method)| method)
    }

    fn describe(self, span: &mut Span) {
        span.set("rpc.system", "grpc");
        span.set("rpc.service", self.service().to_owned());
        span.set("rpc.method", self.name().to_owned());
    }
}

/// Begins the span of a call that is sent.
pub(crate) fn sent(path: &str) -> Option<Span> {
    let method = Method::of(path);
    let mut span = begin(Kind::Client, || method.path.to_owned())?;
    method.describe(&mut span);
    Some(span)
}

/// Describes the span of a call that has arrived.
pub(crate) fn arrived(span: &mut Span, path: &str) {
    let method = Method::of(path);
    span.rename(method.path.to_owned());
    method.describe(span);
}

/// Notes our answer. A method that we have not is no name for a span: anybody can send any.
pub(crate) fn served(span: &mut Span, code: Code) {
    if code == Code::Unimplemented {
        span.rename("unknown method");
    }
    ended(span, code, is_fault(code));
}

/// Notes the answer of a call that was sent: for its caller whatever is not OK is an error.
pub(crate) fn answered(span: &mut Span, code: Code) {
    ended(span, code, code != Code::Ok);
}

fn ended(span: &mut Span, code: Code, is_error: bool) {
    span.set("rpc.grpc.status_code", i64::from(i32::from(code)));
    if is_error {
        span.fail(word(code));
    }
}

/// Whether a server that answers this has failed.
fn is_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

pub(crate) fn word(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
