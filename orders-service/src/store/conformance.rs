//! What every [`Store`] does. Each case gets a place of its own, where nothing is yet.

mod cancellations;

use std::sync::Arc;

use event_log::Waiting;
use platform::metrics::Metrics;
use types::{OrderId, Timestamp, UserId};
use uuid::Uuid;

use super::{Applied, Made, Position, Step, Store};
use crate::announcement::{self, Origin};
use crate::fixtures;
use crate::order::{Order, Purchase, Status};
use crate::places::{Place, in_every_place};
use crate::store;

in_every_place!(
    #[tokio::test]
    has_nothing_at_first,
    keeps_an_order_as_it_is,
    makes_an_order_once,
    lists_newest_first_without_gaps,
    changes_a_status_only_from_where_it_is,
    tells_in_the_order_of_writing,
    refuses_an_event_that_was_told_before,
);

async fn open(place: &Place) -> Arc<dyn Store> {
    store::open(&place.orders(), Uuid::from_u128(1), &Metrics::default()).await.unwrap()
}

async fn has_nothing_at_first(place: &Place) {
    let store = open(place).await;
    let nothing = store.snapshot().await.unwrap();
    assert!(nothing.orders.is_empty() && nothing.inbox.is_empty() && nothing.outbox.is_empty());
    assert_eq!(store.order(OrderId(Uuid::from_u128(1))).await.unwrap(), None);
    assert_eq!(store.orders(user(7), None, None, 10).await.unwrap(), []);
    assert!(store.unpublished(10).await.unwrap().is_empty());
    assert_eq!(store.waiting().await.unwrap(), Waiting::default());
    store.ping().await.unwrap();
}

async fn keeps_an_order_as_it_is(place: &Place) {
    let store = open(place).await;
    let with_address = order(1, 7, 100);
    let mut without = order(2, 7, 100);
    without.purchase.shipping_address = None;
    for order in [&with_address, &without] {
        assert_eq!(make(&store, order).await, Made::Now);
        assert_eq!(store.order(order.id).await.unwrap().as_ref(), Some(order));
    }
    let snapshot = store.snapshot().await.unwrap();
    let mut expected = [with_address, without];
    expected.sort_by_key(|order| order.id);
    assert_eq!(snapshot.orders, expected);
    let inbox = expected.map(|order| Applied {
        event_id: order.purchase.checkout_id.0,
        order_id: order.id,
        applied_at: order.created_at,
    });
    assert_eq!(snapshot.inbox, inbox);
}

async fn makes_an_order_once(place: &Place) {
    let store = open(place).await;
    let first = order(1, 7, 100);
    assert_eq!(make(&store, &first).await, Made::Now);
    let before = store.snapshot().await.unwrap();
    let mut other = order(1, 8, 200);
    other.purchase.lines.pop();
    for again in [&first, &other] {
        assert_eq!(make(&store, again).await, Made::Before(Box::new(first.clone())));
    }
    assert_eq!(store.snapshot().await.unwrap(), before);
    assert_eq!(before.outbox.len(), 1);
}

async fn lists_newest_first_without_gaps(place: &Place) {
    let store = open(place).await;
    // Ten orders at three moments, so that the id decides within one, and one of another user.
    let mut orders: Vec<Order> = (1..=10).map(|n| order(n, 7, 100 + i64::try_from(n % 3).unwrap())).collect();
    for order in &orders {
        make(&store, order).await;
    }
    make(&store, &order(99, 8, 101)).await;
    orders.sort_by_key(|order| (order.created_at, order.id));
    orders.reverse();
    for limit in [1, 3, 10, 11] {
        let mut seen: Vec<Order> = Vec::new();
        loop {
            let after = seen.last().map(|last| Position { created_at: last.created_at, id: last.id });
            let page = store.orders(user(7), None, after, limit).await.unwrap();
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            seen.extend(page);
            assert!(seen.len() <= orders.len(), "by {limit}: orders are repeated");
        }
        assert_eq!(seen, orders, "by {limit}");
    }
    let confirmed = store.orders(user(7), Some(Status::Confirmed), None, 100).await.unwrap();
    assert_eq!(confirmed, orders);
    assert_eq!(store.orders(user(7), Some(Status::Shipped), None, 100).await.unwrap(), []);
}

