//! Carries cancellations to their end: a thin shell of I/O around the pure decision.
//!
//! A request only accepts a cancellation. Each is driven by a task of the worker here, under a lease: intent is
//! committed before its call is made, and the outcome together with the next intent. Whoever finds that a write of
//! his went nowhere has lost it to another owner and stops.

use std::sync::Arc;
use std::time::Duration;

use platform::lease::{self, Held, LEASE, Lease};
use platform::retry::Backoff;
use platform::trace::{Kind, Span};
use platform::watch::Watchers;
use platform::{Context, Origin, World, fault};
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use tracing::field::display;
use types::OrderId;
use uuid::Uuid;

use super::steps::{self, CALL_TIMEOUT, Peers};
use super::{Cancellation, Outcome};
use crate::announcement;
use crate::counts::Counts;
use crate::order::Status;
use crate::store::Store;

/// Between two attempts at a call.
const BACKOFF: Backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(10) };

/// Cancellations driven at the same time; the others wait for their turn in the store.
const DRIVERS: usize = 64;

/// How long the worker sleeps when nothing is due; other instances may leave work behind.
const IDLE: Duration = Duration::from_secs(5);

/// Drives cancellations. Clones share everything.
#[derive(Clone)]
pub(crate) struct Executor {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) peers: Peers,
    pub(crate) world: World,
    pub(crate) counts: Counts,
    /// This instance, as leases name it.
    pub(crate) owner: Uuid,
    /// Something became due.
    pub(crate) due: Arc<Notify>,
    /// Wakes the relay: an event was written.
    pub(crate) changed: Arc<Notify>,
    /// Who waits for an order to change.
    pub(crate) watchers: Watchers<OrderId>,
}

impl Executor {
    /// Takes what is due and in nobody's hands, until shutdown; then lets each call end and gives all leases back.
    ///
    /// # Errors
    /// None; trouble of the store is logged and tried again.
    pub(crate) async fn work(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut drivers = JoinSet::new();
        while !shutdown.is_cancelled() {
            let pause = match self.take_over(&mut drivers, &shutdown).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "can't look for orders to cancel");
                    LEASE
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                Some(ended) = drivers.join_next() => whole(ended),
                () = self.due.notified() => {}
                () = self.world.clock.sleep(pause) => {}
            }
        }
        while let Some(ended) = drivers.join_next().await {
            whole(ended);
        }
        if let Err(error) = self.store.give_back(self.owner).await {
            tracing::warn!(%error, "leases of cancellations were not given back, they run out by themselves");
        }
        Ok(())
    }

    /// Takes what is due, and says how long nothing more will be.
    async fn take_over(
        &self,
        drivers: &mut JoinSet<()>,
        stopping: &CancellationToken,
    ) -> Result<Duration, sql::Error> {
        while let Some(ended) = drivers.try_join_next() {
            whole(ended);
        }
        let free = DRIVERS.saturating_sub(drivers.len());
        if free == 0 {
            return Ok(IDLE);
        }
        for cancellation in self.store.claim(self.owner, free, self.world.clock.now()).await? {
            drivers.spawn(self.clone().drive(cancellation, stopping.clone()));
        }
        let now = self.world.clock.now();
        let next = self.store.next_due(now).await?;
        Ok(next.map_or(IDLE, |due| due.since(now).min(IDLE)))
    }

    /// Makes call after call until the end, a repeat that is due later, a loss of the lease, or shutdown.
    async fn drive(self, mut cancellation: Cancellation, stopping: CancellationToken) {
        let Origin { request_id, .. } = &cancellation.origin;
        let trace_id = cancellation.origin.trace_id().map(display);
        let lines = tracing::info_span!(parent: None, "cancellation", request_id, trace_id);
        let steps = async {
            loop {
                let span = self.span(&cancellation);
                match Span::only(span.as_ref(), self.step(&cancellation, &stopping)).await {
                    Some(after) => cancellation = after,
                    None => return,
                }
            }
        };
        steps.instrument(lines).await;
    }

    /// The span of the step that is next. Nobody waits for it: who has cancelled was answered before.
    fn span(&self, cancellation: &Cancellation) -> Option<Span> {
        let name = || format!("cancellation {}", cancellation.state.as_str());
        let mut span = self.world.tracer.take_over(Kind::Internal, &cancellation.origin.traceparent, name)?;
        span.set("oxcart.order.id", cancellation.order_id.to_string());
        Some(span)
    }

    /// Makes a call and records what came of it. `None` when nothing more is to be done now.
    async fn step(&self, cancellation: &Cancellation, stopping: &CancellationToken) -> Option<Cancellation> {
        let order_id = cancellation.order_id;
        let Some(outcome) = self.call(cancellation).await else {
            tracing::info!(%order_id, "cancellation lost to another owner");
            return None;
        };
        let now = self.world.clock.now();
        let after =
            cancellation.after(outcome, now, BACKOFF.delay(cancellation.attempts, self.world.chance()));
        let stops = after.state == cancellation.state || after.state.is_end() || stopping.is_cancelled();
        let lease = if stops { Lease::Return } else { Lease::Keep };
        let announcement = announcement::cancelled(&after);
        let saving = self.store.save(cancellation, &after, announcement, lease, now);
        match fault::around("orders.save", saving).await {
            Ok(Held::Yes) => {}
            Ok(Held::Lost) => {
                tracing::info!(%order_id, "cancellation lost to another owner");
                return None;
            }
            Err(error) => {
                // Written or not: when the lease is over, somebody reads what stands there and goes on.
                tracing::warn!(%order_id, %error, "a step of a cancellation was not recorded");
                return None;
            }
        }
        self.watchers.changed(order_id);
        self.report(cancellation, &after);
        (!stops).then_some(after)
    }

    /// Makes the call of the state, keeping the lease meanwhile. `None` when the lease was lost.
    async fn call(&self, cancellation: &Cancellation) -> Option<Outcome> {
        let context = Context::going_on(&cancellation.origin, self.world.ids.as_ref(), CALL_TIMEOUT);
        let call = steps::perform(&self.peers, &context, cancellation);
        let renew = || async {
            let renewed = self.store.renew(cancellation, self.world.clock.now()).await;
            renewed.unwrap_or_else(|error| {
                tracing::warn!(order_id = %cancellation.order_id, %error, "a lease was not renewed");
                Held::Yes
            })
        };
        lease::while_held(self.world.clock.as_ref(), renew, call).await
    }

    fn report(&self, before: &Cancellation, after: &Cancellation) {
        let (order_id, state, attempts) = (after.order_id, after.state.as_str(), after.attempts);
        if after.state.is_end() {
            self.changed.notify_one();
            self.counts.came_to(Status::Cancelled);
            tracing::info!(%order_id, "order cancelled");
        } else if after.is_stuck() && !before.is_stuck() {
            tracing::error!(%order_id, state, attempts, stuck = true, "cancellation is stuck, it is tried on");
        } else {
            tracing::debug!(%order_id, state, attempts, "cancellation moved");
        }
    }
}

/// A driver that panicked has left its lease, which runs out: the cancellation is taken up again.
fn whole(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a cancellation was left by its driver");
    }
}
