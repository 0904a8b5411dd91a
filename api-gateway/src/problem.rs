//! What a client is told when a request fails: problem documents (RFC 9457), and the only way from a gRPC status
//! to HTTP.
//!
//! `type` is the relative reference `/errors/<code>`: stable, and it claims no domain. `code` is what programs
//! branch on: the reason of a refusal in lower case, else a word for the kind of failure. A text that carries no
//! reason was made by a library, may name addresses, and is never shown: it goes to the log as the cause.

mod from_status;

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};
use tonic::Code;

use from_status::in_our_words;

/// A field that can't be used, and what it must be.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub(crate) struct FieldError {
    pub(crate) field: String,
    pub(crate) message: String,
}

/// Why a request failed. As a response it has no body yet: the outermost layer writes the document, for it knows
/// the request id.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    facts: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    type_: String,
    title: String,
    status: u16,
    detail: Cow<'static, str>,
    code: Cow<'static, str>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(flatten)]
    facts: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        let problem = Self(Box::new(Parts {
            status,
            code: code.into(),
            detail: detail.into(),
            errors: Vec::new(),
            facts: Map::new(),
            headers: Vec::new(),
            cause: None,
        }));
        match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                problem.header(RETRY_AFTER, HeaderValue::from_static("1"))
            }
            StatusCode::UNAUTHORIZED => problem.header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            _ => problem,
        }
    }

    /// A request with fields that can't be used.
    pub(crate) fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] => format!("{} {}", only.field, only.message),
            more => format!("{} fields can't be used", more.len()),
        };
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "invalid_argument", detail);
        problem.0.errors = errors;
        problem
    }

    /// A failure of ours; the cause is for the log only.
    pub(crate) fn internal(cause: impl ToString) -> Self {
        let (status, code, detail) = in_our_words(Code::Internal);
        Self::new(status, code, detail).because(cause)
    }

    /// The request took longer than any request may.
    pub(crate) fn timeout() -> Self {
        let (status, code, detail) = in_our_words(Code::DeadlineExceeded);
        Self::new(status, code, detail)
    }

    /// What a response that a library made means: nothing of it but the status is kept.
    pub(crate) fn bare(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => ("route_not_found", "there is nothing at this path"),
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method_not_allowed", "this path does not know the method; see Allow")
            }
            _ if status.is_client_error() => ("invalid_request", "the request can't be understood"),
            _ => return Self::internal(format!("a bare {status}")),
        };
        Self::new(status, code, detail)
    }

    /// With a fact for programs, beside the members that every problem has.
    #[must_use]
    pub(crate) fn with(mut self, fact: &str, value: impl Into<Value>) -> Self {
        self.0.facts.insert(fact.to_owned(), value.into());
        self
    }

    /// With another text for people.
    #[must_use]
    pub(crate) fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// With this header in place of any other of the same name.
    #[must_use]
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.retain(|(other, _)| *other != name);
        self.0.headers.push((name, value));
        self
    }

    /// With what the log should say about it.
    #[must_use]
    pub(crate) fn because(mut self, cause: impl ToString) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// What the log should say about it.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The whole response, as the client gets it.
    pub(crate) fn document(self, request_id: &str) -> Response {
        let parts = *self.0;
        let document = Document {
            type_: format!("/errors/{}", parts.code),
            title: title(&parts.code),
            status: parts.status.as_u16(),
            detail: parts.detail,
            code: parts.code,
            request_id,
            errors: parts.errors,
            facts: parts.facts,
        };
        let content_type = [(CONTENT_TYPE, "application/problem+json")];
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (parts.status, content_type, body).into_response();
        response.headers_mut().extend(parts.headers);
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// "insufficient_stock" for people: "Insufficient stock".
pub(crate) fn title(code: &str) -> String {
    let mut title = code.replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

#[cfg(test)]
mod tests;
