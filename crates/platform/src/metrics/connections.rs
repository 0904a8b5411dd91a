//! Pools of connections to databases.

use std::time::{Duration, Instant};

use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::{Counted, Counter, Gauge, Histogram, Metrics};

/// How a pool of connections to a database is used, by the names of OpenTelemetry's conventions.
#[derive(Debug, Clone)]
pub struct Connections {
    /// Those in use.
    pub used: Gauge,
    /// Those that are open and not in use.
    pub idle: Gauge,
    /// Callers that wait for one.
    pub pending: Gauge,
    /// Callers that waited for one in vain.
    pub timeouts: Counter,
    waits: Histogram,
}

impl Connections {
    /// Those of the pool of this name, which has no more than `max` of them.
    pub fn new(metrics: &Metrics, pool: &str, max: u32) -> Self {
        let named = ("db_client_connection_pool_name", pool);
        let state = |state| {
            let help = "Connections of a pool, by what they do.";
            let labels = [named, ("db_client_connection_state", state)];
            metrics.gauge("db_client_connection_count", help, &labels)
        };
        metrics
            .gauge("db_client_connection_max", "Connections that a pool may have.", &[named])
            .set(f64::from(max));
        Self {
            used: state("used"),
            idle: state("idle"),
            pending: metrics.gauge(
                "db_client_connection_pending_requests",
                "Callers that wait for a connection.",
                &[named],
            ),
            timeouts: metrics.counter(
                "db_client_connection_timeouts_total",
                "Callers that waited for a connection in vain.",
                &[named],
            ),
            waits: metrics.durations(
                "db_client_connection_wait_time_seconds",
                "How long callers waited until it was their turn to have a connection.",
                &[named],
            ),
        }
    }

    /// Waits for the turn of a caller, who counts as one that waits until then; how long it took is noted if he gets it.
    ///
    /// # Errors
    /// Those of `turn`.
    pub async fn wait<T, E>(&self, turn: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let _waiting = Counted::by(&self.pending);
        let began = Instant::now();
        let turn = turn.await;
        if turn.is_ok() {
            self.waits.record(began.elapsed());
        }
        turn
    }

    /// The same for so long at the most; who gives up then has waited in vain.
    ///
    /// # Errors
    /// [`Elapsed`] where the turn did not come in time; inside, those of `turn`.
    pub async fn wait_within<T, E>(
        &self,
        patience: Duration,
        turn: impl Future<Output = Result<T, E>>,
    ) -> Result<Result<T, E>, Elapsed> {
        let waited = timeout(patience, self.wait(turn)).await;
        if waited.is_err() {
            self.timeouts.increment(1);
        }
        waited
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{pending, ready};

    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn who_waits_is_counted_until_he_has_it_or_gives_up() {
        let metrics = Metrics::default();
        let connections = Connections::new(&metrics, "orders", 8);
        let shows = |line: &str| {
            let text = metrics.text();
            let (name, value) = line.split_once(' ').unwrap();
            let line =
                format!("db_client_connection_{name}{{db_client_connection_pool_name=\"orders\"}} {value}");
            assert!(text.lines().any(|shown| shown == line), "{line} in {text}");
        };
        let mut waiting = Box::pin(connections.wait(pending::<Result<(), Infallible>>()));
        assert!((&mut waiting).now_or_never().is_none());
        shows("pending_requests 1");
        drop(waiting);
        shows("pending_requests 0");
        connections.wait(ready(Ok::<_, Infallible>(()))).await.unwrap();
        connections.wait(ready(Err::<Infallible, _>(()))).await.unwrap_err();
        shows("wait_time_seconds_count 1");
        shows("pending_requests 0");
        shows("timeouts_total 0");
        let never = pending::<Result<(), Infallible>>();
        connections.wait_within(Duration::from_millis(1), never).await.unwrap_err();
        connections.wait_within(Duration::from_secs(60), ready(Err::<(), _>(()))).await.unwrap().unwrap_err();
        shows("timeouts_total 1");
        shows("max 8");
    }
}
