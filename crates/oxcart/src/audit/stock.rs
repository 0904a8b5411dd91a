//! Stock: what the inventory says of itself, and what the checkouts say of it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use checkout_service::checkout::Checkout;
use checkout_service::saga::state::{Failure, State};
use inventory_service::ledger::{self, Movement};
use inventory_service::reservation::{self, Lines, Reservation};
use payment_service::provider::simulated::Effect;
use types::{CheckoutId, ProductId, ReservationId, Timestamp};

use super::facts::{Facts, Reversal};
use super::violation::{Invariant, Subject, Violation};

/// More than a movement takes from being stamped with its time to being seen by others.
const WRITE: Duration = Duration::from_secs(5);

pub(super) fn check(facts: &Facts) -> Vec<Violation> {
    let reservations: HashMap<_, _> = facts.inventory.reservations.iter().map(|it| (it.id, it)).collect();
    let mut movements: HashMap<ProductId, Vec<&Movement>> = HashMap::new();
    for movement in &facts.inventory.movements {
        movements.entry(movement.product_id).or_default().push(movement);
    }
    let paid = paid(facts);
    let mut violations: Vec<Violation> = facts.inventory.violations().iter().map(adds_up).collect();
    let reversals = facts.reversals();
    for checkout in &facts.checkouts.checkouts {
        let reversal = reversals.get(&checkout.id).copied().unwrap_or(Reversal::None);
        let reservation = reservations.get(&ReservationId::from(checkout.id)).copied();
        let told =
            |invariant| move |text: String| Violation::new(invariant, Subject::Checkout(checkout.id), text);
        violations
            .extend(what_is_sold_was_set_aside(checkout, reservation, reversal).map(told(Invariant::S3)));
        let paid = paid.contains(&checkout.id);
        let unsold = what_is_paid_is_sold(checkout, reservation, paid).map(told(Invariant::S3));
        // Clocks of machines differ: what seems to have been paid before may be news.
        violations.extend(unsold.map(Violation::that_may_pass));
        violations.extend(what_failed_keeps_nothing(checkout, reservation).map(told(Invariant::S5)));
        violations.extend(what_lacked_was_not_there(checkout, &movements).map(told(Invariant::S6)));
    }
    violations
}

/// S1: per product, what came in is available, held or sold, none negative; what was restocked is available. S2: held
/// is the sum of the held reservations, sold that of the committed ones, which a restocked one no longer is, and the
/// movements say so too.
fn adds_up(violation: &ledger::Violation) -> Violation {
    use ledger::Violation::{Impossible, NoStock, NotExplained, NotReplayed, NotReserved};
    let (invariant, subject) = match *violation {
        Impossible { product_id, .. } | NoStock(product_id) => (Invariant::S1, Subject::Product(product_id)),
        NotReplayed { stock, .. } => (Invariant::S1, Subject::Product(stock.product_id)),
        NotReserved { stock, .. } => (Invariant::S2, Subject::Product(stock.product_id)),
        NotExplained { reservation_id, .. } => (Invariant::S2, Subject::Reservation(reservation_id)),
    };
    Violation::new(invariant, subject, violation.to_string())
}

/// S3: no oversell. What a completed checkout bought was set aside for it, line by line, and is sold until its order
/// is cancelled; then it is for sale again.
fn what_is_sold_was_set_aside(
    checkout: &Checkout,
    reservation: Option<&Reservation>,
    reversal: Reversal,
) -> Option<String> {
    use reservation::State::{Committed, Restocked};
    if checkout.state != State::Completed {
        return None;
    }
    let Some(reservation) = reservation else {
        return Some("completed, but no stock was ever set aside".to_owned());
    };
    match (reversal, &reservation.state) {
        (Reversal::None | Reversal::Running, Committed) | (Reversal::Running | Reversal::Done, Restocked) => {
        }
        (Reversal::None | Reversal::Running, state) => {
            return Some(format!("completed, but its stock is {}", state.as_str()));
        }
        (Reversal::Done, state) => {
            return Some(format!("its order is cancelled, but its stock is {}", state.as_str()));
        }
    }
    let mut bought = Lines::default();
    for item in &checkout.items {
        if bought.add(item.product_id, item.quantity).is_err() {
            return Some(format!("bought more of product {} than can be counted", item.product_id));
        }
    }
    (bought != reservation.lines)
        .then(|| format!("bought {}, was given {}", units(&bought), units(&reservation.lines)))
}

