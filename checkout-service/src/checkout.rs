//! A checkout: what is bought, for how much, and how far it has come. Pure.

use std::time::Duration;

use platform::Origin;
use proto::events::{CheckoutCompleted, CheckoutFailed, Item};
use serde::{Deserialize, Serialize};
use types::{Address, CheckoutId, Money, Timestamp, UserId};

use crate::saga::state::{Failure, Next, Outcome, State, next};

/// How long a checkout may try to go forward; then it backs out. Past the pivot nothing is over.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Attempts at one call past which nobody expects it to work by itself any more.
pub const STUCK_AFTER: u32 = 20;

/// One attempt to buy a cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// Its id, and the key of every call that it makes.
    pub id: CheckoutId,
    /// Who buys.
    pub user_id: UserId,
    /// The version of the cart that is bought.
    pub cart_version: i64,
    /// What is bought, at the prices of the moment of acceptance.
    pub items: Vec<Item>,
    /// What it costs.
    pub total: Money,
    /// How it is paid.
    pub payment_method: String,
    /// Where it goes.
    pub shipping_address: Option<Address>,
    /// The request that began it.
    pub origin: Origin,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it stops going forward.
    pub deadline: Timestamp,
    /// Where it stands.
    pub state: State,
    /// When its next call is due.
    pub due_at: Timestamp,
    /// Grows with every new owner; a write of an earlier owner finds nothing.
    pub fence: i64,
    /// Where it has been; the last entry is where it stands.
    pub timeline: Vec<TimelineEntry>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
}

/// A stay in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// The state's name.
    pub state: String,
    /// When it was entered.
    pub at: Timestamp,
    /// Calls made there.
    pub attempt: u32,
    /// What ended the stay.
    pub outcome: Ended,
}

/// What ended a stay in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Nothing yet.
    Open,
    /// The call was done.
    Ok,
    /// The call was refused.
    No,
    /// The deadline was over.
    Expired,
}

impl TimelineEntry {
    fn enter(state: &State, at: Timestamp) -> Self {
        Self { state: state.name().to_owned(), at, attempt: 0, outcome: Ended::Open }
    }
}

/// What a checkout is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// Who buys.
    pub user_id: UserId,
    /// The version of the cart that is bought.
    pub cart_version: i64,
    /// The highest version whose purchase the cart has seen.
    pub bought_version: i64,
    /// What is bought.
    pub items: Vec<Item>,
    /// What it costs.
    pub total: Money,
    /// How it is paid.
    pub payment_method: String,
    /// Where it goes.
    pub shipping_address: Option<Address>,
}

impl Checkout {
    /// A checkout that has just been accepted, in the hands of its first owner.
    pub fn accept(id: CheckoutId, purchase: Purchase, origin: Origin, now: Timestamp) -> Self {
        Self {
            id,
            user_id: purchase.user_id,
            cart_version: purchase.cart_version,
            items: purchase.items,
            total: purchase.total,
            payment_method: purchase.payment_method,
            shipping_address: purchase.shipping_address,
            origin,
            created_at: now,
            deadline: now.after(DEADLINE),
            state: State::Reserving,
            due_at: now,
            fence: 1,
            timeline: vec![TimelineEntry::enter(&State::Reserving, now)],
            completed_at: None,
        }
    }

    /// Calls made in the state where it stands.
    pub fn attempt(&self) -> u32 {
        self.timeline.last().map_or(0, |entry| entry.attempt)
    }

    /// When it came to the state where it stands.
    pub fn entered_at(&self) -> Timestamp {
        self.timeline.last().map_or(self.created_at, |entry| entry.at)
    }

    /// True when the deadline ends the way forward.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.state.can_expire() && now >= self.deadline
    }

    /// True when a call that must succeed has not for [`STUCK_AFTER`] attempts: a person should look.
    pub fn is_stuck(&self) -> bool {
        !self.state.is_terminal() && self.attempt() >= STUCK_AFTER
    }

    /// The checkout after an outcome; a call that has to be repeated is due after `delay`.
    #[must_use]
    pub fn after(&self, outcome: Outcome, now: Timestamp, delay: Duration) -> Self {
        let mut checkout = self.clone();
        let ended = match outcome {
            Outcome::Done | Outcome::AlreadyCaptured => Ended::Ok,
            Outcome::Refused(_) => Ended::No,
            Outcome::Unknown => Ended::Open,
            Outcome::Expired => Ended::Expired,
        };
        let called = outcome != Outcome::Expired;
        let next = next(&self.state, outcome);
        if let Some(entry) = checkout.timeline.last_mut() {
            entry.attempt = entry.attempt.saturating_add(u32::from(called));
            if matches!(next, Next::Enter(_)) {
                entry.outcome = ended;
            }
        }
        match next {
            Next::Enter(state) => {
                checkout.timeline.push(TimelineEntry::enter(&state, now));
                checkout.completed_at = state.is_terminal().then_some(now);
                checkout.due_at = now;
                checkout.state = state;
            }
            Next::Repeat => checkout.due_at = now.after(delay),
        }
        checkout
    }

    /// What the world hears of its end; `None` before that.
    pub fn ending(&self) -> Option<Ending> {
        let at = self.completed_at?;
        match &self.state {
            State::Completed => Some(Ending::Completed(CheckoutCompleted {
                checkout_id: self.id,
                order_id: self.id.order_id(),
                user_id: self.user_id,
                items: self.items.clone(),
                total: self.total,
                shipping_address: self.shipping_address.clone(),
                cart_version: self.cart_version,
                completed_at: at,
            })),
            State::Failed(failure) => Some(Ending::Failed(CheckoutFailed {
                checkout_id: self.id,
                user_id: self.user_id,
                code: failure.code().to_owned(),
                failed_at: at,
            })),
            State::Reserving
            | State::Authorizing
            | State::Committing
            | State::Capturing
            | State::Voiding(_)
            | State::Refunding(_)
            | State::Releasing(_) => None,
        }
    }
}

