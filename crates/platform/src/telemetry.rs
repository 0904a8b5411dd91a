//! Log lines, to stderr.

use std::io::{IsTerminal as _, stderr};
use std::panic;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Log, LogFormat};

/// Sends the log lines of this process to stderr, panics included. Once a process; a second call changes nothing.
pub(crate) fn start(log: &Log) {
    let filter = EnvFilter::try_new(&log.log_level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_writer(stderr)
        .with_env_filter(filter);
    let terminal = stderr().is_terminal();
    let by_default = if terminal {
        LogFormat::Pretty
    } else {
        LogFormat::Json
    };
    let started = match log.log_format.unwrap_or(by_default) {
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .finish()
            .try_init(),
        LogFormat::Pretty => lines
            .compact()
            .with_target(false)
            .with_ansi(terminal)
            .finish()
            .try_init(),
    };
    if started.is_ok() {
        panic::set_hook(Box::new(log_panic));
    }
}

fn log_panic(panic: &panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let payload = panic.payload();
    let said = payload.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| payload.downcast_ref::<&str>().copied());
    tracing::error!(message = "panicked", panic = said, place);
}
