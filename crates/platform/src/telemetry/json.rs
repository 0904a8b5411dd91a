//! Log lines as JSON: one object a line, with the fields of its event and, in `span`, those of the innermost span.
//!
//! What a line has of a span is written down once, when the span begins, and copied. The format of tracing-subscriber
//! reads it again for each line and goes through values of JSON for all else; a request with two lines pays for that
//! about as much as for being served (`bench telemetry`).

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The format, of events and of the fields of spans.
pub(super) struct Json;

impl<S> FormatEvent<S, Self> for Json
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Self>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // What a library says by `log` has its level and its module among its fields.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        out.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut out)?;
        out.write_str("\",\"level\":\"")?;
        out.write_str(metadata.level().as_str())?;
        out.write_char('"')?;
        self.format_fields(out.by_ref(), event)?;
        member(&mut out, "target", metadata.target())?;
        if let Some(span) = context.parent_span() {
            out.write_str(",\"span\":{\"name\":")?;
            text(&mut out, span.name())?;
            if let Some(fields) = span.extensions().get::<FormattedFields<Self>>() {
                out.write_str(fields)?;
            }
            out.write_char('}')?;
        }
        out.write_str("}\n")
    }
}

/// As members of an object that has one already: `,"name":value` each.
impl<'w> FormatFields<'w> for Json {
    fn format_fields<R: RecordFields>(&self, out: Writer<'w>, fields: R) -> fmt::Result {
        let mut members = Members { out, written: Ok(()) };
        fields.record(&mut members);
        members.written
    }
}

struct Members<'w> {
    out: Writer<'w>,
    written: fmt::Result,
}

impl Members<'_> {
    fn add(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let name = field.name();
        // They are in the line's level and target.
        if self.written.is_ok() && !name.starts_with("log.") {
            self.written = key(&mut self.out, name).and_then(|()| value(&mut self.out));
        }
    }
}

impl Visit for Members<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no other numbers.
        if value.is_finite() {
            self.add(field, |out| write!(out, "{value:?}"));
        } else {
            self.add(field, |out| out.write_str("null"));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, |out| write!(out, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, |out| write!(out, "{value}"));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.add(field, |out| write!(out, "{value}"));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.add(field, |out| write!(out, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, |out| write!(out, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, |out| text(out, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, |out| {
            out.write_char('"')?;
            write!(Escaped(out), "{value:?}")?;
            out.write_char('"')
        });
    }
}

fn member(out: &mut Writer<'_>, name: &str, value: &str) -> fmt::Result {
    key(out, name)?;
    text(out, value)
}

fn key(out: &mut Writer<'_>, name: &str) -> fmt::Result {
    out.write_char(',')?;
    text(out, name)?;
    out.write_char(':')
}

fn text(out: &mut Writer<'_>, text: &str) -> fmt::Result {
    out.write_char('"')?;
    Escaped(out).write_str(text)?;
    out.write_char('"')
}

/// What is inside of the quotation marks of a string (RFC 8259, section 7).
struct Escaped<'a, 'w>(&'a mut Writer<'w>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
            let (plain, special) = rest.split_at(at);
            let (special, after) = special.split_at(1);
            self.0.write_str(plain)?;
            match special {
                "\"" => self.0.write_str("\\\"")?,
                "\\" => self.0.write_str("\\\\")?,
                "\n" => self.0.write_str("\\n")?,
                _ => special.bytes().try_for_each(|byte| write!(self.0, "\\u{byte:04x}"))?,
            }
            rest = after;
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use proptest::proptest;
    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{fmt, registry};

    use super::Json;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines of what is said, without their timestamps.
    fn lines(say: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let to = written.clone();
        let layer = fmt::layer().fmt_fields(Json).event_format(Json).with_writer(move || to.clone());
        tracing::subscriber::with_default(registry().with(layer), say);
        let bytes = written.0.lock().unwrap().clone();
        let lines = String::from_utf8(bytes).unwrap();
        assert!(lines.ends_with('\n'), "{lines}");
        let parsed = lines.lines().map(|line| {
            let mut line: Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let at = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            time::OffsetDateTime::parse(at.as_str().unwrap(), &time::format_description::well_known::Rfc3339)
                .unwrap();
            line
        });
        parsed.collect()
    }

    #[test]
    fn a_line_has_its_fields_and_those_of_the_innermost_span() {
        let said = lines(|| {
            let outer = tracing::info_span!("outer", a = 1).entered();
            let inner = tracing::info_span!("inner", b = "x", later = tracing::field::Empty).entered();
            inner.record("later", 2);
            tracing::warn!(c = true, absent = None::<i64>, d = ?Some("q\"q"), "two words");
            drop((inner, outer));
            tracing::info!(i = -1, u = u64::MAX, f = 0.25, nan = f64::NAN, "no span");
        });
        let target = module_path!();
        assert_eq!(
            said,
            [
                json!({"level": "WARN", "message": "two words", "c": true, "d": "Some(\"q\\\"q\")", "target": target,
                    "span": {"name": "inner", "b": "x", "later": 2}}),
                json!({"level": "INFO", "message": "no span", "i": -1, "u": u64::MAX, "f": 0.25, "nan": null,
                    "target": target}),
            ]
        );
    }

    #[test]
    fn an_event_without_a_parent_is_in_no_span() {
        let said = lines(|| {
            let _around = tracing::info_span!("around").entered();
            tracing::info!(parent: None, "alone");
        });
        assert_eq!(said, [json!({"level": "INFO", "message": "alone", "target": module_path!()})]);
    }

    #[test]
    fn what_libraries_say_by_log_has_their_module() {
        let said = lines(|| {
            let record = tracing_log::log::Record::builder()
                .target("library::module")
                .level(tracing_log::log::Level::Warn)
                .args(format_args!("oh"))
                .build();
            tracing_log::format_trace(&record).unwrap();
        });
        assert_eq!(said, [json!({"level": "WARN", "message": "oh", "target": "library::module"})]);
    }

    proptest! {
        #[test]
        fn any_text_comes_out_as_it_went_in(text: String) {
            let said = lines(|| {
                let _around = tracing::info_span!("around", text).entered();
                tracing::info!(text, shown = %text, "{text}");
            });
            for value in [&said[0]["message"], &said[0]["text"], &said[0]["shown"], &said[0]["span"]["text"]] {
                assert_eq!(value, &text);
            }
        }
    }
}
