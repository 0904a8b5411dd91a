//! Events: written with what they tell of, carried into the log, applied once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use checkout_service::checkout::{Checkout, Ending};
use checkout_service::store::OutboxEntry;
use event_log::Delivery;
use orders_service::order::{Order, Status};
use proto::events::{
    CHECKOUT_EVENTS, CheckoutCompleted, CheckoutFailed, ORDER_EVENTS, OrderCancelled, OrderCreated,
};
use types::{CheckoutId, OrderId};
use uuid::Uuid;

use super::facts::Facts;
use super::violation::{Invariant, Subject, Violation};

pub(super) fn check(facts: &Facts) -> Vec<Violation> {
    let mut violations = ended_have_one_event(facts);
    violations.extend(log_has_no_others(facts));
    violations.extend(events_reach_the_log(facts));
    violations.extend(orders_have_one_cause(facts));
    violations.extend(orders_are_announced_once(facts));
    violations.extend(cancelled_are_announced_once(facts));
    violations
}

/// E1: a checkout that has ended has exactly one event, which tells how; one that runs has none.
fn ended_have_one_event(facts: &Facts) -> Vec<Violation> {
    let mut events: BTreeMap<CheckoutId, Vec<&OutboxEntry>> = BTreeMap::new();
    for event in &facts.checkouts.events {
        events.entry(event.checkout_id).or_default().push(event);
    }
    let told = |id, text: String| Violation::new(Invariant::E1, Subject::Checkout(id), text);
    let mut violations = Vec::new();
    for checkout in &facts.checkouts.checkouts {
        let found = events.remove(&checkout.id).unwrap_or_default();
        let found: Vec<&str> = found.iter().map(|event| event.kind.as_str()).collect();
        let expected = ending(checkout);
        if found.as_slice() != expected.as_slice() {
            let text = format!("is {}, but its events are {found:?}", checkout.state.name());
            violations.push(told(checkout.id, text));
        }
    }
    violations.extend(events.into_keys().map(|id| told(id, "has an event, but is not there".to_owned())));
    violations
}

/// The types of the events that a checkout has: one or none.
fn ending(checkout: &Checkout) -> Option<&'static str> {
    Some(match checkout.ending()? {
        Ending::Completed(_) => CheckoutCompleted::TYPE,
        Ending::Failed(_) => CheckoutFailed::TYPE,
    })
}

/// E1: what the log had before we began to read, somebody wrote into an outbox.
fn log_has_no_others(facts: &Facts) -> Vec<Violation> {
    let checkouts = facts.checkouts.events.iter().map(|event| event.id);
    let orders = facts.orders.outbox.iter().map(|written| written.row.event.id);
    let (checkouts, orders): (HashSet<Uuid>, HashSet<Uuid>) = (checkouts.collect(), orders.collect());
    let topics = [(&facts.log.checkout_events, checkouts), (&facts.log.order_events, orders)];
    let mut violations = Vec::new();
    for (log, written) in topics {
        let foreign = |delivery: &&Delivery| facts.log.had(delivery) && !written.contains(&delivery.event.id);
        for Delivery { topic, offset, event, .. } in log.iter().filter(foreign) {
            let text = format!("{topic} has it at {offset} ({}), but no outbox does", event.kind);
            violations.push(Violation::new(Invariant::E1, Subject::Event(event.id), text));
        }
    }
    violations
}

/// E2: each event reaches the log at least once. One that is not marked as published is on its way.
fn events_reach_the_log(facts: &Facts) -> Vec<Violation> {
    let ids = |log: &[Delivery]| log.iter().map(|delivery| delivery.event.id).collect::<HashSet<Uuid>>();
    let (checkouts, orders) = (ids(&facts.log.checkout_events), ids(&facts.log.order_events));
    let violation = |topic, log: &HashSet<Uuid>, id, is_published| {
        let told = |text: String| Violation::new(Invariant::E2, Subject::Event(id), text);
        match (is_published, log.contains(&id)) {
            (true, true) => None,
            (true, false) => Some(told(format!("is marked as published, but {topic} does not have it"))),
            (false, _) => Some(told(format!("is not published in {topic} yet")).that_may_pass()),
        }
    };
    let of_checkouts = facts.checkouts.events.iter();
    let of_checkouts =
        of_checkouts.filter_map(|it| violation(CHECKOUT_EVENTS, &checkouts, it.id, it.is_published));
    let of_orders = facts.orders.outbox.iter();
    let of_orders =
        of_orders.filter_map(|it| violation(ORDER_EVENTS, &orders, it.row.event.id, it.published));
    of_checkouts.chain(of_orders).collect()
}

