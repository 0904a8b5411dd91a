//! From gRPC to HTTP.

use http::StatusCode;
use proto::{Invalid, Reason, Rejection, status};
use serde_json::json;
use tonic::{Code, Status};

use super::{FieldError, Problem};

/// The refusals whose HTTP status says more than that of their gRPC code. A version is stale only for who asked
/// with `If-Match`.
pub(super) const MORE_PRECISE: [(Reason, StatusCode); 7] = [
    (Reason::PaymentDeclined, StatusCode::PAYMENT_REQUIRED),
    (Reason::IdempotencyKeyReused, StatusCode::UNPROCESSABLE_ENTITY),
    (Reason::StaleVersion, StatusCode::PRECONDITION_FAILED),
    (Reason::PayloadTooLarge, StatusCode::PAYLOAD_TOO_LARGE),
    (Reason::TokenMissing, StatusCode::UNAUTHORIZED),
    (Reason::TokenInvalid, StatusCode::UNAUTHORIZED),
    (Reason::TokenExpired, StatusCode::UNAUTHORIZED),
];

/// The facts of a refusal that clients are told.
const TOLD: [&str; 2] = ["checkout_id", "decline_code"];

impl From<Status> for Problem {
    fn from(refused: Status) -> Self {
        let Some(reason) = status::reason(&refused) else {
            let (status, code, detail) = in_our_words(refused.code());
            return Self::new(status, code, detail).because(format!(
                "{:?}: {}",
                refused.code(),
                refused.message()
            ));
        };
        let precise = MORE_PRECISE.iter().find(|(known, _)| *known == reason);
        let (by_code, ..) = in_our_words(refused.code());
        let http = precise.map_or(by_code, |(_, http)| *http);
        let mut problem = Self::new(http, reason.as_str().to_ascii_lowercase(), refused.message().to_owned());
        problem.0.errors = status::violations(&refused)
            .into_iter()
            .map(|(field, message)| FieldError { field, message })
            .collect();
        for fact in TOLD {
            if let Some(value) = status::metadata(&refused, fact) {
                problem = problem.with(fact, value);
            }
        }
        if let Some(ids) = status::metadata(&refused, "product_ids") {
            let ids: Vec<i64> = ids.split(',').filter_map(|id| id.parse().ok()).collect();
            problem = problem.with("product_ids", ids);
        }
        if let (Some(amount), Some(currency)) =
            (status::metadata(&refused, "amount"), status::metadata(&refused, "currency"))
        {
            problem = problem.with("total", json!({ "amount": amount, "currency": currency }));
        }
        problem
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::from(Status::from(invalid))
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        Self::from(rejection.into_status())
    }
}

/// HTTP status, code and text of a failure that nobody gave a reason for.
pub(super) fn in_our_words(code: Code) -> (StatusCode, &'static str, &'static str) {
    match code {
        Code::InvalidArgument => (StatusCode::BAD_REQUEST, "invalid_argument", "the request can't be used"),
        Code::OutOfRange => (StatusCode::BAD_REQUEST, "out_of_range", "a value is out of its range"),
        Code::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "who asks is not known"),
        Code::PermissionDenied => (StatusCode::FORBIDDEN, "permission_denied", "this is not yours to do"),
        Code::NotFound => (StatusCode::NOT_FOUND, "not_found", "there is no such thing"),
        Code::AlreadyExists => (StatusCode::CONFLICT, "already_exists", "it is there already"),
        Code::Aborted => (StatusCode::CONFLICT, "aborted", "it changed meanwhile; try again"),
        Code::FailedPrecondition => {
            (StatusCode::CONFLICT, "failed_precondition", "it is not in a state for this")
        }
        Code::ResourceExhausted => {
            (StatusCode::TOO_MANY_REQUESTS, "resource_exhausted", "the shop is too busy; try again")
        }
        Code::Unavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "a part of the shop can't be reached; try again")
        }
        Code::DeadlineExceeded | Code::Cancelled => {
            (StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded", "the answer did not come in time")
        }
        Code::Unimplemented => (StatusCode::NOT_IMPLEMENTED, "unimplemented", "this is not possible yet"),
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong on our side")
        }
    }
}
