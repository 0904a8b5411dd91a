//! W3C trace context, version 00: <https://www.w3.org/TR/trace-context/>.

use std::fmt;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use uuid::Uuid;

/// A span of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    trace_id: u128,
    span_id: u64,
    sampled: bool,
}

impl Trace {
    /// A new trace that nobody records: log lines and messages have an id in common by it.
    pub(crate) fn begin(id: Uuid) -> Self {
        Self { trace_id: id.as_u128(), span_id: id.as_u64_pair().1, sampled: false }
    }

    /// Of a span that OpenTelemetry has made.
    pub(crate) fn of(span: &SpanContext) -> Self {
        Self {
            trace_id: u128::from_be_bytes(span.trace_id().to_bytes()),
            span_id: u64::from_be_bytes(span.span_id().to_bytes()),
            sampled: span.is_sampled(),
        }
    }

    /// As OpenTelemetry has it, of a span that may be another program's.
    pub(crate) fn remote(self) -> SpanContext {
        let flags = if self.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let (trace_id, span_id) = (TraceId::from(self.trace_id), SpanId::from(self.span_id));
        SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE)
    }

    /// Whether somebody records it.
    pub(crate) fn is_sampled(self) -> bool {
        self.sampled
    }

    /// The same, to be recorded by nobody from here on.
    pub(crate) fn unsampled(self) -> Self {
        Self { sampled: false, ..self }
    }

    /// The id that all of its spans have in common, in 32 hexadecimal digits.
    pub(crate) fn trace_id(self) -> impl fmt::Display {
        TraceId::from(self.trace_id)
    }

    /// A `traceparent` header: of version 00, or of a later one that begins like it.
    pub(crate) fn parse(header: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(header).ok()?;
        let mut parts = text.split('-');
        let version = hex(parts.next()?, 2)?;
        let trace_id = hex(parts.next()?, 32)?;
        let span_id = u64::try_from(hex(parts.next()?, 16)?).ok()?;
        let flags = hex(parts.next()?, 2)?;
        let ends_here = parts.next().is_none();
        let understood = version != 0xff && (version != 0 || ends_here) && trace_id != 0 && span_id != 0;
        understood.then_some(Self { trace_id, span_id, sampled: flags & 1 == 1 })
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

/// A number in exactly `digits` lowercase hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let lowercase = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() == digits && lowercase { u128::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn reads_what_it_writes() {
        assert_eq!(Trace::parse(GOOD.as_bytes()).unwrap().to_string(), GOOD);
        let begun = Trace::begin(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
        assert_eq!(Trace::parse(begun.to_string().as_bytes()), Some(begun));
    }

    #[test]
    fn accepts_later_versions_by_their_beginning() {
        let later = format!("cc{}-what-else", &GOOD[2..]);
        assert_eq!(Trace::parse(later.as_bytes()), Trace::parse(GOOD.as_bytes()));
    }

    #[test]
    fn refuses_what_is_malformed() {
        let cases = [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        ];
        for header in cases {
            assert_eq!(Trace::parse(header.as_bytes()), None, "{header:?}");
        }
    }
}
