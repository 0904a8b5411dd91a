//! How far outboxes and groups of consumers are behind.

use std::sync::Arc;
use std::time::Duration;

use platform::World;
use platform::metrics::{Gauge, count};
use platform::tasks::pause;
use tokio_util::sync::CancellationToken;
use types::Timestamp;

use crate::{EventLog, Outbox};

/// How often one is looked at.
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
        pause(EVERY, world.clock.as_ref(), &shutdown).await;
    }
    Ok(())
}

/// Says how many events of these topics a group has not applied, until `shutdown`: as a metric, of the group as a whole,
/// whether or not any of its members gets on.
///
/// # Errors
/// None so far: while the log does not say, the metric is no number, which is neither an old one nor 0.
pub async fn watch_group(
    group: &str,
    topics: &[&str],
    log: Arc<dyn EventLog>,
    world: World,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let help = "Events that a group of consumers has not applied yet; NaN while the log does not say.";
    let behind = world.metrics.gauge("oxcart_consumer_lag_events", help, &[("group", group)]);
    behind.set(f64::NAN);
    while !shutdown.is_cancelled() {
        let told = log.behind(group, topics).await;
        behind.set(told.as_ref().map_or(f64::NAN, |events| count(*events)));
        if let Err(error) = told {
            tracing::debug!(group, error = %error, "can't look how far the group is behind");
        }
        pause(EVERY, world.clock.as_ref(), &shutdown).await;
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
        self.rows.set(count(rows));
        self.age.set(seconds);
        match self.news(age) {
            Some(News::Late) => tracing::warn!(service, rows, seconds, "events are late"),
            Some(News::InTime) => tracing::info!(service, rows, "events are no longer late"),
            None => {}
        }
    }

    /// What is worth a line: an outage is one for people, however long it takes, and its end another.
    fn news(&mut self, age: Duration) -> Option<News> {
        let before = std::mem::replace(&mut self.is_late, age > LATE);
        match (before, self.is_late) {
            (false, true) => Some(News::Late),
            (true, false) => Some(News::InTime),
            (false, false) | (true, true) => None,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum News {
    Late,
    InTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_that_is_late_is_news_once_and_so_is_its_end() {
        let mut lag = Lag { service: "checkout", rows: Gauge::noop(), age: Gauge::noop(), is_late: false };
        let told = [0, 30, 31, 600, 31, 30, 0, 31].map(|seconds| lag.news(Duration::from_secs(seconds)));
        let (late, in_time) = (Some(News::Late), Some(News::InTime));
        assert_eq!(told, [None, None, late, None, None, in_time, None, Some(News::Late)]);
    }
}
