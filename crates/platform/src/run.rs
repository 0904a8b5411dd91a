//! From `main` to the exit code.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{config, telemetry};

/// How long blocking work may go on after everything else has ended.
const LAST_MOMENTS: Duration = Duration::from_secs(1);

/// Runs a program: log lines to stderr, a multi-threaded runtime, and `start` with a token that SIGTERM or SIGINT
/// cancels. A second signal ends the process at once. An error is one line on stderr and exit code 1.
pub fn run<F, Running>(program: &'static str, log: &config::Log, start: F) -> ExitCode
where
    F: FnOnce(CancellationToken) -> Running,
    Running: Future<Output = anyhow::Result<()>>,
{
    telemetry::start(log);
    #[cfg(feature = "failpoints")]
    let _armed = crate::fault::armed::by_the_environment();
    match run_to_the_end(program, start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not a log line: whoever started the program by hand must see it whatever the log level.
            let _ = writeln!(std::io::stderr(), "{program}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_to_the_end<F, Running>(program: &'static str, start: F) -> anyhow::Result<()>
where
    F: FnOnce(CancellationToken) -> Running,
    Running: Future<Output = anyhow::Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let outcome = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let impatient = second_signal(program, shutdown.clone());
        tokio::select! {
            outcome = start(shutdown) => outcome,
            impatient = impatient => impatient.and_then(|()| anyhow::bail!("stopped at once by a second signal")),
        }
    });
    runtime.shutdown_timeout(LAST_MOMENTS);
    outcome
}

/// Cancels the token at the first signal, returns at the second.
async fn second_signal(program: &'static str, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("can't listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("can't listen for SIGINT")?;
    for _ in 0..2 {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!(program, "stopping");
        shutdown.cancel();
    }
    Ok(())
}