/// The event of an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Bought.
    Completed(CheckoutCompleted),
    /// Not bought.
    Failed(CheckoutFailed),
}

impl Failure {
    /// What a client may read.
    pub fn message(&self) -> String {
        match self {
            Self::InsufficientStock { product_ids } => match product_ids.as_slice() {
                [] => "there is not enough stock".to_owned(),
                [id] => format!("there is not enough stock of product {id}"),
                ids => {
                    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                    format!("there is not enough stock of products {}", ids.join(", "))
                }
            },
            Self::PaymentDeclined { decline_code } => format!("the payment was declined: {decline_code}"),
            Self::InvalidPaymentMethod => "the payment method can't be used".to_owned(),
            Self::CheckoutExpired => {
                format!("the checkout could not be done within {} seconds", DEADLINE.as_secs())
            }
            Self::CheckoutRefused { .. } => "the checkout was refused".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use types::Currency;

    use super::*;

    fn checkout() -> Checkout {
        let purchase = Purchase {
            user_id: UserId::try_from(1).unwrap(),
            cart_version: 3,
            bought_version: 2,
            items: Vec::new(),
            total: Money::new(100, Currency::USD),
            payment_method: "pm_card_visa".into(),
            shipping_address: None,
        };
        let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        Checkout::accept(id, purchase, Origin::default(), Timestamp::from_micros(0))
    }

    #[test]
    fn the_timeline_counts_attempts_and_says_how_each_stay_ended() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let second = Duration::from_secs(1);
        let done = checkout()
            .after(Outcome::Unknown, at(1), second)
            .after(Outcome::Done, at(2), second)
            .after(
                Outcome::Refused(Failure::PaymentDeclined { decline_code: "card_declined".into() }),
                at(3),
                second,
            )
            .after(Outcome::Done, at(4), second);
        let seen: Vec<_> =
            done.timeline.iter().map(|e| (e.state.as_str(), e.at, e.attempt, e.outcome)).collect();
        assert_eq!(
            seen,
            [
                ("RESERVING", at(0), 2, Ended::Ok),
                ("AUTHORIZING", at(2), 1, Ended::No),
                ("RELEASING", at(3), 1, Ended::Ok),
                ("FAILED", at(4), 0, Ended::Open),
            ]
        );
        assert_eq!(done.completed_at, Some(at(4)));
        assert!(matches!(done.ending(), Some(Ending::Failed(event)) if event.code == "payment_declined"));
    }

    #[test]
    fn a_repeat_is_due_later_and_twenty_of_them_are_stuck() {
        let mut checkout = checkout();
        for attempt in 1..=STUCK_AFTER {
            assert!(!checkout.is_stuck());
            checkout = checkout.after(Outcome::Unknown, Timestamp::from_micros(7), Duration::from_micros(5));
            assert_eq!(checkout.attempt(), attempt);
            assert_eq!(checkout.due_at.micros(), 12);
        }
        assert!(checkout.is_stuck());
        assert_eq!(checkout.ending(), None);
    }

    #[test]
    fn only_the_way_forward_expires() {
        let checkout = checkout();
        assert!(!checkout.is_expired(checkout.deadline.before(Duration::from_micros(1))));
        assert!(checkout.is_expired(checkout.deadline));
        let capturing = Checkout { state: State::Capturing, ..checkout.clone() };
        assert!(!capturing.is_expired(checkout.deadline.after(DEADLINE)));
        let expired = checkout.after(Outcome::Expired, checkout.deadline, Duration::ZERO);
        assert_eq!(expired.state, State::Releasing(Failure::CheckoutExpired));
        assert_eq!(expired.timeline.first().map(|e| (e.attempt, e.outcome)), Some((0, Ended::Expired)));
    }
}
