//! Orders: each is a completed checkout's, and each completed checkout has one.

use std::collections::HashMap;
use std::time::Duration;

use checkout_service::checkout::Checkout;
use orders_service::order::{Order, Purchase, Status};
use types::{CheckoutId, OrderId};

use super::events::Consumption;
use super::facts::{Facts, completion};
use super::violation::{Invariant, Subject, Violation};

/// The group of consumers that makes orders.
const GROUP: &str = "orders-service";

/// How long an order may take to be cancelled.
const CANCELLED_WITHIN: Duration = Duration::from_secs(30);

pub(super) fn check(facts: &Facts) -> Vec<Violation> {
    let mut violations = orders_equal_checkouts(facts);
    violations.extend(completed_have_one_order(facts));
    violations.extend(nothing_is_being_cancelled_for_ever(facts));
    violations
}

/// O1: every order has exactly one completed checkout and equals it line by line. One that was made while we
/// were reading may be of a checkout that ended after we had read that.
fn orders_equal_checkouts(facts: &Facts) -> Vec<Violation> {
    let checkouts: HashMap<_, _> = facts.checkouts.checkouts.iter().map(|it| (it.id, it)).collect();
    let orders = facts.orders.orders.iter().filter(|order| !facts.is_news(order.created_at));
    let violation = |order: &Order| {
        let checkout = checkouts.get(&order.purchase.checkout_id).copied();
        let text = difference(order, checkout)?;
        Some(Violation::new(Invariant::O1, Subject::Order(order.id), text))
    };
    orders.filter_map(violation).collect()
}

fn difference(order: &Order, checkout: Option<&Checkout>) -> Option<String> {
    let bought = &order.purchase;
    let id = bought.checkout_id;
    let Some(checkout) = checkout else {
        return Some(format!("its checkout {id} is not there"));
    };
    let Some(event) = completion(checkout) else {
        return Some(format!("its checkout {id} is {}", checkout.state.name()));
    };
    if order.id != id.order_id() {
        return Some(format!("its checkout {id} makes the order {}", id.order_id()));
    }
    let sold = match Purchase::try_from(event) {
        Ok(sold) => sold,
        Err(implausible) => return Some(format!("its checkout {id} can't be: {implausible}")),
    };
    if bought.total != sold.total {
        return Some(format!("it costs {}, its checkout {id} did {}", bought.total, sold.total));
    }
    if bought.user_id != sold.user_id {
        return Some(format!("user {} has it, user {} bought it", bought.user_id, sold.user_id));
    }
    if bought.lines.len() != sold.lines.len() {
        let (lines, sold) = (bought.lines.len(), sold.lines.len());
        return Some(format!("it has {lines} lines, its checkout {id} has {sold}"));
    }
    if let Some((line, sold)) = bought.lines.iter().zip(&sold.lines).find(|(line, sold)| line != sold) {
        return Some(format!("it has the line {line:?}, its checkout {id} has {sold:?}"));
    }
    // An address is personal: it is not told.
    (*bought != sold).then(|| format!("its checkout {id} goes to another address"))
}

/// O2: every completed checkout gets exactly one order. It may still come as long as the orders service has not
/// consumed the event that tells of the checkout.
fn completed_have_one_order(facts: &Facts) -> Vec<Violation> {
    let mut orders: HashMap<CheckoutId, Vec<OrderId>> = HashMap::new();
    for order in &facts.orders.orders {
        orders.entry(order.purchase.checkout_id).or_default().push(order.id);
    }
    let consumption = Consumption::of(facts, GROUP);
    let violation = |id: CheckoutId| {
        let told = |text: String| Violation::new(Invariant::O2, Subject::Checkout(id), text);
        match orders.get(&id).map_or(0, Vec::len) {
            0 => Some(match consumption.of_checkout(id) {
                Some(consumed) => told(format!("completed, but it has no order; {GROUP} {consumed}")),
                None => told("completed, but it has no order yet".to_owned()).that_may_pass(),
            }),
            1 => None,
            many => Some(told(format!("completed, and it has {many} orders"))),
        }
    };
    facts.completed().filter_map(|(checkout, _)| violation(checkout.id)).collect()
}

/// L1: no order stays on its way back for long. Where the shop was stopped meanwhile, it ends once that runs again.
fn nothing_is_being_cancelled_for_ever(facts: &Facts) -> Vec<Violation> {
    let running = facts.orders.orders.iter().filter(|order| order.status == Status::Cancelling);
    let late = running.filter(|order| facts.now > order.updated_at.after(CANCELLED_WITHIN));
    late.map(|order| {
        let mut cancellations = facts.orders.cancellations.iter();
        let came_to = cancellations.find(|it| it.order_id == order.id).map_or_else(
            || "nobody cancels it".to_owned(),
            |it| format!("{}, {} attempts", it.state.as_str(), it.attempts),
        );
        let age = facts.now.since(order.updated_at).as_secs();
        let text = format!("still being cancelled after {age} s: {came_to}");
        Violation::new(Invariant::L1, Subject::Order(order.id), text).that_may_pass()
    })
    .collect()
}

#[cfg(test)]
mod tests;
