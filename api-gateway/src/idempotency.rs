//! The key under which a checkout happens at most once.

use http::{HeaderMap, HeaderName};
use proto::{Invalid, Reason, Rejection};
use tonic::Code;

use crate::problem::Problem;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest key, in characters.
pub(crate) const MAX_LEN: usize = 255;

/// The key of a request: the header `Idempotency-Key`, bare or quoted as in RFC 8941, or the body's field
/// `idempotency_key`. If there are both, they must say the same.
pub(crate) fn key(headers: &HeaderMap, field: Option<String>) -> Result<String, Problem> {
    let mut lines = headers.get_all(IDEMPOTENCY_KEY).iter();
    let header = match (lines.next(), lines.next()) {
        (None, _) => None,
        (Some(only), None) => {
            let text = std::str::from_utf8(only.as_bytes()).map_err(|_| invalid(UNUSABLE))?;
            Some(unquoted(text.trim()).ok_or_else(|| invalid(UNUSABLE))?)
        }
        (Some(_), Some(_)) => return Err(invalid("must be sent once")),
    };
    let key = match (header, field) {
        (Some(header), Some(field)) if header != field => {
            return Err(invalid("must be the same in the header and in the body"));
        }
        (Some(key), _) | (None, Some(key)) => key,
        (None, None) => {
            let detail = "send an Idempotency-Key header: a text of your own, new for each purchase";
            return Err(Rejection::new(Code::InvalidArgument, Reason::MissingIdempotencyKey, detail).into());
        }
    };
    let usable = (1..=MAX_LEN).contains(&key.chars().count()) && !key.chars().any(char::is_control);
    if usable { Ok(key) } else { Err(invalid(UNUSABLE)) }
}

const UNUSABLE: &str = "must be 1 to 255 characters, none of them a control character";

fn invalid(message: &str) -> Problem {
    Invalid::new("idempotency_key", message).because(Reason::InvalidIdempotencyKey).into()
}

/// The text of an RFC 8941 string, or the text as it is if it does not begin with a quote.
fn unquoted(text: &str) -> Option<String> {
    let Some(quoted) = text.strip_prefix('"') else {
        return Some(text.to_owned());
    };
    let mut key = String::new();
    let mut letters = quoted.chars();
    loop {
        match letters.next()? {
            '"' => return letters.next().is_none().then_some(key),
            '\\' => match letters.next()? {
                escaped @ ('"' | '\\') => key.push(escaped),
                _ => return None,
            },
            letter => key.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(lines: &[&str], field: Option<&str>) -> Option<String> {
        let headers =
            lines.iter().map(|line| (IDEMPOTENCY_KEY, HeaderValue::from_bytes(line.as_bytes()).unwrap()));
        key(&headers.collect(), field.map(str::to_owned)).ok()
    }

    #[test]
    fn a_key_comes_bare_or_quoted_or_in_the_body() {
        for (line, wanted) in [
            ("abc", "abc"),
            ("\"abc\"", "abc"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            ("ключ", "ключ"),
            ("a b", "a b"),
        ] {
            assert_eq!(read(&[line], None).as_deref(), Some(wanted), "{line}");
            assert_eq!(read(&[line], Some(wanted)).as_deref(), Some(wanted), "{line}");
        }
        assert_eq!(read(&[], Some("abc")).as_deref(), Some("abc"));
        let longest = "é".repeat(255);
        assert_eq!(read(&[], Some(&longest)), Some(longest));
    }

    #[test]
    fn anything_else_is_refused() {
        for line in ["", "\"\"", "\"abc", "\"a\"b\"", r#""a\b""#, "\"a\";x=1", &"x".repeat(256)] {
            assert_eq!(read(&[line], None), None, "{line}");
        }
        for field in ["", "a\nb", "a\u{7f}", &"x".repeat(256)] {
            assert_eq!(read(&[], Some(field)), None, "{field:?}");
        }
        assert_eq!(read(&["a"], Some("b")), None);
        assert_eq!(read(&["a", "a"], None), None);
        assert_eq!(read(&[], None), None);
    }
}
