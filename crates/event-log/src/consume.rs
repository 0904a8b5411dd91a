//! Delivering events to a handler.

mod counts;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use futures::FutureExt as _;
use platform::retry::Backoff;
use platform::trace::{self, Span};
use platform::{World, fault, tasks};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use tracing::field::{DisplayValue, display};

use crate::{Delivery, Error, Event, EventLog, Subscription, spans};
use counts::Counts;

/// Definite failures after which an event is given up.
const ATTEMPTS: u32 = 5;

/// What was applied is committed after so long at the latest, however many events arrived together: a member that
/// loses its partitions before it has committed does all over again, and where they change hands often and handlers are
/// slow, it would never be done.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// Between attempts, at the handler and at the log alike.
const BACKOFF: Backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(10) };

/// What a group of consumers does with its events.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Applies an event. It may come again after it was applied, so the effect and the mark of having
    /// applied it belong into one transaction. An event of an unknown kind is skipped: `Ok(())`.
    async fn handle(&self, topic: &str, event: &Event) -> Result<(), HandleError>;
}

/// Why an event was not applied, and what is to be done with it.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// Circumstances are to blame: tried again until it works. Later events wait.
    #[error("the event can't be handled at the moment")]
    Retry(#[source] anyhow::Error),
    /// The event can't be understood: goes to the dead letters at once, with these words.
    #[error("the event can't be understood: {0}")]
    Reject(String),
    /// The event can't be applied as things are: goes to the dead letters after five attempts.
    #[error("the event can't be applied")]
    Failed(#[source] anyhow::Error),
}

/// Delivers the events of `topics` to `handler` until `shutdown`, as a member of `group`: one after the
/// other, and done for the group only after the handler has taken them. A panic of the handler is a
/// [`HandleError::Failed`].
///
/// # Errors
/// None so far: a log that fails is tried again.
pub async fn consume(
    log: Arc<dyn EventLog>,
    group: &str,
    topics: &[&str],
    handler: Arc<dyn Handler>,
    world: World,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let counts = Counts::new(group, &world.metrics);
    let consumer = Consumer { group, handler, counts, world, shutdown };
    let mut subscription: Option<Box<dyn Subscription>> = None;
    let mut failures = 0;
    while !consumer.shutdown.is_cancelled() {
        match consumer.turn(log.as_ref(), topics, &mut subscription).await {
            Ok(()) => failures = 0,
            Err(error) => {
                tracing::warn!(group, error = format!("{:#}", anyhow!(error)), "events not consumed");
                consumer.pause(failures).await;
                failures = failures.saturating_add(1);
            }
        }
    }
    Ok(())
}

struct Consumer<'a> {
    group: &'a str,
    handler: Arc<dyn Handler>,
    counts: Counts,
    world: World,
    shutdown: CancellationToken,
}

/// Of the request that caused the event.
fn trace_id(delivery: &Delivery) -> Option<DisplayValue<impl std::fmt::Display>> {
    delivery.event.traceparent.as_deref().and_then(trace::trace_id).map(display)
}

/// What became of an event at the handler.
enum Fate {
    Applied,
    GivenUp(String),
    /// The shutdown came first.
    Open,
}

