//! Cancelling an order, as a pure function: how far a cancellation has come, what came of the call that this place
//! names, and where it stands then. What is already sold goes back: first the money, then the stock.

pub(crate) mod executor;
pub mod steps;

use std::time::Duration;

use platform::Origin;
use proto::Reason;
use types::{CheckoutId, Money, OrderId, Timestamp, UserId};

use crate::order::Order;

/// Attempts at one call past which nobody expects it to work by itself any more.
pub const STUCK_AFTER: u32 = 20;

/// How far a cancellation has come. Each state but the last names the one call to make next; the call carries the
/// checkout id as its key, so making it again has no second effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// payment.Refund: give the money back.
    Refunding,
    /// inventory.Restock: sell the stock to somebody else.
    Restocking,
    /// Both are back.
    Cancelled,
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The participant did it, now or before.
    Done,
    /// The participant says that there is nothing to be undone. After a sale that can't be, so a person has to look.
    Refused(Reason),
    /// No answer, or none that is definite: it may have been done.
    Unknown,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Stand there, and make its call.
    Enter(State),
    /// Make the same call again, later, with the same key.
    Repeat,
}

/// The decision. An undo has no last attempt: only when it is done does a cancellation move.
pub const fn next(state: State, outcome: Outcome) -> Next {
    match (state, outcome) {
        (State::Refunding, Outcome::Done) => Next::Enter(State::Restocking),
        (State::Restocking, Outcome::Done) => Next::Enter(State::Cancelled),
        // An end has no call, so nothing can come of it.
        (State::Cancelled, Outcome::Done)
        | (State::Refunding | State::Restocking | State::Cancelled, Outcome::Refused(_) | Outcome::Unknown) => {
            Next::Repeat
        }
    }
}

impl State {
    /// Every state, in their order.
    pub const ALL: [Self; 3] = [Self::Refunding, Self::Restocking, Self::Cancelled];

    /// The text of the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refunding => "REFUNDING",
            Self::Restocking => "RESTOCKING",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Reads what [`State::as_str`] wrote. `None` for a state of a later version, which is left to that.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether there is nothing left to do.
    pub const fn is_end(self) -> bool {
        match self {
            Self::Refunding | Self::Restocking => false,
            Self::Cancelled => true,
        }
    }
}

/// An order on its way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    /// The order.
    pub order_id: OrderId,
    /// Its checkout, the key of every call.
    pub checkout_id: CheckoutId,
    /// Who bought.
    pub user_id: UserId,
    /// What was paid, and is given back.
    pub total: Money,
    /// Of the request that began it.
    pub origin: Origin,
    /// How far it has come.
    pub state: State,
    /// Calls made in this state.
    pub attempts: u32,
    /// When it was accepted.
    pub requested_at: Timestamp,
    /// When its next call is due.
    pub due_at: Timestamp,
    /// Grows with every owner; a write of an earlier owner finds nothing. 0 before the first one.
    pub fence: i64,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Cancellation {
    /// The cancellation of an order, in nobody's hands yet.
    pub fn of(order: &Order, origin: Origin, now: Timestamp) -> Self {
        Self {
            order_id: order.id,
            checkout_id: order.purchase.checkout_id,
            user_id: order.purchase.user_id,
            total: order.purchase.total,
            origin,
            state: State::Refunding,
            attempts: 0,
            // A clock that was set back does not make an order younger than it is.
            requested_at: now.max(order.updated_at),
            due_at: now,
            fence: 0,
            ended_at: None,
        }
    }

    /// The cancellation after an outcome; a call that has to be repeated is due after `delay`.
    #[must_use]
    pub fn after(&self, outcome: Outcome, now: Timestamp, delay: Duration) -> Self {
        match next(self.state, outcome) {
            Next::Enter(state) => Self {
                state,
                attempts: 0,
                due_at: now,
                ended_at: state.is_end().then(|| now.max(self.requested_at)),
                ..self.clone()
            },
            Next::Repeat => {
                Self { attempts: self.attempts.saturating_add(1), due_at: now.after(delay), ..self.clone() }
            }
        }
    }

    /// True when a call that must succeed has not for [`STUCK_AFTER`] attempts: a person should look.
    pub const fn is_stuck(&self) -> bool {
        !self.state.is_end() && self.attempts >= STUCK_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::order::Purchase;

    fn outcomes() -> Vec<Outcome> {
        let refusals = Reason::ALL.into_iter().map(Outcome::Refused);
        [Outcome::Done, Outcome::Unknown].into_iter().chain(refusals).collect()
    }

    /// Every arrow, written out. Whatever is not here stays where it is.
    #[test]
    fn the_table() {
        let arrows = [(State::Refunding, State::Restocking), (State::Restocking, State::Cancelled)];
        for state in State::ALL {
            for outcome in outcomes() {
                let arrow = arrows.iter().find(|(from, _)| *from == state && outcome == Outcome::Done);
                let wanted = arrow.map_or(Next::Repeat, |(_, to)| Next::Enter(*to));
                assert_eq!(next(state, outcome), wanted, "{state:?} on {outcome:?}");
            }
        }
    }

    #[test]
    fn states_read_back_and_only_the_last_is_an_end() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
            let moves = outcomes().into_iter().any(|outcome| next(state, outcome) != Next::Repeat);
            assert_eq!(moves, !state.is_end());
        }
        assert_eq!(State::parse("TELEPORTING"), None);
    }

    #[test]
    fn attempts_are_counted_in_each_state_and_twenty_are_stuck() {
        let at = |micros| Timestamp::from_micros(micros);
        let order = Order::new(Purchase::try_from(fixtures::completed(1, 7)).unwrap(), at(50));
        let begun = Cancellation::of(&order, Origin::default(), at(7));
        assert_eq!((begun.requested_at, begun.due_at), (at(50), at(7)));
        let mut stuck = begun;
        for attempt in 1..=STUCK_AFTER {
            assert!(!stuck.is_stuck());
            let outcome =
                if attempt % 2 == 0 { Outcome::Unknown } else { Outcome::Refused(Reason::PaymentVoided) };
            stuck = stuck.after(outcome, at(100), Duration::from_micros(5));
            assert_eq!((stuck.attempts, stuck.due_at, stuck.state), (attempt, at(105), State::Refunding));
        }
        assert!(stuck.is_stuck());
        let restocking = stuck.after(Outcome::Done, at(200), Duration::from_secs(9));
        assert_eq!((restocking.attempts, restocking.due_at, restocking.ended_at), (0, at(200), None));
        assert!(!restocking.is_stuck());
        let cancelled = restocking.after(Outcome::Done, at(300), Duration::from_secs(9));
        assert_eq!((cancelled.state, cancelled.ended_at), (State::Cancelled, Some(at(300))));
        let of_a_clock_set_back = restocking.after(Outcome::Done, at(3), Duration::ZERO);
        assert_eq!(of_a_clock_set_back.ended_at, Some(at(50)));
    }
}
