//! Headers of replies.

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Response, Type};

/// On every reply.
pub(super) const OF_ALL: [&str; 2] = ["Cache-Control", "X-Request-Id"];
/// On every reply of a route that is limited.
pub(super) const OF_A_LIMIT: [&str; 2] = ["RateLimit", "RateLimit-Policy"];

/// Name, pattern, meaning.
const HEADERS: [(&str, &str, &str); 13] = [
    ("Accept-Encoding", "^identity$", "What a body may be encoded with: nothing."),
    ("Cache-Control", "^.+$", "How long the reply may be kept."),
    ("Content-Location", "^/.+$", "Where to ask for what the reply shows."),
    (
        "ETag",
        "^\"([0-9]+|[0-9a-f]{32})(-gzip)?\"$",
        "What the thing is like now, for `If-Match` and `If-None-Match`.",
    ),
    (
        "Idempotent-Replayed",
        "^true$",
        "There, and `true`, if the key was used before: this is what came of it.",
    ),
    ("Location", "^/.+$", "Where the thing is."),
    (
        "RateLimit",
        "^\"(read|write|checkout)\";r=[0-9]+;t=[0-9]+$",
        "Where a limit is set: what is left now, and in how many seconds all is there again.",
    ),
    (
        "RateLimit-Policy",
        "^\"(read|write|checkout)\";q=[0-9]+;w=[0-9]+$",
        "Where a limit is set: how many requests at once, and in how many seconds they are given back.",
    ),
    ("Retry-After", "^[0-9]+$", "In how many seconds to try again."),
    ("Vary", "^.+$", "What the reply depends on beside the path."),
    ("WWW-Authenticate", "^Bearer( error=\"invalid_token\")?$", "How to say who you are."),
    ("X-Accel-Buffering", "^no$", "For proxies: to pass on what comes as it comes."),
    ("X-Request-Id", "^[!-~]{1,128}$", "The id of the request, in every log line about it."),
];

/// Each by its name.
pub(super) fn all() -> impl Iterator<Item = (&'static str, Header)> {
    HEADERS.into_iter().map(|(name, pattern, meaning)| {
        let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
        (name, HeaderBuilder::new().schema(Some(schema)).description(Some(meaning)).build())
    })
}

pub(super) fn add(reply: &mut Response, names: &[&str]) {
    for name in names {
        let header = Ref::new(format!("#/components/headers/{name}"));
        reply.headers.insert((*name).to_owned(), RefOr::Ref(header));
    }
}
