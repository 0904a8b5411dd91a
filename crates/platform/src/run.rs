//! From `main` to the exit code.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::trace::Tracer;
use crate::{World, config, telemetry};

/// How long blocking work may go on after everything else has ended.
const LAST_MOMENTS: Duration = Duration::from_secs(1);

/// Runs a program: log lines to stderr, metrics and traces where they are asked for, a multi-threaded runtime, and
/// `start` with the world as it is and a token that SIGTERM or SIGINT cancels. A second signal ends the process at once.
/// An error is one line on stderr and exit code 1.
pub fn run<F, Running>(program: &'static str, log: &config::Log, start: F) -> ExitCode
where
    F: FnOnce(World, CancellationToken) -> Running,
    Running: Future<Output = anyhow::Result<()>>,
{
    let outcome = telemetry::start(log).context("can't write log lines").and_then(|lines| {
        #[cfg(feature = "failpoints")]
        let _armed = crate::fault::armed::by_the_environment();
        let outcome = run_to_the_end(program, log, start);
        lines.flush();
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not a log line: whoever started the program by hand must see it whatever the log level.
            let _ = writeln!(std::io::stderr(), "{program}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_to_the_end<F, Running>(program: &'static str, log: &config::Log, start: F) -> anyhow::Result<()>
where
    F: FnOnce(World, CancellationToken) -> Running,
    Running: Future<Output = anyhow::Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let outcome = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let impatient = second_signal(program, shutdown.clone());
        let (metrics, serving) = metrics(program, log.metrics_addr).await?;
        let tracer = Tracer::open(&log.traces, program, &metrics).await?;
        tokio::select! {
            outcome = start(World { metrics, tracer: tracer.clone(), ..World::real() }, shutdown) => {
                tracer.close().await;
                outcome
            }
            outcome = serving => outcome,
            impatient = impatient => impatient.and_then(|()| anyhow::bail!("stopped at once by a second signal")),
        }
    });
    runtime.shutdown_timeout(LAST_MOMENTS);
    outcome
}

/// What is counted, and what serves it for as long as it is polled. The port is bound at once. Without one nothing is
/// counted, since nobody could ask.
async fn metrics(
    program: &'static str,
    address: Option<SocketAddr>,
) -> anyhow::Result<(Metrics, impl Future<Output = anyhow::Result<()>>)> {
    let (metrics, listener) = match address {
        Some(address) => {
            let metrics = Metrics::default();
            let listener = metrics.listen(address).await?;
            tracing::info!(program, address = %listener.local_addr()?, "metrics served");
            (metrics, Some(listener))
        }
        None => (Metrics::none(), None),
    };
    let labels = [("program", program), ("version", env!("CARGO_PKG_VERSION"))];
    metrics.gauge("oxcart_build_info", "Always 1; the labels say which program this is.", &labels).set(1.0);
    let counted = metrics.clone();
    let serving = async move {
        let Some(listener) = listener else { return std::future::pending().await };
        tokio::select! {
            outcome = counted.clone().serve(listener) => outcome,
            never = counted.sort_for_ever() => match never {},
        }
    };
    Ok((metrics, serving))
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
