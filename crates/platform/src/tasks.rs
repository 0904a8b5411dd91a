//! The owner of a program's workers.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// How long workers may take to end once told to: a moment more than a server's own drain.
const STOP_WITHIN: Duration = Duration::from_secs(26);

/// A set of named workers that live and stop together.
#[derive(Debug)]
pub struct Tasks {
    shutdown: CancellationToken,
    running: JoinSet<(&'static str, anyhow::Result<()>)>,
}

impl Tasks {
    /// No workers yet. Cancelling `shutdown` tells them to end; a worker that fails cancels it.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self { shutdown, running: JoinSet::new() }
    }

    /// Starts a worker. It must end soon after the token is cancelled; it may end before.
    pub fn spawn(
        &mut self,
        name: &'static str,
        worker: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.running.spawn(async move {
            let ended = AssertUnwindSafe(worker).catch_unwind().await;
            let result = match ended {
                Ok(result) => result.map_err(|error| error.context(format!("worker {name} failed"))),
                Err(_) => Err(anyhow::anyhow!("worker {name} panicked")),
            };
            (name, result)
        });
    }

    /// Waits until every worker has ended. The first that fails or panics stops the others, and its error, naming
    /// it, is returned. Workers still there 26 s after the shutdown are dropped.
    pub async fn join(mut self) -> anyhow::Result<()> {
        let shutdown = self.shutdown.clone();
        let overdue = async {
            shutdown.cancelled().await;
            tokio::time::sleep(STOP_WITHIN).await;
        };
        tokio::pin!(overdue);
        let mut outcome = Ok(());
        loop {
            let ended = tokio::select! {
                biased;
                ended = self.running.join_next() => ended,
                () = &mut overdue => {
                    tracing::warn!(left = self.running.len(), "workers did not end in time, dropped");
                    self.running.shutdown().await;
                    None
                }
            };
            let Some(ended) = ended else { return outcome };
            let (name, result) = ended?;
            tracing::debug!(worker = name, ok = result.is_ok(), "worker ended");
            if let Err(error) = result {
                self.shutdown.cancel();
                match outcome {
                    Ok(()) => outcome = Err(error),
                    Err(_) => tracing::warn!(error = format!("{error:#}"), "worker failed after the first"),
                }
            }
        }
    }
}

/// Waits that long, or until the shutdown: between two turns of a worker.
pub async fn pause(duration: Duration, clock: &dyn Clock, shutdown: &CancellationToken) {
    tokio::select! {
        biased;
        () = shutdown.cancelled() => {}
        () = clock.sleep(duration) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn obedient(token: CancellationToken) -> anyhow::Result<()> {
        token.cancelled().await;
        Ok(())
    }

    #[tokio::test]
    async fn the_first_error_stops_the_others_and_names_its_worker() {
        let token = CancellationToken::new();
        let mut tasks = Tasks::new(token.clone());
        tasks.spawn("obedient", obedient(token.clone()));
        tasks.spawn("sweeper", async { anyhow::bail!("disk full") });
        let error = tasks.join().await.unwrap_err();
        assert_eq!(format!("{error:#}"), "worker sweeper failed: disk full");
        assert!(token.is_cancelled());
    }

    #[tokio::test]
    async fn a_panic_is_an_error() {
        let token = CancellationToken::new();
        let mut tasks = Tasks::new(token.clone());
        tasks.spawn("obedient", obedient(token.clone()));
        tasks.spawn("relay", async { panic!("broken promise") });
        assert_eq!(tasks.join().await.unwrap_err().to_string(), "worker relay panicked");
    }

    #[tokio::test]
    async fn a_worker_that_is_done_stops_nobody() {
        let token = CancellationToken::new();
        let mut tasks = Tasks::new(token.clone());
        tasks.spawn("seed", async { Ok(()) });
        tasks.spawn("last", obedient(token.clone()));
        let joined = tasks.join();
        tokio::pin!(joined);
        tokio::select! {
            biased;
            _ = &mut joined => panic!("the last worker was not told to end"),
            () = tokio::task::yield_now() => token.cancel(),
        }
        joined.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_end_is_dropped() {
        let token = CancellationToken::new();
        let mut tasks = Tasks::new(token.clone());
        tasks.spawn("stubborn", std::future::pending());
        token.cancel();
        let asked = tokio::time::Instant::now();
        tasks.join().await.unwrap();
        assert_eq!(asked.elapsed().as_secs(), STOP_WITHIN.as_secs());
    }
}
