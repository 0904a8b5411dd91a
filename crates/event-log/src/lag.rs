//! How far an outbox is behind.

use std::sync::Arc;
use std::time::Duration;

use platform::World;
use platform::metrics::Gauge;
use tokio_util::sync::CancellationToken;
use types::Timestamp;

use crate::Outbox;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(5);

/// An event that waits for longer is worth a line in the log: the log is away, or the relay is.
const LATE: Duration = Duration::from_secs(30);

/// The rows of an outbox that wait to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    /// How many.
    pub rows: u64,
    /// When the event of the oldest one happened.
    pub oldest: Option<Timestamp>,
}

/// Says how many rows of the outbox of `service` wait, and for how long the oldest has, until `shutdown`: as metrics,
/// and in the log once when it is late and once when it is not any more.
///
/// # Errors
/// None so far: while the store does not answer, the last numbers stand.
pub async fn watch(
    service: &'static str,
    outbox: Arc<dyn Outbox>,
    world: World,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let labels = [("service", service)];
    let metrics = &world.metrics;
    let rows = metrics.gauge("oxcart_outbox_rows", "Events that wait to be published.", &labels);
    let age = metrics.gauge(
        "oxcart_outbox_oldest_age_seconds",
        "For how long the oldest event has been waiting to be published; 0 if none is.",
        &labels,
    );
    let mut lag = Lag { service, rows, age, is_late: false };
    while !shutdown.is_cancelled() {
        match outbox.waiting().await {
            Ok(waiting) => lag.tell(waiting, world.clock.now()),
            Err(error) => tracing::debug!(service, error = %error, "can't look how far the outbox is behind"),
        }
        tokio::select! {
            () = world.clock.sleep(EVERY) => {}
            () = shutdown.cancelled() => {}
        }
    }
    Ok(())
}

struct Lag {
    service: &'static str,
    rows: Gauge,
    age: Gauge,
    is_late: bool,
}

impl Lag {
    fn tell(&mut self, waiting: Waiting, now: Timestamp) {
        let Self { service, .. } = *self;
        let age = waiting.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
        let (rows, seconds) = (waiting.rows, age.as_secs_f64());
        // Nobody has so many that a float can't count them.
        self.rows.set(f64::from(u32::try_from(rows).unwrap_or(u32::MAX)));
        self.age.set(seconds);
        match (self.is_late, age > LATE) {
            (false, true) => tracing::warn!(service, rows, seconds, "events are late, the outbox grows"),
            (true, false) => tracing::info!(service, rows, "events are no longer late"),
            _ => {}
        }
        self.is_late = age > LATE;
    }
}
