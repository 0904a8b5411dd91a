//! Money: what the provider did is held against the checkouts, and against what the payment service says.
//!
//! Of one payment the first invariant that is broken is told; the others would only repeat it. M4 speaks of
//! sums; a sum is right where all its parts are, so it is judged by the part, which can be named.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use checkout_service::checkout::Checkout;
use checkout_service::saga::state::State;
use payment_service::payment::{Payment, Status};
use payment_service::provider::simulated::{Effect, Entry};
use types::{CheckoutId, Money, Timestamp};

use super::facts::{Facts, Reversal};
use super::violation::{Invariant, Subject, Violation};

pub(super) fn check(facts: &Facts) -> Vec<Violation> {
    let checkouts: HashMap<_, _> = facts.checkouts.checkouts.iter().map(|it| (it.id, it)).collect();
    let payments: HashMap<_, _> = facts.payments.iter().map(|it| (it.checkout_id, it)).collect();
    let books = books(&facts.provider);
    let none = Books::default();
    let reversals = facts.reversals();
    let ids: BTreeSet<CheckoutId> =
        checkouts.keys().chain(payments.keys()).chain(books.keys()).copied().collect();
    let violation = |id: CheckoutId| {
        let case = Case {
            checkout: checkouts.get(&id).copied(),
            payment: payments.get(&id).copied(),
            books: books.get(&id).unwrap_or(&none),
            reversal: reversals.get(&id).copied().unwrap_or(Reversal::None),
            now: facts.now,
        };
        let (invariant, text) = case.violation()?;
        Some(Violation::new(invariant, Subject::Checkout(id), text))
    };
    ids.into_iter().filter_map(violation).collect()
}

/// What the provider did under one key.
#[derive(Default)]
struct Books<'a> {
    authorized: Vec<Money>,
    captured: Vec<Money>,
    refunded: Vec<Money>,
    last: Option<&'a Entry>,
}

fn books(ledger: &[Entry]) -> BTreeMap<CheckoutId, Books<'_>> {
    let mut books: BTreeMap<CheckoutId, Books<'_>> = BTreeMap::new();
    for entry in ledger {
        let book = books.entry(entry.key).or_default();
        match entry.effect {
            Effect::Authorize => book.authorized.extend(entry.amount),
            Effect::Capture => book.captured.extend(entry.amount),
            Effect::Refund => book.refunded.extend(entry.amount),
            Effect::Decline { .. } | Effect::Void | Effect::Tombstone => {}
        }
        book.last = Some(entry);
    }
    books
}

/// One payment, of a checkout or made by hand, from all sides.
struct Case<'a> {
    checkout: Option<&'a Checkout>,
    payment: Option<&'a Payment>,
    books: &'a Books<'a>,
    reversal: Reversal,
    now: Timestamp,
}

