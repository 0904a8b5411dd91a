//! Log lines, to stderr.

mod json;
mod lines;

use std::io::{self, IsTerminal as _, Stderr, stderr};
use std::panic;
use std::time::Duration;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use crate::config::{Log, LogFormat};
use json::Json;
use lines::Lines;

/// Sends the log lines of this process to stderr, panics included. Once a process; a second call changes nothing.
/// Whoever ends the process flushes what this returns.
///
/// # Errors
/// A thread that can't be had.
pub(crate) fn start(log: &Log) -> io::Result<Lines<Stderr>> {
    let terminal = stderr().is_terminal();
    let by_default = if terminal { LogFormat::Pretty } else { LogFormat::Json };
    let lines = Lines::new(stderr());
    let layer = fmt::layer().with_writer(lines.clone());
    let layer = match log.log_format.unwrap_or(by_default) {
        LogFormat::Json => layer.fmt_fields(Json).event_format(Json).boxed(),
        LogFormat::Pretty => layer.compact().with_target(false).with_ansi(terminal).boxed(),
    };
    let levels: Targets = log.log_level.parse().unwrap_or_default();
    let started = registry().with(levels).with(layer).try_init();
    if started.is_ok() {
        lines.carry()?;
        panic::set_hook(Box::new(log_panic));
    }
    Ok(lines)
}

/// A duration as log lines have it: milliseconds, to the microsecond.
pub fn milliseconds(duration: Duration) -> f64 {
    f64::from(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)) / 1000.0
}

fn log_panic(panic: &panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let payload = panic.payload();
    let said = payload.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| payload.downcast_ref::<&str>().copied());
    tracing::error!(message = "panicked", panic = said, place);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_to_read() {
        assert_eq!(milliseconds(Duration::from_nanos(1_234_567)).to_string(), "1.234");
        assert_eq!(milliseconds(Duration::MAX).to_string(), "4294967.295");
    }
}
