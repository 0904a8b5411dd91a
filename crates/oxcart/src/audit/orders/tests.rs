use event_log::{DeadLetter, Delivery};
use orders_service::order::Status;
use proto::events::CHECKOUT_EVENTS;
use types::{AddressParts, Currency, Money};

use super::super::fixtures::{FIRST, RUNNING, SECOND, at, cancelling, checkout, clean, found, id, user};
use super::*;

fn first_order() -> OrderId {
    id(FIRST).order_id()
}

#[test]
fn o1_an_order_has_a_completed_checkout() {
    let mut facts = clean();
    // Its order is what remains of it.
    facts.checkouts.checkouts.retain(|checkout| checkout.id != id(SECOND));
    let violations: Vec<String> = orders_equal_checkouts(&facts).iter().map(ToString::to_string).collect();
    let order = id(SECOND).order_id();
    assert_eq!(violations, [format!("O1 order {order}: its checkout {} is not there", id(SECOND))]);

    let mut facts = clean();
    let order = &mut facts.orders.orders[0];
    order.purchase.checkout_id = id(RUNNING);
    let violations: Vec<String> = orders_equal_checkouts(&facts).iter().map(ToString::to_string).collect();
    assert_eq!(
        violations,
        [format!("O1 order {}: its checkout {} is RESERVING", first_order(), id(RUNNING))]
    );
}

#[test]
fn o1_an_order_equals_its_checkout() {
    let changed = |change: fn(&mut Purchase)| {
        let mut facts = clean();
        change(&mut facts.orders.orders[0].purchase);
        let found = found(&facts);
        assert_eq!(found.len(), 1, "{found:?}");
        let start = format!("O1 order {}: ", first_order());
        found[0].strip_prefix(&start).unwrap().replace(&id(FIRST).to_string(), "ID")
    };
    assert_eq!(changed(|it| it.total.minor += 1), "it costs 22.51 USD, its checkout ID did 22.50 USD");
    assert_eq!(changed(|it| it.user_id = user(8)), "user 8 has it, user 7 bought it");
    assert_eq!(changed(|it| it.lines.truncate(1)), "it has 1 lines, its checkout ID has 2");
    let other = changed(|it| it.lines[1].unit_price = Money::new(251, Currency::USD));
    assert!(other.starts_with("it has the line Line { product_id: ProductId(2)"), "{other}");
    let moved = changed(|it| {
        let parts = AddressParts {
            name: "Ada".to_owned(),
            line1: "1 Main Street".to_owned(),
            line2: None,
            city: "Town".to_owned(),
            postal_code: "1".to_owned(),
            country: "GB".to_owned(),
        };
        it.shipping_address = Some(parts.try_into().unwrap());
    });
    assert_eq!(moved, "its checkout ID goes to another address");
}

#[test]
fn o1_an_order_has_the_id_of_its_checkout() {
    let mut facts = clean();
    let order = &mut facts.orders.orders[0];
    order.id = OrderId(id(70).0);
    let violations: Vec<String> = orders_equal_checkouts(&facts).iter().map(ToString::to_string).collect();
    let text = format!("its checkout {} makes the order {}", id(FIRST), first_order());
    assert_eq!(violations, [format!("O1 order {}: {text}", id(70))]);
}

#[test]
fn o1_an_order_may_go_its_way() {
    let mut facts = clean();
    facts.orders.orders[0].status = Status::Delivered;
    facts.orders.orders[0].updated_at = at(99);
    assert_eq!(found(&facts), [""; 0]);
}

#[test]
fn o1_an_order_that_was_made_while_we_read_is_judged_next_time() {
    let mut facts = clean();
    let checkout = checkout(&mut facts, SECOND);
    checkout.state = checkout_service::saga::state::State::Capturing;
    checkout.completed_at = None;
    let in_time = orders_equal_checkouts(&facts);
    assert_eq!(in_time.len(), 1);
    facts.orders.orders[1].created_at = at(101);
    assert_eq!(orders_equal_checkouts(&facts), []);
}

/// A shop whose first checkout has no order.
fn without_order() -> Facts {
    let mut facts = clean();
    facts.orders.orders.retain(|order| order.id != first_order());
    facts
}

#[test]
fn o2_a_completed_checkout_has_an_order_once_its_event_is_consumed() {
    let mut facts = without_order();
    let done = format!("O2 checkout {}: completed, but it has no order; orders-service is done", id(FIRST));
    assert_eq!(found(&facts), [format!("{done} with its event at 1")]);
    assert!(!check(&facts)[0].may_pass);

    let event = facts.log.checkout_events[0].event.clone();
    let delivery = Delivery { topic: "checkout-events.dlq".to_owned(), partition: 0, offset: 9, event };
    facts.log.dead_letters.push(DeadLetter {
        delivery,
        origin: CHECKOUT_EVENTS.to_owned(),
        group: GROUP.to_owned(),
        reason: "there are no lines".to_owned(),
        at: at(92),
    });
    assert_eq!(found(&facts), [format!("{done} with its event at 1, a dead letter: there are no lines")]);
}

#[test]
fn o2_an_order_may_still_come() {
    let mut facts = without_order();
    let orders = facts.log.progress.iter_mut().find(|it| it.group == GROUP).unwrap();
    orders.next = 1;
    assert_eq!(found(&facts), [format!("O2 checkout {}: completed, but it has no order yet", id(FIRST))]);
    assert!(check(&facts)[0].may_pass);

    // How far the group has come in another partition says nothing of this one.
    let mut facts = without_order();
    let orders = facts.log.progress.iter_mut().find(|it| it.group == GROUP).unwrap();
    orders.partition = 1;
    assert!(check(&facts).iter().all(|violation| violation.may_pass));
}

#[test]
fn l1_an_order_is_not_being_cancelled_for_ever() {
    let mut facts = clean();
    cancelling(&mut facts);
    facts.now = at(125);
    let late = |facts: &Facts| nothing_is_being_cancelled_for_ever(facts);
    assert_eq!(late(&facts), []);
    facts.now = at(126);
    let violations = late(&facts);
    let text = "still being cancelled after 31 s: REFUNDING, 0 attempts";
    assert_eq!(violations[0].to_string(), format!("L1 order {}: {text}", first_order()));
    assert!(violations.len() == 1 && violations[0].may_pass);
    facts.orders.cancellations.clear();
    assert!(late(&facts)[0].text.ends_with("nobody cancels it"));
    facts.orders.orders.iter_mut().for_each(|order| order.status = Status::Cancelled);
    assert_eq!(late(&facts), []);
}

#[test]
fn o2_a_completed_checkout_has_no_second_order() {
    let mut facts = clean();
    let twin = facts.orders.orders[0].clone();
    facts.orders.orders.push(twin);
    assert_eq!(found(&facts), [format!("O2 checkout {}: completed, and it has 2 orders", id(FIRST))]);
}
