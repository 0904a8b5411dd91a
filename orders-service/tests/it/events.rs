//! Checkouts in, orders out: once, whatever happens.

use std::sync::Arc;

use async_trait::async_trait;
use event_log::{Delivery, Error, Event, EventLog, Subscription};
use proto::common::Money;
use proto::events::{CheckoutCompleted, CheckoutFailed, OrderCreated};
use proto::orders::OrderStatus;
use serde_json::{Value, json};
use testkit::eventually;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::fixtures;
use crate::places::{Place, in_every_place};
use crate::shop::{PATIENCE, Shop, event};

in_every_place!(
    #[tokio::test]
    a_completed_checkout_becomes_an_order_and_is_told,
    ten_deliveries_make_one_order,
    a_crash_between_the_order_and_the_offset_makes_no_second_order,
    what_cannot_be_understood_goes_to_the_dead_letters_and_the_next_is_processed,
    other_events_and_unknown_fields_are_ignored,
    a_checkout_that_tells_two_stories_keeps_the_first,
);

async fn a_completed_checkout_becomes_an_order_and_is_told(place: &Place) {
    let shop = Shop::open(place).await;
    let completed = fixtures::completed(1, 7);
    let order = shop.bought(1, 7).await;

    let usd = |minor_units| Some(Money { currency_code: "USD".into(), minor_units });
    assert_eq!(order.order_id, completed.order_id.to_string());
    assert_eq!(order.checkout_id, completed.checkout_id.to_string());
    assert_eq!((order.user_id, order.status()), (7, OrderStatus::Confirmed));
    assert_eq!(order.total, usd(262_997));
    assert_eq!(order.items.len(), 2);
    let laptops = &order.items[0];
    assert_eq!((laptops.product_id, laptops.product_name.as_str(), laptops.quantity), (1, "Laptop", 2));
    assert_eq!((laptops.unit_price.clone(), laptops.line_total.clone()), (usd(129_999), usd(259_998)));
    assert_eq!(order.shipping_address.unwrap().city, "London");
    assert_eq!(order.created_at.unwrap().seconds, 1_763_842_530);
    assert_eq!(order.updated_at, order.created_at);

    let [told] = <[Event; 1]>::try_from(shop.told(1).await).unwrap();
    assert_eq!((told.kind.as_str(), told.source.as_str()), ("order.created.v1", "orders-service"));
    assert_eq!(told.key, "7");
    assert_eq!(told.traceparent, event(&completed).traceparent);
    let created: OrderCreated = serde_json::from_slice(&told.data).unwrap();
    assert_eq!((created.order_id, created.checkout_id), (completed.order_id, completed.checkout_id));
    assert_eq!((created.user_id, created.total), (completed.user_id, completed.total));
    eventually("the outbox is empty", PATIENCE, async || {
        shop.service.store().unpublished(1).await.unwrap().is_empty()
    })
    .await;
    shop.stop().await;
}

async fn ten_deliveries_make_one_order(place: &Place) {
    let shop = Shop::open(place).await;
    let completed = fixtures::completed(1, 7);
    let republished = Event { id: Uuid::from_u128(9), ..event(&completed) };
    let mut deliveries = vec![event(&completed); 9];
    deliveries.push(republished);
    shop.publish(&deliveries).await;
    // The one behind them tells when they are all done with.
    shop.bought(2, 7).await;

    let snapshot = shop.snapshot().await;
    assert_eq!((snapshot.orders.len(), snapshot.inbox.len(), snapshot.outbox.len()), (2, 2, 2));
    assert!(snapshot.inbox.iter().any(|applied| applied.event_id == event(&completed).id));
    assert_eq!(shop.told(2).await.len(), 2);
    assert!(shop.log.dead_letters().await.unwrap().is_empty());
    shop.stop().await;
}

async fn a_crash_between_the_order_and_the_offset_makes_no_second_order(place: &Place) {
    let path = place.dir().path().join("events.db");
    let world = platform::World::real();
    let open = async || {
        event_log::sqlite::Log::open(&path, sql::sqlite::Sharing::Shared, world.clone()).await.unwrap()
    };
    let log = open().await;
    let hung = Arc::new(Notify::new());
    let forgetful = Forgetful { log: log.clone(), hung: hung.clone() };
    let shop = Shop::open_on(&place.orders(), log, Arc::new(forgetful)).await;
    shop.bought(1, 7).await;
    hung.notified().await;
    let before = shop.snapshot().await;
    assert_eq!(before.orders.len(), 1);
    shop.crash().await;

    let shop = Shop::open(place).await;
    shop.bought(2, 7).await;
    let after = shop.snapshot().await;
    assert_eq!(after.orders.len(), 2);
    assert!(after.orders.contains(&before.orders[0]), "the order is the one of before");
    assert_eq!((after.inbox.len(), after.outbox.len()), (2, 2));
    assert!(shop.log.dead_letters().await.unwrap().is_empty());
    shop.stop().await;
}

