//! The executor: a thin shell of I/O around the pure decision in [`state`].
//!
//! Each checkout is driven by one task of ours, never by a request. Intent is written before its call is
//! made, and the outcome of a call is written together with the next intent. Whoever finds that a write of
//! his went nowhere has lost the checkout to another owner and stops.

pub(crate) mod counts;
pub mod state;
pub mod steps;

use std::sync::Arc;
use std::time::Duration;

use event_log::Event;
use platform::retry::Backoff;
use platform::trace::{self, Kind, Span};
use platform::watch::Watchers;
use platform::{Context, Origin, World, fault, lease};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use tracing::field::display;
use types::CheckoutId;
use uuid::Uuid;

use crate::checkout::{Checkout, Ending};
use crate::error::Error;
use crate::store::{self, Accepted, Claimed, Held, IdempotencyKey, LEASE, Lease, Store};
use counts::Counts;
use state::Outcome;
use steps::{CALL_TIMEOUT, Participants};

/// Between two attempts at a call.
const BACKOFF: Backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(10) };

/// Checkouts taken over at the same time; the others wait for their turn in the store.
const RECOVERIES: usize = 256;

/// How long the timer sleeps when nothing is due; other instances may leave work behind.
const IDLE: Duration = Duration::from_secs(5);

/// Drives checkouts to their end. Clones share everything.
#[derive(Clone)]
pub struct Executor {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    participants: Participants,
    watchers: Watchers<CheckoutId>,
    world: World,
    counts: Counts,
    /// This instance, as leases name it.
    owner: Uuid,
    tasks: TaskTracker,
    recoveries: Arc<Semaphore>,
    /// Something became due earlier than the timer knows.
    due: Notify,
    /// An event waits in the outbox.
    outbox: Arc<Notify>,
    stopping: CancellationToken,
}

/// Whose a checkout is.
#[derive(Debug, Clone, Copy)]
enum Hands {
    /// Of the instance that has accepted it, whose client waits.
    First,
    /// Of who has claimed it since, because it was left or is due again.
    Later,
}

