//! Conditional requests (RFC 9110, section 13): strong entity tags, `If-Match`, `If-None-Match`.
//!
//! An answer that is sent compressed is another one, byte for byte, so its tag says so: `"3-gzip"` beside `"3"`. Of what
//! it is a tag is the same, so both count when a client sends them back.

mod docs;

use std::fmt::{self, Write as _};

use aws_lc_rs::digest::{SHA256, digest};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use proto::{Reason, Rejection};
use tonic::Code;

use crate::problem::{FieldError, Problem};

const IF_MATCH: &str = "If-Match";
const IF_NONE_MATCH: &str = "If-None-Match";
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
    match value(headers, IF_MATCH)?.as_deref() {
        None | Some("*") => Ok(Wanted::Any),
        Some(list) => {
            let tags = tags(list).ok_or_else(|| malformed(IF_MATCH))?;
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
    Ok(match known(headers, tag)? {
        Some(known) => (StatusCode::NOT_MODIFIED, head, [(ETAG, known)]).into_response(),
        None => {
            let content_type = [(CONTENT_TYPE, "application/json")];
            (head, content_type, [(ETAG, tag.to_string())], body()?).into_response()
        }
    })
}

/// The tag of what the client has, if `If-None-Match` names it. Weak tags count.
fn known(headers: &HeaderMap, tag: &Tag) -> Result<Option<String>, Problem> {
    Ok(match value(headers, IF_NONE_MATCH)?.as_deref() {
        None => None,
        Some("*") => Some(tag.to_string()),
        Some(list) => {
            let tags = tags(list).ok_or_else(|| malformed(IF_NONE_MATCH))?;
            let found = tags.iter().find(|listed| listed.plain() == tag.0);
            found.map(|found| format!("\"{}\"", found.opaque))
        }
    })
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

/// All that a header says, if it is there. No tag of ours has anything but ASCII in it, so none of what else may be in
/// a tag is read.
fn value(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Problem> {
    let lines = headers.get_all(name).iter().map(HeaderValue::to_str).collect::<Result<Vec<_>, _>>();
    let lines = lines.map_err(|_| malformed(name))?;
    Ok((!lines.is_empty()).then(|| lines.join(",").trim().to_owned()))
}

fn malformed(name: &str) -> Problem {
    let (field, message) = (name.to_owned(), "must be an ETag such as \"3\", several, or *".to_owned());
    Problem::invalid(vec![FieldError { field, message }])
}

/// `"3", W/"4"`; `None` if it is no list of tags.
fn tags(list: &str) -> Option<Vec<Listed<'_>>> {
    let mut tags = Vec::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        let (weak, tag) = rest.strip_prefix("W/").map_or((false, rest), |tag| (true, tag));
        let (opaque, after) = tag.strip_prefix('"')?.split_once('"')?;
        if !opaque.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
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
    use http::HeaderName;

    use super::*;

    fn headers(name: &str, lines: &[&str]) -> HeaderMap {
        let name: HeaderName = name.parse().unwrap();
        lines.iter().map(|line| (name.clone(), HeaderValue::from_bytes(line.as_bytes()).unwrap())).collect()
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
            (vec![""], one_of(&[])),
            (vec!["\"\u{e9}\""], None),
            (vec!["\u{e9}"], None),
            (vec!["\"3\"", "\u{e9}"], None),
            (vec!["\"a\tb\""], None),
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
            (vec![""], None),
        ] {
            let known = known(&headers(IF_NONE_MATCH, &lines), &Tag::of_version(3)).unwrap();
            assert_eq!(known.as_deref(), wanted, "{lines:?}");
        }
        for lines in [["3"], ["\"3"], ["\u{e9}"], ["\"\u{e9}\""]] {
            assert!(known(&headers(IF_NONE_MATCH, &lines), &Tag::of_version(3)).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn the_tag_of_bytes_is_theirs() {
        assert_eq!(Tag::of(b"a"), Tag::of(b"a"));
        assert_ne!(Tag::of(b"a"), Tag::of(b"b"));
        assert_eq!(Tag::of(b"").to_string(), "\"e3b0c44298fc1c149afbf4c8996fb924\"");
    }
}