impl Consumer<'_> {
    /// Waits for events and works on them, once.
    async fn turn(
        &self,
        log: &dyn EventLog,
        topics: &[&str],
        subscription: &mut Option<Box<dyn Subscription>>,
    ) -> Result<(), Error> {
        let subscription = match subscription {
            Some(subscription) => subscription,
            absent => absent.insert(log.subscribe(self.group, topics).await?),
        };
        let deliveries = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => return Ok(()),
            deliveries = subscription.next() => deliveries?,
        };
        let mut applied = Applied::default();
        let mut committed = self.world.clock.now();
        for delivery in &deliveries {
            let mut span = spans::processed(&self.world, log, self.group, delivery);
            let lines = tracing::info_span!(parent: None, "event", id = %delivery.event.id, request_id = delivery.event.request_id, trace_id = trace_id(delivery));
            let delivering = self.deliver(subscription.as_mut(), delivery, &mut applied).instrument(lines);
            let fate = Span::only(span.as_ref(), delivering).await?;
            if let (Some(span), Fate::GivenUp(_)) = (&mut span, &fate) {
                span.fail("given_up");
            }
            drop(span);
            match fate {
                Fate::Applied => {
                    applied.add(delivery);
                    let now = self.world.clock.now();
                    self.counts.applied(now.since(delivery.event.time));
                    if now.since(committed) >= COMMIT_EVERY {
                        applied.commit(subscription.as_mut()).await?;
                        committed = now;
                    }
                }
                Fate::GivenUp(reason) => {
                    tracing::error!(
                        group = self.group, topic = delivery.topic, offset = delivery.offset,
                        event = %delivery.event.id, kind = delivery.event.kind, reason, "event given up"
                    );
                    subscription.dead_letter(delivery, &reason).await?;
                    self.counts.given_up();
                    applied.forget(delivery);
                }
                Fate::Open => break,
            }
        }
        applied.commit(subscription.as_mut()).await
    }

    /// Offers one event to the handler until its fate is known.
    async fn deliver<'d>(
        &self,
        subscription: &mut dyn Subscription,
        delivery: &'d Delivery,
        applied: &mut Applied<'d>,
    ) -> Result<Fate, Error> {
        let (mut attempts, mut failures) = (0, 0);
        while !self.shutdown.is_cancelled() {
            let handled =
                AssertUnwindSafe(self.handler.handle(&delivery.topic, &delivery.event)).catch_unwind();
            let error = match fault::around("consumer.handle", handled).await {
                Ok(Ok(())) => return Ok(Fate::Applied),
                Ok(Err(HandleError::Reject(reason))) => return Ok(Fate::GivenUp(reason)),
                Ok(Err(HandleError::Retry(error))) => error,
                Ok(Err(HandleError::Failed(error))) => {
                    failures += 1;
                    error
                }
                Err(_panic) => {
                    failures += 1;
                    anyhow!("the handler panicked")
                }
            };
            if failures == ATTEMPTS {
                return Ok(Fate::GivenUp(format!("{error:#}")));
            }
            tracing::warn!(
                group = self.group, topic = delivery.topic, offset = delivery.offset,
                event = %delivery.event.id, kind = delivery.event.kind, attempts,
                error = format!("{error:#}"), "event not handled"
            );
            self.counts.failed(self.world.clock.now().since(delivery.event.time));
            // It may take long, so what is behind us is committed first.
            applied.commit(subscription).await?;
            self.pause(attempts).await;
            attempts = attempts.saturating_add(1);
        }
        Ok(Fate::Open)
    }

    async fn pause(&self, attempt: u32) {
        let delay = BACKOFF.delay(attempt, self.world.chance());
        tasks::pause(delay, self.world.clock.as_ref(), &self.shutdown).await;
    }
}

/// The last delivery of each partition that the handler has taken and the log does not know of yet. Events that
/// arrive together are committed together, unless that takes long: the cost of a commit, not of the handler, would set
/// the pace.
#[derive(Default)]
struct Applied<'d>(Vec<&'d Delivery>);

impl<'d> Applied<'d> {
    fn add(&mut self, delivery: &'d Delivery) {
        self.forget(delivery);
        self.0.push(delivery);
    }

    /// Those of the partition of this delivery.
    fn forget(&mut self, delivery: &Delivery) {
        let is_other = |it: &&Delivery| {
            (it.partition, it.topic.as_str()) != (delivery.partition, delivery.topic.as_str())
        };
        self.0.retain(is_other);
    }

    async fn commit(&mut self, subscription: &mut dyn Subscription) -> Result<(), Error> {
        for delivery in std::mem::take(&mut self.0) {
            fault::around("consumer.commit", subscription.commit(delivery)).await?;
        }
        Ok(())
    }
}