impl Case<'_> {
    fn violation(&self) -> Option<(Invariant, String)> {
        let told = |invariant| move |text| (invariant, text);
        self.at_most_once()
            .map(told(Invariant::M1))
            .or_else(|| self.completed_is_paid().map(told(Invariant::M2)))
            .or_else(|| self.failed_is_not().map(told(Invariant::M3)))
            .or_else(|| self.sale_stands().map(told(Invariant::M4)))
            .or_else(|| self.service_and_provider_agree().map(told(Invariant::M4)))
    }

    /// M1: per checkout, captured is 0 or the total; at most one authorisation and one capture take effect;
    /// refunded is at most captured. Made by hand, the total is what was authorised.
    fn at_most_once(&self) -> Option<String> {
        let Books { authorized, captured, refunded, .. } = self.books;
        for (times, what) in
            [(authorized.len(), "authorised"), (captured.len(), "captured"), (refunded.len(), "refunded")]
        {
            if times > 1 {
                return Some(format!("{what} {times} times"));
            }
        }
        let total = self.checkout.map(|checkout| checkout.total).or_else(|| authorized.first().copied());
        let (captured, refunded) = (captured.first().copied(), refunded.first().copied());
        if captured.is_some() && captured != total {
            return Some(format!("captured {}, the total is {}", amount(captured), amount(total)));
        }
        let too_much = refunded.is_some_and(|refunded| {
            !captured.is_some_and(|captured| {
                captured.currency == refunded.currency && captured.minor >= refunded.minor
            })
        });
        too_much.then(|| format!("refunded {}, captured {}", amount(refunded), amount(captured)))
    }

    /// M2: completed, captured is the total. Another amount than that is M1's.
    fn completed_is_paid(&self) -> Option<String> {
        let checkout = self.checkout.filter(|checkout| checkout.state == State::Completed)?;
        let unpaid = self.books.captured.is_empty();
        unpaid.then(|| format!("completed, but nothing was captured; the total is {}", checkout.total))
    }

    /// M3: failed, captured is refunded and nothing stays authorised.
    fn failed_is_not(&self) -> Option<String> {
        self.checkout.filter(|checkout| matches!(checkout.state, State::Failed(_)))?;
        let (captured, refunded) = (self.books.captured.first(), self.books.refunded.first());
        if captured != refunded {
            let (captured, refunded) = (amount(captured.copied()), amount(refunded.copied()));
            return Some(format!("failed, but captured {captured} and refunded {refunded}"));
        }
        match self.books.last {
            Some(Entry { effect: Effect::Authorize, amount: held, .. }) => {
                Some(format!("failed, but {} stays authorised", amount(*held)))
            }
            Some(_) | None => None,
        }
    }

    /// M4: at rest, captured less refunded is the total of what was sold and not cancelled. After a sale money goes
    /// back only with an order that is being cancelled, and all of it has once the order is cancelled.
    fn sale_stands(&self) -> Option<String> {
        self.checkout.filter(|checkout| checkout.state == State::Completed)?;
        let (captured, refunded) = (self.books.captured.first(), self.books.refunded.first());
        match (self.reversal, refunded) {
            (Reversal::None, Some(refunded)) => {
                Some(format!("completed, but {refunded} was refunded after the sale"))
            }
            (Reversal::Done, refunded) if refunded != captured => {
                let (captured, refunded) = (amount(captured.copied()), amount(refunded.copied()));
                Some(format!("its order is cancelled, but captured {captured} and refunded {refunded}"))
            }
            (Reversal::None | Reversal::Running | Reversal::Done, _) => None,
        }
    }

    /// M4: what the payment service says is what the provider did. The provider acts first, so it may be
    /// further for a moment; once a checkout has ended, both have.
    fn service_and_provider_agree(&self) -> Option<String> {
        let last = self.books.last;
        if last.is_some_and(|entry| entry.at > self.now) {
            return None;
        }
        let done = last.map_or_else(|| "nothing".to_owned(), |entry| format!("{:?}", entry.effect));
        let Some(payment) = self.payment else {
            return last.map(|_| format!("the provider's last word is {done}, but there is no payment"));
        };
        let status = &payment.status;
        if !agree(status, last.map(|entry| &entry.effect)) {
            return Some(format!("the payment is {status:?}, the provider's last word is {done}"));
        }
        let rests = self.checkout.is_some_and(|checkout| checkout.state.is_terminal())
            && self.reversal != Reversal::Running;
        if rests && !status.is_settled() {
            return Some(format!("the checkout has ended, but its payment is {status:?}"));
        }
        let asked = payment.terms.as_ref().map(|terms| terms.amount);
        let held = self.books.authorized.first().copied();
        if held.is_some() && held != asked {
            let (asked, held) = (amount(asked), amount(held));
            return Some(format!("the payment is of {asked}, the provider authorised {held}"));
        }
        let (terms, checkout) = payment.terms.as_ref().zip(self.checkout)?;
        let (by, of, total) = (terms.user_id, checkout.user_id, checkout.total);
        ((terms.user_id, terms.amount) != (of, total)).then(|| {
            format!("the payment is of {} by user {by}, the checkout of {total} by user {of}", terms.amount)
        })
    }
}

/// Whether the provider may stand there while the payment says this. A status in `-ing` is an intent, of
/// which the provider may or may not have heard.
fn agree(status: &Status, last: Option<&Effect>) -> bool {
    use Effect::{Authorize, Capture, Decline, Refund, Tombstone, Void};
    match status {
        Status::Pending => matches!(last, None | Some(Authorize | Decline { .. })),
        Status::Authorized => matches!(last, Some(Authorize)),
        Status::Declined { code } => matches!(last, Some(Decline { code: told }) if told == code),
        Status::Capturing => matches!(last, Some(Authorize | Capture)),
        Status::Captured => matches!(last, Some(Capture)),
        // It may overtake an authorisation or a capture; the provider decides which of the two came first.
        Status::Voiding => !matches!(last, Some(Refund)),
        Status::Voided => matches!(last, Some(Void | Tombstone)),
        Status::Refunding => matches!(last, Some(Capture | Refund)),
        Status::Refunded => matches!(last, Some(Refund)),
    }
}

pub(super) fn amount(money: Option<Money>) -> String {
    money.map_or_else(|| "nothing".to_owned(), |money| money.to_string())
}

#[cfg(test)]
mod tests;
