//! Log lines as JSON: one object a line, with the fields of its event and, in `span`, those of the innermost span.
//!
//! What a line has of a span is written down once, when the span begins, and copied. The format of tracing-subscriber
//! reads it again for each line and goes through values of JSON for all else; a request with two lines pays for that
//! about as much as for being served (`bench telemetry`).

use std::fmt::{self, Arguments, Debug, Display, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Bytes that most lines have room in.
const LINE: usize = 512;

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
        let mut line = String::with_capacity(LINE);
        line.push_str("{\"timestamp\":\"");
        SystemTime.format_time(&mut Writer::new(&mut line))?;
        line.push_str("\",\"level\":\"");
        line.push_str(metadata.level().as_str());
        line.push('"');
        event.record(&mut Members(&mut line));
        key(&mut line, "target");
        text(&mut line, metadata.target());
        if let Some(span) = context.parent_span() {
            line.push_str(",\"span\":{\"name\":");
            text(&mut line, span.name());
            if let Some(fields) = span.extensions().get::<FormattedFields<Self>>() {
                line.push_str(fields);
            }
            line.push('}');
        }
        line.push_str("}\n");
        out.write_str(&line)
    }
}

/// As members of an object that has one already: `,"name":value` each.
impl<'w> FormatFields<'w> for Json {
    fn format_fields<R: RecordFields>(&self, mut out: Writer<'w>, fields: R) -> fmt::Result {
        let mut members = String::with_capacity(LINE);
        fields.record(&mut Members(&mut members));
        out.write_str(&members)
    }
}

/// Writes members behind others.
struct Members<'l>(&'l mut String);

impl Members<'_> {
    fn add(&mut self, field: &Field, value: impl FnOnce(&mut String)) {
        // They are in the line's level and target.
        if !field.name().starts_with("log.") {
            key(self.0, field.name());
            value(self.0);
        }
    }

    /// What is written as JSON has it.
    fn add_plain(&mut self, field: &Field, value: impl Display) {
        self.add(field, |line| into(line, format_args!("{value}")));
    }
}

impl Visit for Members<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no other numbers.
        if value.is_finite() {
            self.add(field, |line| into(line, format_args!("{value:?}")));
        } else {
            self.add_plain(field, "null");
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add_plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add_plain(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.add_plain(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.add_plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add_plain(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, |line| text(line, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, |line| {
            line.push('"');
            into(&mut Escaped(line), format_args!("{value:?}"));
            line.push('"');
        });
    }
}

/// A value that fails to show itself is cut off there; a line takes everything.
fn into(line: &mut impl Write, value: Arguments<'_>) {
    let _ = line.write_fmt(value);
}

fn key(line: &mut String, name: &str) {
    line.push(',');
    text(line, name);
    line.push(':');
}

fn text(line: &mut String, text: &str) {
    line.push('"');
    escape(line, text);
    line.push('"');
}

/// What is inside of the quotation marks of a string (RFC 8259, section 7).
fn escape(line: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        let (plain, special) = rest.split_at(at);
        let (special, after) = special.split_at(1);
        line.push_str(plain);
        match special {
            "\"" => line.push_str("\\\""),
            "\\" => line.push_str("\\\\"),
            "\n" => line.push_str("\\n"),
            _ => special.bytes().for_each(|byte| into(line, format_args!("\\u{byte:04x}"))),
        }
        rest = after;
    }
    line.push_str(rest);
}

struct Escaped<'l>(&'l mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::proptest;
    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{fmt, registry};

    use super::Json;
    use crate::telemetry::lines::tests::Sink;

    /// The lines of what is said, without their timestamps.
    fn lines(say: impl FnOnce()) -> Vec<Value> {
        let sink = Sink::default();
        let to = sink.clone();
        let layer = fmt::layer().fmt_fields(Json).event_format(Json).with_writer(move || to.clone());
        tracing::subscriber::with_default(registry().with(layer), say);
        let lines = sink.has();
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
