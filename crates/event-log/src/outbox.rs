//! Carrying events from a service's own store into the log.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use platform::retry::Backoff;
use platform::trace::Span;
use platform::{World, fault, tasks};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::lag::Waiting;
use crate::{Event, EventLog, spans};

/// Rows carried at once.
const BATCH: usize = 100;

/// How long a row waits at most whose wake-up got lost, as that of a process that died in between.
const POLL: Duration = Duration::from_secs(5);

/// The same, where the wake-up came but another instance had the row's key, and may be done with it by now.
const SOON: Duration = Duration::from_millis(250);

/// Between attempts at a store or a log that fails.
const BACKOFF: Backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(10) };

/// The events that a service has written into its own store, each in the transaction that made it true.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// The first rows that are not marked as published, in the order in which they were written: found by
    /// the absence of the mark, never by a position, which would skip a row that is committed late. Where
    /// instances share the store, rows that another one is carrying, and later ones of their keys, are left
    /// to it.
    ///
    /// # Errors
    /// Any [`sql::Error`].
    async fn unpublished(&self, limit: usize) -> Result<Vec<OutboxRow>, sql::Error>;

    /// Marks rows by their `seq`. Rows that are marked already are no error.
    ///
    /// # Errors
    /// Any [`sql::Error`].
    async fn mark_published(&self, ids: &[i64]) -> Result<(), sql::Error>;

    /// What waits, whoever is carrying it.
    ///
    /// # Errors
    /// Any [`sql::Error`].
    async fn waiting(&self) -> Result<Waiting, sql::Error>;
}

/// An event on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Grows with each row of an outbox.
    pub seq: i64,
    /// Where it goes.
    pub topic: String,
    /// The event.
    pub event: Event,
}

/// An event of an outbox, for who looks at all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The event.
    pub row: OutboxRow,
    /// Whether the relay knows that the log has it.
    pub published: bool,
}

/// Carries rows from `outbox` to `log` until `shutdown`, in order within each topic. A row is marked only
/// once the log has it: it may be published twice, and is never lost. Woken by `wake`, on which the service
/// calls `notify_one` after each commit that wrote a row.
///
/// # Errors
/// None so far: what fails is tried again.
pub async fn relay(
    outbox: Arc<dyn Outbox>,
    log: Arc<dyn EventLog>,
    wake: Arc<Notify>,
    world: World,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut failures = 0;
    let mut pause = POLL;
    while !shutdown.is_cancelled() {
        match carry(outbox.as_ref(), log.as_ref(), &world).await {
            Ok(0) => {
                failures = 0;
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => {}
                    () = wake.notified() => pause = SOON,
                    () = world.clock.sleep(pause) => pause = POLL,
                }
            }
            // There may be more: what was written meanwhile, or was left to us because we had its key.
            Ok(_) => {
                if failures > 0 {
                    tracing::info!("events published again");
                }
                failures = 0;
            }
            Err(error) => {
                // An outage is one line for people, however long it takes.
                let error = format!("{error:#}");
                match failures {
                    0 => tracing::warn!(error, "events not published, tried again until they are"),
                    _ => tracing::debug!(error, failures, "events not published"),
                }
                // Not cut short by `wake`: a busy service would make a hot loop of a log that is down.
                let delay = BACKOFF.delay(failures, world.chance());
                tasks::pause(delay, world.clock.as_ref(), &shutdown).await;
                failures = failures.saturating_add(1);
            }
        }
    }
    Ok(())
}

/// Carries one batch; how many rows it had.
async fn carry(outbox: &dyn Outbox, log: &dyn EventLog, world: &World) -> anyhow::Result<usize> {
    let rows = outbox.unpublished(BATCH).await.context("the outbox can't be read")?;
    if rows.is_empty() {
        return Ok(0);
    }
    let ids: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    for (topic, mut events) in by_topic(rows) {
        let sent = |event| spans::sent(world, log, &topic, event);
        let mut spans: Vec<Span> = events.iter_mut().filter_map(sent).collect();
        let published = fault::around("relay.publish", log.publish(&topic, &events)).await;
        if published.is_err() {
            spans.iter_mut().for_each(|span| span.fail("publish"));
        }
        published?;
    }
    let marked = fault::around("relay.mark", outbox.mark_published(&ids)).await;
    marked.context("published rows can't be marked")?;
    Ok(ids.len())
}

/// The events of each topic, in order. Topics are few, so that a search beats a map.
fn by_topic(rows: Vec<OutboxRow>) -> Vec<(String, Vec<Event>)> {
    let mut topics: Vec<(String, Vec<Event>)> = Vec::new();
    for OutboxRow { topic, event, .. } in rows {
        match topics.iter_mut().find(|(name, _)| *name == topic) {
            Some((_, events)) => events.push(event),
            None => topics.push((topic, vec![event])),
        }
    }
    topics
}