async fn changes_a_status_only_from_where_it_is(place: &Place) {
    let store = open(place).await;
    let order = order(1, 7, 100);
    make(&store, &order).await;
    let at = Timestamp::from_micros(500);
    let step = Step { id: order.id, from: Status::Confirmed, to: Status::Processing, at };
    assert!(take(&store, step, 1).await);
    let after = store.snapshot().await.unwrap();
    assert_eq!(after.orders, [Order { status: Status::Processing, updated_at: at, ..order }]);
    assert_eq!(after.outbox.len(), 2);

    assert!(!take(&store, step, 2).await, "it is no longer there");
    let unknown = Step { id: OrderId(Uuid::from_u128(404)), ..step };
    assert!(!take(&store, unknown, 3).await);
    assert_eq!(store.snapshot().await.unwrap(), after);
    let processing = store.orders(user(7), Some(Status::Processing), None, 9).await.unwrap();
    assert_eq!(processing, after.orders);
}

async fn tells_in_the_order_of_writing(place: &Place) {
    let store = open(place).await;
    for n in [3, 1, 2] {
        make(&store, &order(n, 7, 100)).await;
    }
    let rows = store.unpublished(2).await.unwrap();
    let expected: Vec<_> = [3, 1].map(|n| created(&order(n, 7, 100))).into();
    assert_eq!(rows.iter().map(|row| row.event.clone()).collect::<Vec<_>>(), expected);
    assert!(rows.iter().all(|row| row.topic == "order-events"));
    let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    store.mark_published(&seqs).await.unwrap();
    store.mark_published(&seqs).await.unwrap();
    let left = store.unpublished(10).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].event, created(&order(2, 7, 100)));
    assert_eq!(store.waiting().await.unwrap(), Waiting { rows: 1, oldest: Some(left[0].event.time) });
    let published: Vec<bool> = store.snapshot().await.unwrap().outbox.iter().map(|w| w.published).collect();
    assert_eq!(published, [true, true, false]);
}

async fn refuses_an_event_that_was_told_before(place: &Place) {
    let store = open(place).await;
    let (first, second) = (order(1, 7, 100), order(2, 7, 100));
    make(&store, &first).await;
    let before = store.snapshot().await.unwrap();
    let refused = store.make(second, Uuid::from_u128(9), created(&first)).await.unwrap_err();
    assert!(refused.is_unique_violation(), "{refused:?}");
    let step = Step { id: first.id, from: Status::Confirmed, to: Status::Processing, at: first.created_at };
    let refused = store.change_status(step, created(&first)).await.unwrap_err();
    assert!(refused.is_unique_violation(), "{refused:?}");
    assert_eq!(store.snapshot().await.unwrap(), before, "nothing is half done");
}

/// The `number`th order, made at a moment.
pub(super) fn order(number: u128, user: i64, micros: i64) -> Order {
    let purchase = Purchase::try_from(fixtures::completed(number, user)).unwrap();
    Order::new(purchase, Timestamp::from_micros(micros))
}

pub(super) fn user(id: i64) -> UserId {
    UserId::try_from(id).unwrap()
}

/// The announcement of an order; its id follows from the checkout's.
pub(super) fn created(order: &Order) -> event_log::Event {
    let id = Uuid::from_u128(order.purchase.checkout_id.0.as_u128() + 1_000_000);
    announcement::created(
        order,
        Origin { id, traceparent: Some("trace".into()), request_id: Some("request".into()) },
    )
}

/// Makes the order, with the checkout id in the place of the event's.
pub(super) async fn make(store: &Arc<dyn Store>, order: &Order) -> Made {
    store.make(order.clone(), order.purchase.checkout_id.0, created(order)).await.unwrap()
}

pub(super) async fn take(store: &Arc<dyn Store>, step: Step, number: u128) -> bool {
    let origin = Origin { id: Uuid::from_u128(2_000_000 + number), traceparent: None, request_id: None };
    store.change_status(step, announcement::status_changed(user(7), step, origin)).await.unwrap()
}