/// E2: the effect of an event happens once: an order was made by one event, that of its checkout.
fn orders_have_one_cause(facts: &Facts) -> Vec<Violation> {
    let told: HashMap<CheckoutId, Uuid> =
        facts.checkouts.events.iter().map(|event| (event.checkout_id, event.id)).collect();
    let mut causes: HashMap<OrderId, Vec<Uuid>> = HashMap::new();
    for applied in &facts.orders.inbox {
        causes.entry(applied.order_id).or_default().push(applied.event_id);
    }
    let violation = |order: &Order| {
        let causes = causes.get(&order.id).map_or(&[][..], Vec::as_slice);
        let text = match (causes, told.get(&order.purchase.checkout_id)) {
            ([cause], Some(event)) if cause != event => {
                format!("was made by event {cause}, its checkout tells of event {event}")
            }
            ([_], _) => return None,
            (many, _) => format!("was made by {} events", many.len()),
        };
        Some(Violation::new(Invariant::E2, Subject::Order(order.id), text))
    };
    facts.orders.orders.iter().filter_map(violation).collect()
}

/// E2: the effect of an event happens once: an order is announced by one event.
fn orders_are_announced_once(facts: &Facts) -> Vec<Violation> {
    let events = facts.orders.outbox.iter().map(|written| &written.row.event);
    let created = events.filter(|event| event.kind == OrderCreated::TYPE);
    let mut announced: HashMap<OrderId, usize> = HashMap::new();
    for event in created.filter_map(|event| serde_json::from_slice::<OrderCreated>(&event.data).ok()) {
        *announced.entry(event.order_id).or_default() += 1;
    }
    let violation = |id: OrderId| match announced.get(&id).copied().unwrap_or(0) {
        1 => None,
        times => {
            Some(Violation::new(Invariant::E2, Subject::Order(id), format!("is announced by {times} events")))
        }
    };
    facts.orders.orders.iter().filter_map(|order| violation(order.id)).collect()
}

/// E1: an order that is cancelled is told of by exactly one event, and no other order is.
fn cancelled_are_announced_once(facts: &Facts) -> Vec<Violation> {
    let events = facts.orders.outbox.iter().map(|written| &written.row.event);
    let cancelled = events.filter(|event| event.kind == OrderCancelled::TYPE);
    let mut told: BTreeMap<OrderId, usize> = BTreeMap::new();
    for event in cancelled.filter_map(|event| serde_json::from_slice::<OrderCancelled>(&event.data).ok()) {
        *told.entry(event.order_id).or_default() += 1;
    }
    let violation = |id, text| Violation::new(Invariant::E1, Subject::Order(id), text);
    let mut violations = Vec::new();
    for order in &facts.orders.orders {
        let (times, wanted) =
            (told.remove(&order.id).unwrap_or(0), usize::from(order.status == Status::Cancelled));
        if times != wanted {
            let text = format!("is {}, and {times} events say that it is cancelled", order.status);
            violations.push(violation(order.id, text));
        }
    }
    let absent = |id| violation(id, "is told to be cancelled, but is not there".to_owned());
    violations.extend(told.into_keys().map(absent));
    violations
}

/// Which ends of checkouts a group of consumers has heard of.
pub(super) struct Consumption<'a> {
    /// The event of each checkout.
    events: HashMap<CheckoutId, Uuid>,
    /// Where each event stands that the group is done with.
    consumed: HashMap<Uuid, i64>,
    /// Why events were given up, by this group or another: a dead letter does not say.
    given_up: HashMap<Uuid, &'a str>,
}

/// A group is done with an event.
pub(super) struct Consumed<'a> {
    offset: i64,
    given_up: Option<&'a str>,
}

impl<'a> Consumption<'a> {
    pub(super) fn of(facts: &'a Facts, group: &str) -> Self {
        let done = facts.log.checkout_events.iter().filter(|it| facts.log.is_consumed(group, it));
        let dead = facts.log.dead_letters.iter();
        Self {
            events: facts.checkouts.events.iter().map(|event| (event.checkout_id, event.id)).collect(),
            consumed: done.map(|delivery| (delivery.event.id, delivery.offset)).collect(),
            given_up: dead.map(|dead| (dead.delivery.event.id, dead.reason.as_str())).collect(),
        }
    }

    /// Whether the group is done with the event of a checkout.
    pub(super) fn of_checkout(&self, id: CheckoutId) -> Option<Consumed<'a>> {
        let event = self.events.get(&id)?;
        let offset = *self.consumed.get(event)?;
        Some(Consumed { offset, given_up: self.given_up.get(event).copied() })
    }
}

impl fmt::Display for Consumed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "is done with its event at {}", self.offset)?;
        match self.given_up {
            Some(reason) => write!(f, ", a dead letter: {reason}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
