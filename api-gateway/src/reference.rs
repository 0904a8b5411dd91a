//! The document for people: Swagger UI, whose files are in this program. Nothing is loaded from anywhere else, and the
//! page may not even try to.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::problem::Problem;

pub(crate) mod docs;

/// Scripts and calls of our own only. Swagger UI writes styles into the page as it goes.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const REFERRER_POLICY: (HeaderName, &str) = (HeaderName::from_static("referrer-policy"), "no-referrer");
/// The files change with the program only; whoever keeps them asks now and then.
const ASSET_CACHING: &str = "public, max-age=3600";

const PAGE: &str = include_str!("reference/page.html");
const START: &[u8] = include_bytes!("reference/start.js");
const BUNDLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz"));
const STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz"));

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// `GET /docs`
pub(crate) async fn page() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        REFERRER_POLICY,
        (CACHE_CONTROL, "public, no-cache"),
    ];
    (headers, PAGE).into_response()
}

/// `GET /docs/{asset}`
///
/// The large ones are kept as they are sent, compressed: whoever can't read that has no use for them either.
pub(crate) async fn asset(name: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    // What is not even text names nothing.
    let name = name.as_ref().map_or("", |Path(name)| name);
    let (media_type, body, packed) = match name {
        "start.js" => (SCRIPT, START, false),
        "swagger-ui-bundle.js" => (SCRIPT, BUNDLE, true),
        "swagger-ui.css" => ("text/css; charset=utf-8", STYLE, true),
        _ => return Err(Problem::bare(StatusCode::NOT_FOUND)),
    };
    let headers = [(CONTENT_TYPE, media_type), (CACHE_CONTROL, ASSET_CACHING)];
    let mut response = (headers, body).into_response();
    if packed {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}
