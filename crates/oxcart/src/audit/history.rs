//! What clients were told: kept by those who drive a shop in a test, and held against its stores.

use std::collections::{BTreeMap, HashMap};

use checkout_service::saga::state::State;
use types::{CheckoutId, UserId};

use super::facts::Facts;
use super::violation::{Invariant, Subject, Violation};

/// What clients were told of their checkouts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// Each reply that named a checkout, in any order.
    pub acknowledged: Vec<Acknowledged>,
}

/// A reply that named a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Who was told.
    pub user: UserId,
    /// Under which idempotency key.
    pub key: String,
    /// Of which checkout.
    pub checkout_id: CheckoutId,
    /// How far it had come.
    pub status: Status,
}

/// How far a client was told that a checkout had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was accepted and goes on.
    Running,
    /// It is completed.
    Completed,
    /// It failed.
    Failed,
}

impl Status {
    fn of(state: &State) -> Self {
        match state {
            State::Completed => Self::Completed,
            State::Failed(_) => Self::Failed,
            State::Reserving
            | State::Authorizing
            | State::Committing
            | State::Capturing
            | State::Voiding(_)
            | State::Refunding(_)
            | State::Releasing(_) => Self::Running,
        }
    }

    /// Whether a client may be told this after that, or before it: only an end is for ever.
    fn fits(self, other: Self) -> bool {
        self == other || self == Self::Running || other == Self::Running
    }
}

pub(super) fn check(facts: &Facts) -> Vec<Violation> {
    let mut violations = acknowledged_is_there(facts);
    violations.extend(replies_are_equal(facts));
    violations
}

/// H1: what was acknowledged is there, of that user, and an end that was told is the end that it has.
fn acknowledged_is_there(facts: &Facts) -> Vec<Violation> {
    let checkouts: HashMap<_, _> = facts.checkouts.checkouts.iter().map(|it| (it.id, it)).collect();
    let violation = |told: &Acknowledged| {
        let (id, status) = (told.checkout_id, told.status);
        let text = match checkouts.get(&id) {
            None => format!("user {} was told that it is {status:?}, but it is not there", told.user),
            Some(checkout) if checkout.user_id != told.user => {
                format!("user {} was told of it, but it is of user {}", told.user, checkout.user_id)
            }
            Some(checkout) if status != Status::Running && status != Status::of(&checkout.state) => {
                let state = checkout.state.name();
                format!("user {} was told that it is {status:?}, but it is {state}", told.user)
            }
            Some(_) => return None,
        };
        Some(Violation::new(Invariant::H1, Subject::Checkout(id), text))
    };
    facts.history.acknowledged.iter().filter_map(violation).collect()
}

/// O3: the replies to one key of one user name one checkout and one end.
fn replies_are_equal(facts: &Facts) -> Vec<Violation> {
    let mut replies: BTreeMap<(UserId, &str), Vec<&Acknowledged>> = BTreeMap::new();
    for told in &facts.history.acknowledged {
        replies.entry((told.user, &told.key)).or_default().push(told);
    }
    let mut violations = Vec::new();
    for ((user, key), replies) in replies {
        let other = |one: &&Acknowledged| {
            let mut replies = replies.iter();
            replies.find(|it| it.checkout_id != one.checkout_id || !it.status.fits(one.status)).copied()
        };
        if let Some((one, other)) = replies.iter().find_map(|one| Some((one, other(one)?))) {
            let text = format!(
                "the key {key:?} was answered with checkout {} {:?} and with checkout {} {:?}",
                one.checkout_id, one.status, other.checkout_id, other.status
            );
            violations.push(Violation::new(Invariant::O3, Subject::User(user), text));
        }
    }
    violations
}

#[cfg(test)]
mod tests;
