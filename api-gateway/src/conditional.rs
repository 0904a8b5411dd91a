//! Conditional requests (RFC 9110, section 13). The strong entity tag of a thing is its version in quotes.

use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::problem::{FieldError, Problem};

/// The versions that a client is content with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// No header, or `*`.
    Any,
    /// One of these; the list may be empty, then none is.
    OneOf(Vec<i64>),
}

#[derive(Debug, PartialEq, Eq)]
struct Tag<'a> {
    weak: bool,
    opaque: &'a str,
}

impl Tag<'_> {
    fn version(&self) -> Option<i64> {
        self.opaque.parse().ok()
    }
}

/// `"3"` of version 3.
pub(crate) fn etag(version: i64) -> String {
    format!("\"{version}\"")
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
            Ok(Wanted::OneOf(strong.filter_map(Tag::version).collect()))
        }
    }
}

/// Whether `If-None-Match` names this version: the client has it already. Weak tags count; what can't be read
/// names nothing.
pub(crate) fn has_already(headers: &HeaderMap, version: i64) -> bool {
    match value(headers, IF_NONE_MATCH).as_deref() {
        None => false,
        Some("*") => true,
        Some(list) => tags(list).unwrap_or_default().iter().any(|tag| tag.version() == Some(version)),
    }
}

fn value(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).iter().map(text).collect();
    (!lines.is_empty()).then(|| lines.join(",").trim().to_owned())
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

/// `"3", W/"4"`; `None` if it is no list of tags.
fn tags(list: &str) -> Option<Vec<Tag<'_>>> {
    let mut tags = Vec::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        let weak = rest.starts_with("W/");
        let (opaque, after) = rest.trim_start_matches("W/").strip_prefix('"')?.split_once('"')?;
        tags.push(Tag { weak, opaque });
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
        for (lines, wanted) in [
            (vec![], Some(Wanted::Any)),
            (vec!["*"], Some(Wanted::Any)),
            (vec!["\"3\""], Some(Wanted::OneOf(vec![3]))),
            (vec!["W/\"3\""], Some(Wanted::OneOf(vec![]))),
            (vec!["\"3\" , W/\"4\",\"5\""], Some(Wanted::OneOf(vec![3, 5]))),
            (vec!["\"3\"", "\"4\""], Some(Wanted::OneOf(vec![3, 4]))),
            (vec!["\"abc,d\""], Some(Wanted::OneOf(vec![]))),
            (vec!["3"], None),
            (vec!["\"3"], None),
            (vec!["\"3\" \"4\""], None),
        ] {
            assert_eq!(if_match(&headers(IF_MATCH, &lines)).ok(), wanted, "{lines:?}");
        }
    }

    #[test]
    fn if_none_match_is_weak() {
        for (lines, known) in [
            (vec![], false),
            (vec!["*"], true),
            (vec!["\"3\""], true),
            (vec!["W/\"3\""], true),
            (vec!["\"2\", \"3\""], true),
            (vec!["\"2\""], false),
            (vec!["3"], false),
        ] {
            assert_eq!(has_already(&headers(IF_NONE_MATCH, &lines), 3), known, "{lines:?}");
        }
    }
}