async fn what_cannot_be_understood_goes_to_the_dead_letters_and_the_next_is_processed(place: &Place) {
    let shop = Shop::open(place).await;
    let altered = |number, change: fn(&mut Value)| {
        let completed = fixtures::completed(number, 7);
        let mut data = serde_json::to_value(&completed).unwrap();
        change(&mut data);
        Event { data: data.to_string().into(), ..event(&completed) }
    };
    let garbage = Event { data: "{\"user".into(), ..event(&fixtures::completed(1, 7)) };
    let poison = [
        garbage,
        altered(2, |data| data["user_id"] = json!("Ada Lovelace")),
        altered(3, |data| data["total"] = json!({"amount": "0.01", "currency": "USD"})),
        altered(4, |data| data["order_id"] = data["checkout_id"].clone()),
        altered(5, |data| data["items"][1]["quantity"] = json!(2)),
        altered(6, |data| data["items"] = json!([])),
    ];
    shop.publish(&poison).await;
    shop.bought(7, 7).await;

    let dead = shop.dead_letters(6).await;
    let reasons: Vec<&str> = dead.iter().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(reasons[0], "unreadable JSON: Eof error at line 1, column 6");
    assert!(reasons[1].starts_with("unreadable JSON: Data error at line 1, column "), "{}", reasons[1]);
    assert_eq!(
        reasons[2..],
        [
            "the lines don't add up to the total",
            "the order id does not follow from the checkout id",
            "the line of product 2 is not its price times its quantity",
            "there are no lines",
        ]
    );
    for (letter, event) in dead.iter().zip(&poison) {
        assert_eq!((letter.delivery.topic.as_str(), &letter.delivery.event), ("checkout-events.dlq", event));
    }
    let snapshot = shop.snapshot().await;
    assert_eq!((snapshot.orders.len(), snapshot.outbox.len()), (1, 1));
    shop.stop().await;
}

async fn other_events_and_unknown_fields_are_ignored(place: &Place) {
    let shop = Shop::open(place).await;
    let other = |kind: &str| Event { kind: kind.into(), ..event(&fixtures::completed(1, 7)) };
    shop.publish(&[other(CheckoutFailed::TYPE), other("checkout.completed.v2")]).await;
    let completed = fixtures::completed(2, 7);
    let mut data = serde_json::to_value(&completed).unwrap();
    data["gift_wrapped"] = json!(true);
    shop.publish(&[Event { data: data.to_string().into(), ..event(&completed) }]).await;
    shop.order_of(&completed).await;
    assert_eq!(shop.snapshot().await.orders.len(), 1);
    assert!(shop.log.dead_letters().await.unwrap().is_empty());
    shop.stop().await;
}

async fn a_checkout_that_tells_two_stories_keeps_the_first(place: &Place) {
    let shop = Shop::open(place).await;
    let first = shop.bought(1, 7).await;
    let mut second: CheckoutCompleted = fixtures::completed(1, 8);
    second.shipping_address = None;
    let second = Event { id: Uuid::from_u128(9), ..event(&second) };
    shop.publish(std::slice::from_ref(&second)).await;

    let [dead] = <[_; 1]>::try_from(shop.dead_letters(1).await).unwrap();
    assert_eq!(dead.delivery.event, second);
    let reason = format!("the checkout had become order {} before, with other contents", first.order_id);
    assert_eq!(dead.reason, reason);
    shop.bought(2, 7).await;
    assert_eq!(shop.order_of(&fixtures::completed(1, 7)).await, first);
    assert_eq!(shop.snapshot().await.outbox.len(), 2);
    shop.stop().await;
}

/// A log whose members never get to store an offset, as if killed just before.
struct Forgetful {
    log: event_log::sqlite::Log,
    hung: Arc<Notify>,
}

#[async_trait]
impl EventLog for Forgetful {
    async fn publish(&self, topic: &str, events: &[Event]) -> Result<(), Error> {
        self.log.publish(topic, events).await
    }

    async fn subscribe(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Subscription>, Error> {
        let member = self.log.subscribe(group, topics).await?;
        Ok(Box::new(ForgetfulMember { member, hung: self.hung.clone() }))
    }

    async fn behind(&self, group: &str, topics: &[&str]) -> Result<u64, Error> {
        self.log.behind(group, topics).await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.log.ping().await
    }
}

struct ForgetfulMember {
    member: Box<dyn Subscription>,
    hung: Arc<Notify>,
}

#[async_trait]
impl Subscription for ForgetfulMember {
    async fn next(&mut self) -> Result<Vec<Delivery>, Error> {
        self.member.next().await
    }

    async fn commit(&mut self, _: &Delivery) -> Result<(), Error> {
        self.hung.notify_one();
        std::future::pending().await
    }

    async fn dead_letter(&mut self, delivery: &Delivery, reason: &str) -> Result<(), Error> {
        self.member.dead_letter(delivery, reason).await
    }
}
