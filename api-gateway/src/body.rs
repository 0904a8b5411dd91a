//! Strict JSON bodies.

use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use proto::{Reason, Rejection};
use tokio::time::{Instant, timeout_at};
use tonic::Code;

use crate::fields::{Fields, Json, MOST_FIELDS, MOST_LEVELS, Read};
use crate::problem::{FieldError, Problem};

/// The largest body that is read, in bytes.
const LIMIT: usize = 64 * 1024;
/// Pieces that a body may come in, chunks or frames: a piece costs as much as hundreds of bytes.
const MOST_PIECES: usize = 2048;
/// How long a body may take to arrive.
const WITHIN: Duration = Duration::from_secs(10);
/// How long it may take before its rate is looked at.
const PATIENCE: Duration = Duration::from_secs(5);
/// The least rate from then on, in bytes a second.
const RATE: u32 = 1024;

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
    let unsupported =
        |detail| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail);
    // Said twice is not said: who knows which one holds.
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (sent, more) = (types.next().and_then(|value| value.to_str().ok()).unwrap_or_default(), types.next());
    let essence = sent.split(';').next().unwrap_or_default().trim();
    if more.is_some() || !essence.eq_ignore_ascii_case("application/json") {
        return Err(unsupported("the body must be application/json"));
    }
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let identity = HeaderValue::from_static("identity");
        return Err(unsupported("the body must not be compressed").header(ACCEPT_ENCODING, identity));
    }
    Ok(())
}

/// Reads the body, at most [`LIMIT`] bytes of it in less than [`MOST_PIECES`]: what says to be longer is not read at all,
/// what turns out to be longer no further.
async fn collect(headers: &HeaderMap, body: HttpBody) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("the body must not be larger than {LIMIT} bytes");
        Problem::from(Rejection::new(Code::ResourceExhausted, Reason::PayloadTooLarge, detail))
    };
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > LIMIT as u64) {
        return Err(too_large());
    }
    let began = Instant::now();
    let mut body = Limited::new(body, LIMIT);
    let mut bytes = BytesMut::new();
    for _ in 0..MOST_PIECES {
        match timeout_at(began + time_for(bytes.len()), body.frame()).await {
            Ok(Some(Ok(frame))) => bytes.extend(frame.into_data()),
            Ok(None) => return Ok(bytes.freeze()),
            Ok(Some(Err(error))) if error.is::<LengthLimitError>() => return Err(too_large()),
            Ok(Some(Err(error))) => return Err(Problem::bare(StatusCode::BAD_REQUEST).because(error)),
            Err(_elapsed) => {
                let detail = "the body did not arrive in time";
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail));
            }
        }
    }
    Err(wrong(format!("must arrive in less than {MOST_PIECES} pieces")))
}

/// How long a body may have taken of which so many bytes have arrived.
fn time_for(received: usize) -> Duration {
    let received = u32::try_from(received).unwrap_or(u32::MAX);
    WITHIN.min(PATIENCE + Duration::from_secs(received.into()) / RATE)
}

fn wrong(message: String) -> Problem {
    Problem::invalid(vec![FieldError { field: "body".to_owned(), message }])
}

/// The body that these bytes are.
pub(crate) fn parse<T: Read>(bytes: &[u8]) -> Result<T, Problem> {
    match serde_json::from_slice(bytes) {
        Ok(Json::Object(fields)) => Fields::parse(fields),
        Ok(Json::Null | Json::Integer(_) | Json::Text(_) | Json::Other) => {
            Err(wrong("must be a JSON object".to_owned()))
        }
        // Syntax aside, nothing is refused while it is read but too much of it.
        Err(error) if error.is_data() => Err(wrong(format!(
            "must have at most {MOST_FIELDS} fields, and {MOST_LEVELS} objects within one another"
        ))),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            Err(wrong(format!("must be one JSON document; line {line}, column {column} is not")))
        }
    }
}
