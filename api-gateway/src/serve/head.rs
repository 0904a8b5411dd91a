//! Heads of HTTP/1 requests, held to RFC 9112.
//!
//! hyper is more lenient than the standard in what decides where a request ends: it takes a bare line feed for the end
//! of a line, and a length beside a transfer coding, and any number of hosts. Whoever reads the same bytes in front of
//! us may decide otherwise, and a request can hide between the two readings. So what can be read in two ways is not
//! read at all.

use super::framing::Framing;
use super::refusal::Refusal::{self, Malformed, TooLarge};

/// Bytes that a head may have.
pub(super) const MAX_BYTES: usize = 16 * 1024;
/// Fields that a head may have.
pub(super) const MAX_FIELDS: usize = 100;
/// Digits that a length may have.
const MAX_DIGITS: usize = 18;

/// The length of the head at the beginning of these bytes, or none if it has not ended yet. The first `seen` bytes
/// have been looked at before.
pub(super) fn length(bytes: &[u8], seen: usize) -> Result<Option<usize>, Refusal> {
    let half_a_line_end = bytes.get(..seen).is_some_and(|seen| seen.ends_with(b"\r"));
    let mut at = seen - usize::from(half_a_line_end);
    while let Some(found) =
        bytes.get(at..).and_then(|rest| rest.iter().position(|b| matches!(b, b'\r' | b'\n')))
    {
        at += found;
        match bytes.get(at..).unwrap_or_default() {
            [b'\r'] => break,
            [b'\r', b'\n', ..] => at += 2,
            _ => return Err(Malformed("lines must end in CR LF")),
        }
        if at > MAX_BYTES {
            return Err(TooLarge);
        }
        if bytes.get(..at).is_some_and(|head| head.ends_with(b"\r\n\r\n")) {
            return Ok(Some(at));
        }
    }
    if bytes.len() >= MAX_BYTES { Err(TooLarge) } else { Ok(None) }
}

/// What follows a head, which [`length`] has found whole.
pub(super) fn check(head: &[u8]) -> Result<Framing, Refusal> {
    let text = head.strip_suffix(b"\r\n\r\n").unwrap_or(head);
    let mut lines = text.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let version = request_line(lines.next().unwrap_or_default())?;
    let mut fields = Fields::default();
    for (before, line) in lines.enumerate() {
        if before == MAX_FIELDS {
            return Err(TooLarge);
        }
        fields.add(line)?;
    }
    fields.framing(version)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

fn request_line(line: &[u8]) -> Result<Version, Refusal> {
    let mut words = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Malformed("a request must begin with method, target and version"));
    };
    let begins_with_a_letter = method.first().is_some_and(u8::is_ascii_alphabetic);
    if !begins_with_a_letter || !is_token(method) {
        return Err(Malformed("the method must be a word"));
    }
    if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
        return Err(Malformed("the target must be visible ASCII"));
    }
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        _ => Err(Malformed("the version must be HTTP/1.1 or HTTP/1.0")),
    }
}

/// The fields that decide where a request goes and where it ends.
#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
}

impl Fields {
    fn add(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if line.first().is_some_and(|first| matches!(first, b' ' | b'\t')) {
            return Err(Malformed("a field must be one line"));
        }
        let colon = line.iter().position(|b| *b == b':');
        let Some((name, [_, value @ ..])) = colon.and_then(|colon| line.split_at_checked(colon)) else {
            return Err(Malformed("a field must have a colon"));
        };
        if !is_token(name) {
            return Err(Malformed("the name of a field must be a word, followed by a colon at once"));
        }
        if value.iter().any(|b| b.is_ascii_control() && *b != b'\t') {
            return Err(Malformed("the value of a field must not have control characters"));
        }
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case(b"host") {
            self.host(value)
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.content_length(value)
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.transfer_encoding(value)
        } else {
            Ok(())
        }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        self.hosts += 1;
        let plain = value.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~%:[]".contains(b));
        if value.is_empty() || !plain {
            return Err(Malformed("Host must be a name or an address, and a port"));
        }
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let digits = (1..=MAX_DIGITS).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
        let length =
            std::str::from_utf8(value).ok().filter(|_| digits).and_then(|digits| digits.parse().ok());
        if length.is_none() || self.length.is_some() {
            return Err(Malformed("Content-Length must be one number"));
        }
        self.length = length;
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Malformed("Transfer-Encoding must be chunked, and said once"));
        }
        self.chunked = true;
        Ok(())
    }

    fn framing(self, version: Version) -> Result<Framing, Refusal> {
        match (version, self.hosts) {
            (_, 1) | (Version::Http10, 0) => {}
            (Version::Http10 | Version::Http11, _) => return Err(Malformed("there must be one Host")),
        }
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Malformed("there must not be both Content-Length and Transfer-Encoding")),
            (None, true) if version == Version::Http10 => Err(Malformed("HTTP/1.0 has no Transfer-Encoding")),
            (None, true) => Ok(Framing::chunked()),
            (Some(length), false) => Ok(Framing::Length(length)),
            (None, false) => Ok(Framing::Length(0)),
        }
    }
}

fn is_token(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

#[cfg(test)]
mod tests;
