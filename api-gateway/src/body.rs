//! Strict JSON bodies.

use axum::body::Body as HttpBody;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use proto::{Reason, Rejection};
use tonic::Code;

use crate::fields::{Fields, Json, Read};
use crate::problem::{FieldError, Problem};

/// The largest body that is read, in bytes.
const LIMIT: usize = 64 * 1024;

/// A body understood to the last field. `Option<Body<T>>` where a request may do without one.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: Read, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        require_json(&head.headers)?;
        parse(&collect(&head.headers, body).await?).map(Self)
    }
}

impl<T: Read, S: Send + Sync> OptionalFromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Option<Self>, Problem> {
        let (head, body) = request.into_parts();
        let bytes = collect(&head.headers, body).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        require_json(&head.headers)?;
        parse(&bytes).map(|body| Some(Self(body)))
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let sent = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Err(Problem::new(status, "unsupported_media_type", "the body must be application/json"))
}

/// Reads the body, at most [`LIMIT`] bytes of it: what says to be longer is not read at all, what turns out to be
/// longer no further.
async fn collect(headers: &HeaderMap, body: HttpBody) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("the body must not be larger than {LIMIT} bytes");
        Problem::from(Rejection::new(Code::ResourceExhausted, Reason::PayloadTooLarge, detail))
    };
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > LIMIT as u64) {
        return Err(too_large());
    }
    match Limited::new(body, LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Problem::bare(StatusCode::BAD_REQUEST).because(error)),
    }
}

fn parse<T: Read>(bytes: &[u8]) -> Result<T, Problem> {
    let wrong = |message: String| {
        let field = "body".to_owned();
        Problem::invalid(vec![FieldError { field, message }])
    };
    match serde_json::from_slice(bytes) {
        Ok(Json::Object(fields)) => Fields::parse(fields),
        Ok(Json::Null | Json::Integer(_) | Json::Text(_) | Json::Other) => {
            Err(wrong("must be a JSON object".to_owned()))
        }
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            Err(wrong(format!("must be one JSON document; line {line}, column {column} is not")))
        }
    }
}
