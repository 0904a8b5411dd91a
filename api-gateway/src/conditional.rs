//! Conditional requests (RFC 9110, section 13): strong entity tags, `If-Match`, `If-None-Match`.
//!
//! An answer that is sent compressed is another one, byte for byte, so its tag says so: `"3-gzip"` beside `"3"`. Of what
//! it is a tag is the same, so both count when a client sends them back.

mod docs;

use std::fmt::{self, Write as _};

use aws_lc_rs::digest::{SHA256, digest};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proto::{Reason, Rejection};
use tonic::Code;

use crate::problem::{FieldError, Problem};

/// What is appended to the tag of a compressed answer.
const GZIPPED: &str = "-gzip";

/// A strong entity tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag(String);

impl Tag {
    /// Of what a version says all about.
    pub(crate) fn of_version(version: i64) -> Self {
        Self(version.to_string())
    }

    /// Of exactly these bytes.
    pub(crate) fn of(body: &[u8]) -> Self {
        let hash = digest(&SHA256, body);
        let mut tag = String::with_capacity(32);
        for byte in hash.as_ref().iter().take(16) {
            let _ = write!(tag, "{byte:02x}");
        }
        Self(tag)
    }

    /// The version that it stands for, if it was made of one.
    pub(crate) fn version(&self) -> Option<i64> {
        self.0.parse().ok()
    }
}

/// With the quotes that belong to it.
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// What a client is content with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// No header, or `*`.
    Any,
    /// One of these; the list may be empty, then none is.
    OneOf(Vec<Tag>),
}

/// A tag as a client sends it.
#[derive(Debug, PartialEq, Eq)]
struct Listed<'a> {
    weak: bool,
    opaque: &'a str,
}

impl Listed<'_> {
    /// What it is a tag of, compressed or not.
    fn plain(&self) -> &str {
        self.opaque.strip_suffix(GZIPPED).unwrap_or(self.opaque)
    }
}

/// What `If-Match` asks for; a weak tag never matches.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Wanted, Problem> {
    match value(headers, IF_MATCH).as_deref() {
        None | Some("*") => Ok(Wanted::Any),
        Some(list) => {
            let malformed = || {
                let (field, message) =
                    ("If-Match".to_owned(), "must be an ETag such as \"3\", or *".to_owned());
                Problem::invalid(vec![FieldError { field, message }])
            };
            let tags = tags(list).ok_or_else(malformed)?;
            let strong = tags.iter().filter(|tag| !tag.weak);
            Ok(Wanted::OneOf(strong.map(|tag| Tag(tag.plain().to_owned())).collect()))
        }
    }
}

/// It is no longer what `If-Match` says: 412.
pub(crate) fn stale() -> Problem {
    Rejection::new(Code::Aborted, Reason::StaleVersion, "it is no longer as an ETag in If-Match says").into()
}

/// JSON with its tag, or 304 if `If-None-Match` says that the client has it already.
pub(crate) fn json(
    headers: &HeaderMap,
    caching: &'static str,
    tag: &Tag,
    body: impl FnOnce() -> Result<Bytes, Problem>,
) -> Result<Response, Problem> {
    let head = [(CACHE_CONTROL, caching), (VARY, ACCEPT_ENCODING.as_str())];
    Ok(match known(headers, tag) {
        Some(known) => (StatusCode::NOT_MODIFIED, head, [(ETAG, known)]).into_response(),
        None => {
            let content_type = [(CONTENT_TYPE, "application/json")];
            (head, content_type, [(ETAG, tag.to_string())], body()?).into_response()
        }
    })
}

/// The tag of what the client has, if `If-None-Match` names it. Weak tags count; what can't be read names nothing.
fn known(headers: &HeaderMap, tag: &Tag) -> Option<String> {
    match value(headers, IF_NONE_MATCH)?.as_str() {
        "*" => Some(tag.to_string()),
        list => {
            let tags = tags(list).unwrap_or_default();
            let found = tags.iter().find(|listed| listed.plain() == tag.0)?;
            Some(format!("\"{}\"", found.opaque))
        }
    }
}

/// Gives a compressed answer a tag of its own.
pub(crate) async fn tag_by_coding(mut response: Response) -> Response {
    let headers = response.headers_mut();
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding == "gzip") {
        let coded = headers
            .get(ETAG)
            .and_then(|tag| tag.to_str().ok()?.strip_suffix('"'))
            .map(|opened| HeaderValue::try_from(format!("{opened}{GZIPPED}\"")));
        if let Some(Ok(coded)) = coded {
            headers.insert(ETAG, coded);
        }
    }
    response
}

fn value(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).iter().map(text).collect();
    (!lines.is_empty()).then(|| lines.join(",").trim().to_owned())
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

/// `"3", W/"4"`; `None` if it is no list of tags.
fn tags(list: &str) -> Option<Vec<Listed<'_>>> {
    let mut tags = Vec::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        let (weak, tag) = rest.strip_prefix("W/").map_or((false, rest), |tag| (true, tag));
        let (opaque, after) = tag.strip_prefix('"')?.split_once('"')?;
        tags.push(Listed { weak, opaque });
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (name.clone(), line.parse().unwrap())).collect()
    }

    #[test]
    fn if_match_is_strong() {
        let one_of = |tags: &[&str]| Some(Wanted::OneOf(tags.iter().map(|tag| Tag((*tag).into())).collect()));
        for (lines, wanted) in [
            (vec![], Some(Wanted::Any)),
            (vec!["*"], Some(Wanted::Any)),
            (vec!["\"3\""], one_of(&["3"])),
            (vec!["\"3-gzip\""], one_of(&["3"])),
            (vec!["W/\"3\""], one_of(&[])),
            (vec!["\"3\" , W/\"4\",\"5\""], one_of(&["3", "5"])),
            (vec!["\"3\"", "\"4\""], one_of(&["3", "4"])),
            (vec!["\"abc,d\""], one_of(&["abc,d"])),
            (vec!["3"], None),
            (vec!["\"3"], None),
            (vec!["W/W/\"3\""], None),
            (vec!["\"3\" \"4\""], None),
        ] {
            assert_eq!(if_match(&headers(IF_MATCH, &lines)).ok(), wanted, "{lines:?}");
        }
        assert_eq!(Tag("x".into()).version(), None);
        assert_eq!(Tag::of_version(3).version(), Some(3));
    }

    #[test]
    fn if_none_match_is_weak() {
        for (lines, wanted) in [
            (vec![], None),
            (vec!["*"], Some("\"3\"")),
            (vec!["\"3\""], Some("\"3\"")),
            (vec!["\"3-gzip\""], Some("\"3-gzip\"")),
            (vec!["W/\"3\""], Some("\"3\"")),
            (vec!["\"2\", \"3\""], Some("\"3\"")),
            (vec!["\"2\""], None),
            (vec!["3"], None),
        ] {
            let known = known(&headers(IF_NONE_MATCH, &lines), &Tag::of_version(3));
            assert_eq!(known.as_deref(), wanted, "{lines:?}");
        }
    }

    #[test]
    fn the_tag_of_bytes_is_theirs() {
        assert_eq!(Tag::of(b"a"), Tag::of(b"a"));
        assert_ne!(Tag::of(b"a"), Tag::of(b"b"));
        assert_eq!(Tag::of(b"").to_string(), "\"e3b0c44298fc1c149afbf4c8996fb924\"");
    }
}