impl Executor {
    /// An executor; nothing runs before [`Executor::accept`] or [`Executor::recover`].
    pub fn new(
        store: Arc<dyn Store>,
        participants: Participants,
        watchers: Watchers<CheckoutId>,
        world: World,
    ) -> Self {
        let owner = world.ids.next();
        let inner = Inner {
            store,
            participants,
            watchers,
            counts: Counts::new(&world.metrics),
            world,
            owner,
            tasks: TaskTracker::new(),
            recoveries: Arc::new(Semaphore::new(RECOVERIES)),
            due: Notify::new(),
            outbox: Arc::new(Notify::new()),
            stopping: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Wakes the relay: notified whenever an event was written.
    pub fn outbox(&self) -> Arc<Notify> {
        self.inner.outbox.clone()
    }

    /// Writes a checkout and begins to drive it. Once called it is carried out, whether or not the caller
    /// waits: a client that goes away stops nothing.
    ///
    /// # Errors
    /// Those of the store; after [`store::Error::Unknown`] ask by the key.
    pub async fn accept(
        &self,
        checkout: Checkout,
        key: IdempotencyKey,
        bought_version: i64,
    ) -> Result<Accepted, store::Error> {
        let this = self.clone();
        let accepting = self.inner.tasks.spawn(trace::carried(async move {
            let accepting = this.inner.store.accept(&checkout, &key, bought_version, this.inner.owner);
            let accepted = fault::around("checkout.accept", accepting).await?;
            if accepted == Accepted::New {
                let driver = this.clone();
                this.inner.tasks.spawn(async move { driver.drive(checkout, Hands::First).await });
            }
            Ok(accepted)
        }));
        accepting.await.unwrap_or_else(|error| Err(store::Error::unknown(error)))
    }

    /// The timer: takes what is due and in nobody's hands, after a crash, a lost lease or a repeat, until
    /// shutdown; then gives all leases back.
    ///
    /// # Errors
    /// None; trouble of the store is logged and tried again.
    pub async fn recover(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let inner = &self.inner;
        while !shutdown.is_cancelled() {
            let pause = match self.take_over().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(error = %Error::from(error), "can't look for unfinished checkouts");
                    LEASE
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                () = inner.due.notified() => {}
                () = inner.world.clock.sleep(pause) => {}
            }
        }
        inner.stopping.cancel();
        inner.tasks.close();
        inner.tasks.wait().await;
        if let Err(error) = inner.store.give_back(inner.owner).await {
            tracing::warn!(error = %Error::from(error), "leases were not given back, they run out by themselves");
        }
        Ok(())
    }

    /// Takes what is due, and says how long nothing more will be.
    async fn take_over(&self) -> Result<Duration, store::Error> {
        let inner = &self.inner;
        let free = inner.recoveries.available_permits();
        if free == 0 {
            return Ok(IDLE);
        }
        let claimed = fault::around("checkout.claim", inner.store.claim(inner.owner, free)).await?;
        for Claimed { checkout, is_abandoned } in claimed {
            if is_abandoned {
                tracing::info!(checkout_id = %checkout.id, state = checkout.state.name(), fence = checkout.fence, "checkout taken over");
                inner.counts.taken_over();
            }
            let permit = inner.recoveries.clone().try_acquire_owned();
            let driver = self.clone();
            inner.tasks.spawn(async move {
                driver.drive(checkout, Hands::Later).await;
                // The timer may have left work for want of a permit.
                drop(permit);
                driver.inner.due.notify_one();
            });
        }
        let next = inner.store.next_due().await?;
        Ok(next.map_or(IDLE, |due| due.since(inner.world.clock.now()).min(IDLE)))
    }

    /// Takes step after step until the end, a repeat that is due later, a loss of the lease, or shutdown.
    async fn drive(&self, mut checkout: Checkout, hands: Hands) {
        let Origin { request_id, .. } = &checkout.origin;
        let trace_id = checkout.origin.trace_id().map(display);
        let lines = tracing::info_span!(parent: None, "checkout", request_id, trace_id);
        let steps = async {
            loop {
                let span = self.span(&checkout, hands);
                match Span::only(span.as_ref(), self.step(&checkout)).await {
                    Some(after) => checkout = after,
                    None => return,
                }
            }
        };
        steps.instrument(lines).await;
    }

    /// The span of the step that is next, below the request that began the checkout.
    fn span(&self, checkout: &Checkout, hands: Hands) -> Option<Span> {
        let (tracer, cause) = (&self.inner.world.tracer, checkout.origin.traceparent.as_str());
        let name = || format!("checkout {}", checkout.state.name());
        let mut span = match hands {
            Hands::First => tracer.go_on(Kind::Internal, cause, name),
            Hands::Later => tracer.take_over(Kind::Internal, cause, name),
        }?;
        span.set("oxcart.checkout.id", checkout.id.to_string());
        span.set("oxcart.checkout.attempt", i64::from(checkout.attempt()) + 1);
        Some(span)
    }

    /// Makes a call and records what came of it. `None` when nothing more is to be done now.
    async fn step(&self, checkout: &Checkout) -> Option<Checkout> {
        let inner = &self.inner;
        let Some(outcome) = self.call(checkout).await else {
            tracing::info!(checkout_id = %checkout.id, "checkout lost to another owner");
            return None;
        };
        let delay = BACKOFF.delay(checkout.attempt(), inner.world.chance());
        let after = checkout.after(outcome, inner.world.clock.now(), delay);
        let event = after.ending().map(|ending| Self::event(&after, &ending));
        let is_repeat = after.state == checkout.state;
        let stops = is_repeat || inner.stopping.is_cancelled();
        let lease = if stops || after.state.is_terminal() { Lease::Return } else { Lease::Keep };
        let name = if after.state.is_terminal() { "checkout.finish" } else { "checkout.save" };
        match fault::around(name, inner.store.save(checkout, &after, event, lease)).await {
            Ok(Held::Yes) => {}
            Ok(Held::Lost) => {
                tracing::info!(checkout_id = %checkout.id, "checkout lost to another owner");
                return None;
            }
            Err(error) => {
                // Written or not: when the lease is over, somebody reads what stands there and goes on.
                tracing::warn!(checkout_id = %checkout.id, error = %Error::from(error), "a step was not recorded");
                return None;
            }
        }
        report(checkout, &after);
        inner.counts.moved(checkout, &after);
        inner.watchers.changed(after.id);
        if after.state.is_terminal() {
            inner.outbox.notify_one();
            return None;
        }
        if stops {
            inner.due.notify_one();
            return None;
        }
        Some(after)
    }

    /// Makes the call of the state, keeping the lease meanwhile. `None` when the lease was lost.
    async fn call(&self, checkout: &Checkout) -> Option<Outcome> {
        let inner = &self.inner;
        if checkout.is_expired(inner.world.clock.now()) {
            return Some(Outcome::Expired);
        }
        let context = Context::going_on(&checkout.origin, inner.world.ids.as_ref(), CALL_TIMEOUT);
        let call = steps::perform(&inner.participants, &context, checkout);
        let renew = || async {
            inner.store.renew(checkout).await.unwrap_or_else(|error| {
                tracing::warn!(checkout_id = %checkout.id, error = %Error::from(error), "a lease was not renewed");
                Held::Yes
            })
        };
        lease::while_held(inner.world.clock.as_ref(), renew, call).await
    }

    fn event(checkout: &Checkout, ending: &Ending) -> Event {
        let (kind, data) = match ending {
            Ending::Completed(event) => (proto::events::CheckoutCompleted::TYPE, serde_json::to_vec(event)),
            Ending::Failed(event) => (proto::events::CheckoutFailed::TYPE, serde_json::to_vec(event)),
        };
        let (traceparent, request_id) = checkout.origin.parts();
        Event {
            // Follows from the checkout: no second end can be told of.
            id: Uuid::new_v5(&checkout.id.0, b"ended"),
            kind: kind.to_owned(),
            source: "/checkout-service".to_owned(),
            key: checkout.user_id.to_string(),
            time: checkout.completed_at.unwrap_or(checkout.created_at),
            traceparent: trace::traceparent().or(traceparent),
            request_id,
            data: data.expect("ids, texts and integers are always JSON").into(),
        }
    }
}

fn report(before: &Checkout, after: &Checkout) {
    let checkout_id: CheckoutId = after.id;
    if after.state.is_terminal() {
        let failure = after.state.failure().map(state::Failure::code);
        tracing::info!(%checkout_id, state = after.state.name(), failure, "checkout ended");
    } else if after.is_stuck() && !before.is_stuck() {
        tracing::error!(%checkout_id, state = after.state.name(), attempts = after.attempt(), "checkout is stuck, it is tried on");
    } else {
        tracing::debug!(%checkout_id, from = before.state.name(), to = after.state.name(), attempts = after.attempt(), "checkout moved");
    }
}
