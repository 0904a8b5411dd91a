//! What clients were told: kept by those who drive a shop in a test, and held against its stores.

use std::collections::{BTreeMap, HashMap};

use checkout_service::saga::state::State;
use types::{CheckoutId, Money, OrderId, UserId};

use super::facts::{Facts, completion};
use super::money::amount;
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
    /// What it costs, if that was told.
    pub total: Option<Money>,
    /// The order that it became, if that was told.
    pub order_id: Option<OrderId>,
}

impl Acknowledged {
    /// Whether a client may be told this after that, or before it, under one key. An end is told in the same words
    /// each time; what is told on the way there may be less.
    fn fits(&self, other: &Self) -> bool {
        fn agree<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        let whole = |it: &Self| (it.checkout_id, it.status, it.total, it.order_id);
        if self.status == other.status && self.status != Status::Running {
            return whole(self) == whole(other);
        }
        self.checkout_id == other.checkout_id
            && self.status.fits(other.status)
            && agree(self.total, other.total)
            && agree(self.order_id, other.order_id)
    }

    /// As a violation tells it.
    fn words(&self) -> String {
        let mut words = format!("checkout {} {:?}", self.checkout_id, self.status);
        words.extend(self.total.map(|total| format!(" for {total}")));
        words.extend(self.order_id.map(|order| format!(" as order {order}")));
        words
    }
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

/// H1: what was acknowledged is there, of that user, and an end, a total or an order that was told is the one that it
/// has.
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
            Some(checkout) if told.total.is_some_and(|total| total != checkout.total) => {
                let (total, user) = (amount(told.total), told.user);
                format!("user {user} was told that it costs {total}, but it costs {}", checkout.total)
            }
            Some(checkout) => match (told.order_id, completion(checkout).map(|event| event.order_id)) {
                (Some(order), None) => {
                    let (user, state) = (told.user, checkout.state.name());
                    format!("user {user} was told that it is order {order}, but it is {state}")
                }
                (Some(order), Some(its)) if order != its => {
                    format!("user {} was told that it is order {order}, but it is order {its}", told.user)
                }
                _ => return None,
            },
        };
        Some(Violation::new(Invariant::H1, Subject::Checkout(id), text))
    };
    facts.history.acknowledged.iter().filter_map(violation).collect()
}

/// O3: the replies to one key of one user name one checkout and one end, with one total and one order.
fn replies_are_equal(facts: &Facts) -> Vec<Violation> {
    let mut replies: BTreeMap<(UserId, &str), Vec<&Acknowledged>> = BTreeMap::new();
    for told in &facts.history.acknowledged {
        replies.entry((told.user, &told.key)).or_default().push(told);
    }
    let mut violations = Vec::new();
    for ((user, key), replies) in replies {
        let other = |one: &&Acknowledged| replies.iter().find(|it| !it.fits(one)).copied();
        if let Some((one, other)) = replies.iter().find_map(|one| Some((one, other(one)?))) {
            let (one, other) = (one.words(), other.words());
            let text = format!("the key {key:?} was answered with {one} and with {other}");
            violations.push(Violation::new(Invariant::O3, Subject::User(user), text));
        }
    }
    violations
}

#[cfg(test)]
mod tests;
