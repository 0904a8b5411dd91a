use proto::events::OrderStatusChanged;

use super::super::fixtures::*;
use super::*;

#[test]
fn e1_a_completed_checkout_has_one_event() {
    let mut facts = clean();
    let twin = facts.checkouts.events[0].clone();
    facts.checkouts.events.push(twin);
    let text = "is COMPLETED, but its events are [\"checkout.completed.v1\", \"checkout.completed.v1\"]";
    assert_eq!(found(&facts), [format!("E1 checkout {}: {text}", id(FIRST))]);

    let mut facts = clean();
    let lost = facts.checkouts.events.remove(0);
    let text = format!("checkout-events has it at 1 ({}), but no outbox does", lost.kind);
    assert_eq!(
        found(&facts),
        [
            format!("E1 checkout {}: is COMPLETED, but its events are []", id(FIRST)),
            format!("E1 event {}: {text}", lost.id),
        ]
    );
}

#[test]
fn e1_the_event_tells_how_the_checkout_ended() {
    let mut facts = clean();
    facts.checkouts.events[2].kind = CheckoutCompleted::TYPE.to_owned();
    let text = "is FAILED, but its events are [\"checkout.completed.v1\"]";
    assert_eq!(found(&facts), [format!("E1 checkout {}: {text}", id(DECLINED))]);
}

#[test]
fn e1_a_checkout_that_runs_has_no_event() {
    let mut facts = clean();
    let kind = CheckoutCompleted::TYPE;
    let event = event(event_of(RUNNING), kind, "{}");
    let entry =
        OutboxEntry { checkout_id: id(RUNNING), id: event.id, kind: kind.to_owned(), is_published: true };
    let delivery = publish(&mut facts, CHECKOUT_EVENTS, event);
    facts.log.checkout_events.push(delivery);
    facts.checkouts.events.push(entry);
    let text = "is RESERVING, but its events are [\"checkout.completed.v1\"]";
    assert_eq!(found(&facts), [format!("E1 checkout {}: {text}", id(RUNNING))]);
    facts.checkouts.events.last_mut().unwrap().checkout_id = id(70);
    assert_eq!(found(&facts), [format!("E1 checkout {}: has an event, but is not there", id(70))]);
}

#[test]
fn e1_the_log_has_what_outboxes_had_before() {
    let mut facts = clean();
    let foreign = event(event_of(70), OrderCreated::TYPE, "{}");
    let delivery = publish(&mut facts, ORDER_EVENTS, foreign);
    facts.log.order_events.push(delivery);
    let text = "order-events has it at 6 (order.created.v1), but no outbox does";
    assert_eq!(found(&facts), [format!("E1 event {}: {text}", event_of(70))]);
    // It came while we were reading.
    facts.log.ends.iter_mut().find(|end| end.topic == ORDER_EVENTS).unwrap().next = 6;
    assert_eq!(found(&facts), [""; 0]);
}

#[test]
fn e1_a_cancelled_order_is_told_of_once() {
    let order = id(FIRST).order_id();
    let mut facts = clean();
    cancelled(&mut facts);
    tell_cancelled(&mut facts, 4001);
    let text = "is CANCELLED, and 2 events say that it is cancelled";
    assert_eq!(found(&facts), [format!("E1 order {order}: {text}")]);
    facts.orders.outbox.retain(|it| it.row.event.kind != OrderCancelled::TYPE);
    facts.log.order_events.retain(|it| it.event.kind != OrderCancelled::TYPE);
    let text = "is CANCELLED, and 0 events say that it is cancelled";
    assert_eq!(found(&facts), [format!("E1 order {order}: {text}")]);
}

#[test]
fn e1_no_other_order_is_told_to_be_cancelled() {
    let order = id(FIRST).order_id();
    let mut facts = clean();
    tell_cancelled(&mut facts, 4000);
    let text = "is CONFIRMED, and 1 events say that it is cancelled";
    assert_eq!(found(&facts), [format!("E1 order {order}: {text}")]);
    cancelling(&mut facts);
    let text = "is CANCELLING, and 1 events say that it is cancelled";
    assert_eq!(found(&facts), [format!("E1 order {order}: {text}")]);
    facts.orders.orders.retain(|it| it.id != order);
    let lost = format!("E1 order {order}: is told to be cancelled, but is not there");
    assert!(found(&facts).contains(&lost), "{:?}", found(&facts));
}

#[test]
fn e2_what_is_published_is_in_the_log_once_or_more() {
    let mut facts = clean();
    let again = facts.log.checkout_events[0].clone();
    facts.log.checkout_events.push(again);
    assert_eq!(found(&facts), [""; 0]);

    let failed = facts.log.checkout_events.remove(2);
    assert_eq!(failed.event.id, event_of(DECLINED));
    let text = "is marked as published, but checkout-events does not have it";
    assert_eq!(found(&facts), [format!("E2 event {}: {text}", event_of(DECLINED))]);

    let mut facts = clean();
    let lost = facts.log.order_events.remove(0).event.id;
    let text = "is marked as published, but order-events does not have it";
    assert_eq!(found(&facts), [format!("E2 event {lost}: {text}")]);
}

#[test]
fn e2_what_is_not_published_is_on_its_way() {
    let mut facts = clean();
    facts.checkouts.events[2].is_published = false;
    facts.orders.outbox[0].published = false;
    let order_event = facts.orders.outbox[0].row.event.id;
    assert_eq!(
        found(&facts),
        [
            format!("E2 event {}: is not published in checkout-events yet", event_of(DECLINED)),
            format!("E2 event {order_event}: is not published in order-events yet"),
        ]
    );
    assert!(check(&facts).iter().all(|violation| violation.may_pass));
}

#[test]
fn e2_an_order_is_made_by_the_event_of_its_checkout_alone() {
    let order = id(FIRST).order_id();
    let mut facts = clean();
    facts.orders.inbox[0].event_id = event_of(70);
    let text = format!("was made by event {}, its checkout tells of event {}", event_of(70), event_of(FIRST));
    assert_eq!(found(&facts), [format!("E2 order {order}: {text}")]);

    let mut facts = clean();
    let twin = facts.orders.inbox[0];
    facts.orders.inbox.push(twin);
    assert_eq!(found(&facts), [format!("E2 order {order}: was made by 2 events")]);
    facts.orders.inbox.retain(|applied| applied.order_id != order);
    assert_eq!(found(&facts), [format!("E2 order {order}: was made by 0 events")]);
}

#[test]
fn e2_an_order_is_announced_once() {
    let order = id(FIRST).order_id();
    let mut facts = clean();
    let twin = facts.orders.outbox[0].clone();
    facts.orders.outbox.push(twin);
    assert_eq!(found(&facts), [format!("E2 order {order}: is announced by 2 events")]);
    // The announcement of another change is none of the order.
    for written in facts.orders.outbox.iter_mut().filter(|it| it.row.event.id.as_u128() == FIRST + 2000) {
        written.row.event.kind = OrderStatusChanged::TYPE.to_owned();
    }
    assert_eq!(found(&facts), [format!("E2 order {order}: is announced by 0 events")]);
}
