//! Two instances of the service on one database.

use std::collections::BTreeMap;
use std::time::Duration;

use event_log::Event;
use proto::Reason;
use proto::events::{ORDER_EVENTS, OrderCreated, OrderStatusChanged};
use proto::orders::{OrderStatus, UpdateOrderStatusRequest};
use proto::status::reason;
use testkit::eventually;
use tokio::task::JoinSet;
use tonic::Code;

use crate::fixtures;
use crate::places::in_postgres;
use crate::shop::{Client, PATIENCE, Shop, event};

/// Checkouts of this many users, several each.
const USERS: i64 = 4;
const CHECKOUTS: u128 = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_made_once_and_told_once_and_in_order_whichever_instance_does_it() {
    in_postgres(async |place| {
        let shops = [Shop::open(place).await, Shop::open(place).await];
        let checkouts: Vec<_> =
            (1..=CHECKOUTS).map(|n| fixtures::completed(n, 1 + i64::try_from(n).unwrap() % USERS)).collect();
        let events: Vec<Event> =
            checkouts.iter().flat_map(|completed| [event(completed), event(completed)]).collect();
        shops[0].publish(&events).await;

        let mut steps = JoinSet::new();
        for completed in &checkouts {
            let order_id = shops[0].order_of(completed).await.order_id;
            let clients = shops.each_ref().map(Shop::client);
            steps.spawn(async move {
                let all = [OrderStatus::Processing, OrderStatus::Shipped, OrderStatus::Delivered];
                for (status, mut client) in all.into_iter().zip(clients.into_iter().cycle()) {
                    take(&mut client, &order_id, status).await;
                }
            });
        }
        steps.join_all().await;

        let count = checkouts.len() * 4;
        let told = eventually("everything is told", PATIENCE, async || {
            for shop in &shops {
                shop.clock.advance(Duration::from_secs(1));
            }
            let told = shops[0].log.events(ORDER_EVENTS).await.unwrap();
            (told.len() >= count).then_some(told)
        })
        .await;
        let mut ways: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for event in told.iter().map(|delivery| &delivery.event) {
            let (order, step) = step(event);
            ways.entry(order).or_default().push(step);
        }
        assert_eq!(ways.len(), checkouts.len());
        for (order, way) in ways {
            assert_eq!(way, ["CONFIRMED", "PROCESSING", "SHIPPED", "DELIVERED"], "{order}");
        }
        for shop in shops {
            let snapshot = shop.snapshot().await;
            assert_eq!((snapshot.orders.len(), snapshot.outbox.len()), (checkouts.len(), count));
            assert!(snapshot.outbox.iter().all(|written| written.published));
            shop.stop().await;
        }
    })
    .await;
}

/// What an event tells: of which order, and where it is now.
fn step(event: &Event) -> (String, String) {
    if event.kind == OrderCreated::TYPE {
        let created: OrderCreated = serde_json::from_slice(&event.data).unwrap();
        return (created.order_id.to_string(), "CONFIRMED".to_owned());
    }
    let changed: OrderStatusChanged = serde_json::from_slice(&event.data).unwrap();
    (changed.order_id.to_string(), changed.to)
}

/// Takes a step as any caller does: where there is no answer, it asks again, and a step that can't be taken a
/// second time was taken the first.
async fn take(client: &mut Client, order_id: &str, status: OrderStatus) {
    let mut again = false;
    loop {
        let request = UpdateOrderStatusRequest { order_id: order_id.to_owned(), status: status.into() };
        match client.update_order_status(request).await {
            Ok(_) => return,
            Err(refused) if again && reason(&refused) == Some(Reason::InvalidTransition) => return,
            Err(refused) if refused.code() == Code::Unavailable => again = true,
            Err(refused) => panic!("{refused}"),
        }
    }
}
