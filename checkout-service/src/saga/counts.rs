//! What the executor counts, and what it watches.

use std::sync::Arc;
use std::time::Duration;

use platform::World;
use platform::metrics::{Counter, Histogram, Metrics, count};
use platform::tasks::pause;
use tokio_util::sync::CancellationToken;

use crate::checkout::Checkout;
use crate::saga::state::{Failure, State};
use crate::store::Store;

/// How often the store is asked what is unfinished.
const EVERY: Duration = Duration::from_secs(5);

/// The counters, found once.
pub(super) struct Counts {
    completed: Counter,
    failed: Counter,
    takeovers: Counter,
    took: Took,
    retries: PerState<Counter>,
    stays: PerState<Histogram>,
    compensations: Compensations,
}

/// How long checkouts took, by how they ended.
struct Took {
    completed: Histogram,
    failed: Histogram,
}

/// One for each state that a checkout does not end in.
struct PerState<T> {
    reserving: T,
    authorizing: T,
    committing: T,
    capturing: T,
    voiding: T,
    refunding: T,
    releasing: T,
}

struct Compensations {
    insufficient_stock: Counter,
    payment_declined: Counter,
    checkout_expired: Counter,
    checkout_refused: Counter,
}

impl Counts {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let ended = |end| {
            let help = "Checkouts that ended.";
            metrics.counter("oxcart_checkouts_ended_total", help, &[("end", end)])
        };
        let retries = |state| {
            let help = "Calls of checkouts that got no definite answer, and are made again.";
            metrics.counter("oxcart_checkout_retries_total", help, &[("state", state)])
        };
        let took = |end| {
            let help = "From when checkouts were accepted until they ended.";
            metrics.durations("oxcart_checkout_duration_seconds", help, &[("end", end)])
        };
        let stays = |state| {
            let help = "How long checkouts stayed in a state, until its call was answered.";
            metrics.durations("oxcart_checkout_step_duration_seconds", help, &[("state", state)])
        };
        let compensations = |code| {
            let help = "Checkouts that began to back out.";
            metrics.counter("oxcart_checkout_compensations_total", help, &[("code", code)])
        };
        let takeovers = "Checkouts taken from an owner that was silent until its lease was over.";
        Self {
            completed: ended("completed"),
            failed: ended("failed"),
            takeovers: metrics.counter("oxcart_checkout_takeovers_total", takeovers, &[]),
            took: Took { completed: took("completed"), failed: took("failed") },
            retries: PerState::new(retries),
            stays: PerState::new(stays),
            compensations: Compensations {
                insufficient_stock: compensations("insufficient_stock"),
                payment_declined: compensations("payment_declined"),
                checkout_expired: compensations("checkout_expired"),
                checkout_refused: compensations("checkout_refused"),
            },
        }
    }

    pub(super) fn taken_over(&self) {
        self.takeovers.increment(1);
    }

    /// A step was written.
    pub(super) fn moved(&self, before: &Checkout, after: &Checkout) {
        if after.state == before.state {
            if let Some(retries) = self.retries.of(&after.state) {
                retries.increment(1);
            }
            return;
        }
        let now = after.entered_at();
        if let Some(stays) = self.stays.of(&before.state) {
            stays.record(now.since(before.entered_at()));
        }
        if let (None, Some(failure)) = (before.state.failure(), after.state.failure()) {
            self.compensations.of(failure).increment(1);
        }
        match after.state {
            State::Completed => {
                self.completed.increment(1);
                self.took.completed.record(now.since(after.created_at));
            }
            State::Failed(_) => {
                self.failed.increment(1);
                self.took.failed.record(now.since(after.created_at));
            }
            State::Reserving
            | State::Authorizing
            | State::Committing
            | State::Capturing
            | State::Voiding(_)
            | State::Refunding(_)
            | State::Releasing(_) => {}
        }
    }
}

impl<T> PerState<T> {
    fn new(of: impl Fn(&'static str) -> T) -> Self {
        Self {
            reserving: of("RESERVING"),
            authorizing: of("AUTHORIZING"),
            committing: of("COMMITTING"),
            capturing: of("CAPTURING"),
            voiding: of("VOIDING"),
            refunding: of("REFUNDING"),
            releasing: of("RELEASING"),
        }
    }

    fn all(&self) -> [&T; 7] {
        let Self { reserving, authorizing, committing, capturing, voiding, refunding, releasing } = self;
        [reserving, authorizing, committing, capturing, voiding, refunding, releasing]
    }

    fn of(&self, state: &State) -> Option<&T> {
        match state {
            State::Reserving => Some(&self.reserving),
            State::Authorizing => Some(&self.authorizing),
            State::Committing => Some(&self.committing),
            State::Capturing => Some(&self.capturing),
            State::Voiding(_) => Some(&self.voiding),
            State::Refunding(_) => Some(&self.refunding),
            State::Releasing(_) => Some(&self.releasing),
            State::Completed | State::Failed(_) => None,
        }
    }
}

impl Compensations {
    fn of(&self, failure: &Failure) -> &Counter {
        match failure {
            Failure::InsufficientStock { .. } => &self.insufficient_stock,
            Failure::PaymentDeclined { .. } | Failure::InvalidPaymentMethod => &self.payment_declined,
            Failure::CheckoutExpired => &self.checkout_expired,
            Failure::CheckoutRefused { .. } => &self.checkout_refused,
        }
    }
}

/// Says how many checkouts are unfinished and how many stuck, until `shutdown`. That is asked of the store, so that no
/// restart forgets it; instances that share the store say the same.
///
/// # Errors
/// None so far: while the store does not answer, the last numbers stand.
pub(crate) async fn watch(
    store: Arc<dyn Store>,
    world: World,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let metrics = &world.metrics;
    let unfinished = PerState::new(|state| {
        let help = "Checkouts that have not ended.";
        (state, metrics.gauge("oxcart_checkouts_unfinished", help, &[("state", state)]))
    });
    let help = "Checkouts whose call has failed 20 times and is tried on.";
    let stuck = metrics.gauge("oxcart_checkouts_stuck", help, &[]);
    while !shutdown.is_cancelled() {
        match store.backlog().await {
            Ok(backlog) => {
                for (state, gauge) in unfinished.all() {
                    gauge.set(count(backlog.unfinished.get(*state).copied().unwrap_or(0)));
                }
                stuck.set(count(backlog.stuck));
            }
            Err(error) => tracing::debug!(%error, "can't look what is unfinished"),
        }
        pause(EVERY, world.clock.as_ref(), &shutdown).await;
    }
    Ok(())
}