/// The payments whose money was taken before we began to read, and not given back until we had read everything else:
/// whatever was true of their stock in between is true of it at every moment.
fn paid(facts: &Facts) -> HashSet<CheckoutId> {
    let mut paid = HashSet::new();
    for entry in &facts.provider {
        match entry.effect {
            Effect::Capture if !facts.is_news(entry.at) => paid.insert(entry.key),
            Effect::Refund => paid.remove(&entry.key),
            Effect::Capture
            | Effect::Authorize
            | Effect::Decline { .. }
            | Effect::Void
            | Effect::Tombstone => false,
        };
    }
    paid
}

/// S3: no oversell. Money is taken for stock that is sold, and given back before the stock is: also while a checkout
/// runs.
fn what_is_paid_is_sold(
    checkout: &Checkout,
    reservation: Option<&Reservation>,
    is_paid: bool,
) -> Option<String> {
    let is_sold = reservation.is_some_and(|it| it.state == reservation::State::Committed);
    if checkout.state.is_terminal() || !is_paid || is_sold {
        return None;
    }
    let state = reservation.map_or("not there", |reservation| reservation.state.as_str());
    Some(format!("is paid, but its stock is {state}"))
}

/// S5: no undersell. A failed checkout keeps no stock from others.
fn what_failed_keeps_nothing(checkout: &Checkout, reservation: Option<&Reservation>) -> Option<String> {
    use reservation::State::{Committed, Expired, Held, Rejected, Released, Restocked};
    let State::Failed(_) = checkout.state else {
        return None;
    };
    let Reservation { lines, state, .. } = reservation?;
    match state {
        Held { .. } | Committed => Some(format!("failed, but {} of it is {}", units(lines), state.as_str())),
        Expired { .. } | Released | Rejected { .. } | Restocked => None,
    }
}

/// S6: no undersell. A checkout fails for want of stock only if, at some moment of its life, there was less of
/// the product than it wanted.
fn what_lacked_was_not_there(
    checkout: &Checkout,
    movements: &HashMap<ProductId, Vec<&Movement>>,
) -> Option<String> {
    let State::Failed(Failure::InsufficientStock { product_ids }) = &checkout.state else {
        return None;
    };
    let ended = checkout.completed_at?;
    let undersold = |&product_id: &ProductId| {
        let items = checkout.items.iter().filter(|item| item.product_id == product_id);
        let wanted: i64 = items.map(|item| item.quantity.get()).sum();
        let least = least_available(movements.get(&product_id)?, checkout.created_at, ended);
        (least >= wanted).then(|| {
            format!(
                "failed for want of {wanted} of product {product_id}, of which there were {least} or more"
            )
        })
    };
    product_ids.iter().find_map(undersold)
}

/// The least that may have been available of a product at any moment between these two. Movements are in the
/// order of their commits; each carries a time a little before.
fn least_available(movements: &[&Movement], began: Timestamp, ended: Timestamp) -> i64 {
    let (mut available, mut least) = (0, i64::MAX);
    for movement in movements {
        if movement.at >= began.before(WRITE) {
            least = least.min(available);
        }
        if movement.at > ended {
            return least;
        }
        available += movement.kind.effect().available * movement.quantity;
    }
    least.min(available)
}

/// `2 of product 1 and 1 of product 5`.
fn units(lines: &Lines) -> String {
    let texts: Vec<String> =
        lines.iter().map(|(id, quantity)| format!("{quantity} of product {id}")).collect();
    if texts.is_empty() { "nothing".to_owned() } else { texts.join(" and ") }
}

#[cfg(test)]
mod tests;
