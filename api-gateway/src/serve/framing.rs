//! Where the body of an HTTP/1 request ends.

use super::refusal::Refusal::{self, Malformed};

/// Digits that the size of a chunk may have.
const MAX_DIGITS: u8 = 8;

/// What is still to come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunks(Chunks),
}

/// Where in the chunks we are. Neither extensions nor trailers are taken: nobody sends them, and readers disagree on
/// where they end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunks {
    /// In the size of a chunk, or before it.
    Size { digits: u8, size: u64 },
    /// Before the LF behind a size.
    SizeEnds(u64),
    /// In a chunk.
    Data(u64),
    /// Before the CR LF behind a chunk; `last` if that was none, but the end.
    Cr { last: bool },
    /// Before its LF.
    Lf { last: bool },
    /// Behind the last.
    Ended,
}

impl Framing {
    pub(super) const fn chunked() -> Self {
        Self::Chunks(Chunks::Size { digits: 0, size: 0 })
    }

    /// Whether nothing of the body is still to come.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunks(Chunks::Ended))
    }

    /// Goes on to the end of these bytes or of the body; returns how many of the bytes are the body's.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        match self {
            Self::Length(left) => Ok(skip(left, bytes.len())),
            Self::Chunks(chunks) => {
                let mut passed = 0;
                while let Some(rest) = bytes.get(passed..).filter(|rest| !rest.is_empty())
                    && *chunks != Chunks::Ended
                {
                    passed += chunks.step(rest)?;
                }
                Ok(passed)
            }
        }
    }
}

/// Takes what there is from what is left.
fn skip(left: &mut u64, there: usize) -> usize {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(there);
    *left -= taken as u64;
    taken
}

impl Chunks {
    /// Goes on by some of these bytes, at least one.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        if let Self::Data(left) = self {
            let taken = skip(left, bytes.len());
            if *left == 0 {
                *self = Self::Cr { last: false };
            }
            return Ok(taken);
        }
        let byte = bytes.first().copied().unwrap_or_default();
        *self = match (*self, byte) {
            (Self::Size { digits, size }, digit) if digit.is_ascii_hexdigit() && digits < MAX_DIGITS => {
                let value = char::from(digit).to_digit(16).unwrap_or_default();
                Self::Size { digits: digits + 1, size: size * 16 + u64::from(value) }
            }
            (Self::Size { digits: 1.., size }, b'\r') => Self::SizeEnds(size),
            (Self::SizeEnds(0), b'\n') => Self::Cr { last: true },
            (Self::SizeEnds(size), b'\n') => Self::Data(size),
            (Self::Cr { last }, b'\r') => Self::Lf { last },
            (Self::Lf { last: false }, b'\n') => Self::Size { digits: 0, size: 0 },
            (Self::Lf { last: true }, b'\n') => Self::Ended,
            _ => return Err(Malformed("the chunks of the body must be sizes and data, without extensions")),
        };
        Ok(1)
    }
}

#[cfg(test)]
mod tests;
