//! What the executor counts, and what it watches.

use std::sync::Arc;
use std::time::Duration;

use platform::World;
use platform::metrics::{Counter, Metrics, count};
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
    retries: Retries,
    compensations: Compensations,
}

struct Retries {
    reserving: Counter,
    authorizing: Counter,
    committing: Counter,
    capturing: Counter,
    voiding: Counter,
    refunding: Counter,
    releasing: Counter,
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
        let compensations = |code| {
            let help = "Checkouts that began to back out.";
            metrics.counter("oxcart_checkout_compensations_total", help, &[("code", code)])
        };
        let takeovers = "Checkouts taken from an owner that was silent until its lease was over.";
        Self {
            completed: ended("completed"),
            failed: ended("failed"),
            takeovers: metrics.counter("oxcart_checkout_takeovers_total", takeovers, &[]),
            retries: Retries {
                reserving: retries("RESERVING"),
                authorizing: retries("AUTHORIZING"),
                committing: retries("COMMITTING"),
                capturing: retries("CAPTURING"),
                voiding: retries("VOIDING"),
                refunding: retries("REFUNDING"),
                releasing: retries("RELEASING"),
            },
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
        if let (None, Some(failure)) = (before.state.failure(), after.state.failure()) {
            self.compensations.of(failure).increment(1);
        }
        match after.state {
            State::Completed => self.completed.increment(1),
            State::Failed(_) => self.failed.increment(1),
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

impl Retries {
    fn of(&self, state: &State) -> Option<&Counter> {
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
    let gauge = |name, help| world.metrics.gauge(name, help, &[]);
    let unfinished = gauge("oxcart_checkouts_unfinished", "Checkouts that have not ended.");
    let stuck = gauge("oxcart_checkouts_stuck", "Checkouts whose call has failed 20 times and is tried on.");
    while !shutdown.is_cancelled() {
        match store.backlog().await {
            Ok(backlog) => {
                unfinished.set(count(backlog.unfinished));
                stuck.set(count(backlog.stuck));
            }
            Err(error) => tracing::debug!(%error, "can't look what is unfinished"),
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = world.clock.sleep(EVERY) => {}
        }
    }
    Ok(())
}
