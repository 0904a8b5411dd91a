//! Requests that are refused before there is a request.

use axum::extract::Extension;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::{Router, routing::any};
use http::StatusCode;

use crate::gateway::Shop;
use crate::observe::observe;
use crate::problem::Problem;

/// Why the bytes of a client are no request that we answer. The connection ends with the answer: nobody knows where
/// the next request would begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not as RFC 9112 has it, or so that two readers of it might not agree; what must be different.
    Malformed(&'static str),
    /// A head with too many bytes or fields.
    TooLarge,
    /// A head that did not arrive in time.
    Late,
}

/// What answers them, within what surrounds every request.
pub(super) fn refusals(shop: &Shop) -> Router {
    Router::new().fallback(any(refuse)).layer(from_fn_with_state(shop.clone(), observe))
}

async fn refuse(Extension(refusal): Extension<Refusal>) -> Response {
    let (status, code, detail) = match refusal {
        Refusal::Malformed(what) => (StatusCode::BAD_REQUEST, "malformed_request", what),
        Refusal::TooLarge => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head_too_large",
            "the head of a request must not have more than 16 KiB or 100 fields",
        ),
        Refusal::Late => {
            (StatusCode::REQUEST_TIMEOUT, "request_timeout", "the head of the request did not arrive in time")
        }
    };
    Problem::new(status, code, detail).into_response()
}
