//! Checkouts and orders, watched.

use std::time::Duration;

use api_gateway::Settings;
use api_gateway::auth::Role;
use proto::checkout::{self, CheckoutStatus, TimelineEntry};
use proto::orders::{self, OrderStatus};
use proto::{Reason, Rejection};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::changes::Changes;
use crate::event_streams::{Block, Events, named};
use crate::replies::{CHECKOUT, ORDER, failed, order, order_json};
use crate::shop::{Shop, ask, settings};

pub(crate) const OF_A_CHECKOUT: &str = "/api/v1/checkout/01890a5d-ac96-774b-bcce-b302099a8057/events";
const OF_AN_ORDER: &str = "/api/v1/orders/6f1c2f7e-5a53-5d6c-9d0c-1c1c1c1c1c1c/events";
const STATES: [&str; 5] = ["RESERVING", "AUTHORIZING", "COMMITTING", "CAPTURING", "COMPLETED"];

/// A checkout that has come to its state number `steps`.
pub(crate) fn at(steps: usize) -> checkout::Checkout {
    let status =
        if steps == STATES.len() { CheckoutStatus::Completed } else { CheckoutStatus::PaymentPending };
    let whole = crate::replies::checkout(status);
    let at = whole.created_at;
    let stay =
        |state: &&str| TimelineEntry { state: (*state).into(), at, attempt: 1, outcome: String::new() };
    checkout::Checkout { timeline: STATES[..steps].iter().map(stay).collect(), ..whole }
}

fn in_status(status: OrderStatus) -> orders::Order {
    orders::Order { status: status.into(), ..order() }
}

fn step(number: usize) -> Block {
    let data = json!({
        "checkout_id": CHECKOUT, "state": STATES[number - 1], "at": "2025-11-22T20:15:30.123Z",
    });
    Block::Event { id: number.to_string(), name: "step".into(), data }
}

async fn watch(shop: &Shop, path: &str, seen: Option<&str>) -> Events {
    shop.watch(path, seen).await.unwrap_or_else(|answer| panic!("no stream: {answer:?}"))
}

#[tokio::test]
async fn a_checkout_is_told_step_by_step_up_to_its_end() {
    let shop = Shop::open().await;
    let (changes, told) = Changes::told();
    shop.services.replies("watch_checkout", told);
    changes.send(Ok(at(1))).unwrap();
    let mut events = watch(&shop, OF_A_CHECKOUT, None).await;
    for (name, value) in
        [("cache-control", "no-store"), ("x-accel-buffering", "no"), ("x-content-type-options", "nosniff")]
    {
        assert_eq!(events.headers[name], value, "{name}");
    }
    assert_eq!(events.headers.get("content-encoding"), None, "each event is to arrive at once");
    assert_eq!(events.next().await, Some(step(1)));

    // The same again is no step, and of several in one moment each is told.
    for steps in [1, 2, 4] {
        changes.send(Ok(at(steps))).unwrap();
    }
    for number in 2..=4 {
        assert_eq!(events.next().await, Some(step(number)));
    }
    changes.send(Ok(at(5))).unwrap();
    changes.send(Ok(at(5))).unwrap();
    let end = events.rest().await;
    let [Block::Event { id, name, data }] = end.as_slice() else { panic!("{end:?}") };
    assert_eq!((id.as_str(), name.as_str()), ("5", "end"));
    assert_eq!((&data["status"], &data["order_id"]), (&json!("COMPLETED"), &json!(ORDER)));
    assert_eq!(data["timeline"].as_array().unwrap().len(), 5);
    let asked = shop.services.asked::<checkout::WatchCheckoutRequest>("watch_checkout");
    assert_eq!(asked, [checkout::WatchCheckoutRequest { checkout_id: CHECKOUT.into(), user_id: 1 }]);
}

#[tokio::test]
async fn who_comes_back_goes_on_behind_the_last_step_that_he_saw() {
    let shop = Shop::open().await;
    for seen in 0..5 {
        shop.services.forget("watch_checkout");
        shop.services.replies("watch_checkout", Changes::ending([Ok(at(seen.max(3))), Ok(at(5))]));
        let id = seen.to_string();
        let events = watch(&shop, OF_A_CHECKOUT, Some(&id)).await.rest().await;
        let ids: Vec<_> = events.iter().map(|event| named(event).0.to_owned()).collect();
        let wanted: Vec<_> = (seen + 1..=5).map(|number: usize| number.to_string()).collect();
        assert_eq!(ids, wanted, "after {seen}");
        assert_eq!(named(events.last().unwrap()), ("5", "end"));
    }
    let events = watch(&shop, OF_A_CHECKOUT, Some("")).await.rest().await;
    assert_eq!(events.len(), 5, "no id means from the beginning");

    // Who has seen the end has nothing to come back for; a browser asks no more after this.
    shop.services.forget("watch_checkout");
    shop.services.replies("watch_checkout", Changes::ending([Ok(at(5))]));
    let answer = shop.watch(OF_A_CHECKOUT, Some("5")).await.err().unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
    for id in ["6", "-1", "x", "1.0", "99999999999999999999"] {
        let answer = shop.watch(OF_A_CHECKOUT, Some(id)).await.err().unwrap();
        assert_eq!(answer.refused_fields("invalid_argument"), ["Last-Event-ID"], "{id}");
    }
    let twice = ask("GET", OF_A_CHECKOUT, &[("last-event-id", "1"), ("last-event-id", "2")], "");
    let answer = shop.follow(twice).await.err().unwrap();
    assert_eq!(answer.refused_fields("invalid_argument"), ["Last-Event-ID"]);
}

#[tokio::test]
async fn a_checkout_that_failed_says_why_at_its_end() {
    let shop = Shop::open().await;
    let end = failed("payment_declined", "no", "card_declined", &[]);
    shop.services.replies("watch_checkout", Changes::ending([Ok(end)]));
    let events = watch(&shop, OF_A_CHECKOUT, Some("1")).await.rest().await;
    let [Block::Event { name, data, .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((name.as_str(), &data["failure"]["code"]), ("end", &json!("payment_declined")));
}

#[tokio::test]
async fn an_order_is_told_with_each_new_status() {
    let shop = Shop::open().await;
    let (changes, told) = Changes::told();
    shop.services.replies("watch_order", told);
    changes.send(Ok(order())).unwrap();
    let mut events = watch(&shop, OF_AN_ORDER, None).await;
    let status = |name: &str, kind: &str| {
        let mut data: Value = order_json();
        data["status"] = json!(name);
        Block::Event { id: name.into(), name: kind.into(), data }
    };
    assert_eq!(events.next().await, Some(status("CONFIRMED", "status")));
    changes.send(Ok(orders::Order { stuck: true, ..order() })).unwrap();
    changes.send(Ok(in_status(OrderStatus::Cancelling))).unwrap();
    assert_eq!(events.next().await, Some(status("CANCELLING", "status")), "and nothing that is not shown");
    changes.send(Ok(in_status(OrderStatus::Cancelled))).unwrap();
    assert_eq!(events.rest().await, [status("CANCELLED", "end")]);

    for (seen, wanted) in [("CONFIRMED", vec!["SHIPPED", "DELIVERED"]), ("SHIPPED", vec!["DELIVERED"])] {
        shop.services.forget("watch_order");
        let both = [OrderStatus::Shipped, OrderStatus::Delivered].map(|status| Ok(in_status(status)));
        shop.services.replies("watch_order", Changes::ending(both));
        let events = watch(&shop, OF_AN_ORDER, Some(seen)).await.rest().await;
        assert_eq!(events.iter().map(|event| named(event).0).collect::<Vec<_>>(), wanted, "after {seen}");
        assert_eq!(named(events.last().unwrap()).1, "end");
    }
    shop.services.forget("watch_order");
    shop.services.replies("watch_order", Changes::ending([Ok(in_status(OrderStatus::Delivered))]));
    assert_eq!(shop.watch(OF_AN_ORDER, Some("DELIVERED")).await.err().unwrap().status, 204);
    let answer = shop.watch(OF_AN_ORDER, Some("delivered")).await.err().unwrap();
    assert_eq!(answer.refused_fields("invalid_argument"), ["Last-Event-ID"]);
}

#[tokio::test]
async fn an_order_is_watched_by_its_owner_and_by_admins() {
    let shop = Shop::guarded().await;
    shop.services.replies("watch_order", Changes::ending([Ok(in_status(OrderStatus::Delivered))]));
    for role in [Role::User, Role::Admin] {
        let token = format!("Bearer {}", shop.token(7, role));
        let request = ask("GET", OF_AN_ORDER, &[("authorization", &token)], "");
        assert!(shop.follow(request).await.is_ok());
    }
    let asked = shop.services.asked::<orders::WatchOrderRequest>("watch_order");
    let wanted = |user_id| orders::WatchOrderRequest { order_id: ORDER.into(), user_id };
    assert_eq!(asked, [wanted(7), wanted(0)]);
}

#[tokio::test]
async fn e1_what_goes_wrong_before_a_stream_begins_is_a_problem() {
    let shop = Shop::open().await;
    let foreign = Rejection::new(Code::NotFound, Reason::CheckoutNotFound, "there is no such checkout");
    shop.services.refuses::<Changes<checkout::Checkout>>("watch_checkout", foreign.into_status());
    for path in [OF_A_CHECKOUT, "/api/v1/checkout/x/events"] {
        shop.watch(path, None).await.err().unwrap().problem(404, "checkout_not_found");
    }
    shop.watch("/api/v1/orders/x/events", None).await.err().unwrap().problem(404, "order_not_found");
    for (first, status, code) in [
        (Some(Err(Status::unavailable("at 10.0.0.1"))), 503, "unavailable"),
        (Some(Err(Status::internal("SELECT"))), 500, "internal"),
        (Some(Ok(checkout::Checkout { total: None, ..at(5) })), 500, "internal"),
        (None, 500, "internal"),
    ] {
        shop.services.forget("watch_checkout");
        shop.services.replies("watch_checkout", Changes::ending(first));
        let problem = shop.watch(OF_A_CHECKOUT, None).await.err().unwrap().problem(status, code);
        assert!(!problem.to_string().contains("10.0.0.1") && !problem.to_string().contains("SELECT"));
    }
    // None of them has kept a place.
    shop.services.forget("watch_checkout");
    shop.services.replies("watch_checkout", Changes::ending([Ok(at(5))]));
    assert_eq!(watch(&shop, OF_A_CHECKOUT, None).await.rest().await.len(), 5);
}

#[tokio::test]
async fn a_stream_that_breaks_ends_and_is_taken_up_again() {
    let shop = Shop::open().await;
    let broken = [Ok(at(2)), Err(Status::unavailable("the server is stopping"))];
    shop.services.replies("watch_checkout", Changes::ending(broken));
    shop.services.replies("watch_checkout", Changes::ending([Ok(at(5))]));
    assert_eq!(watch(&shop, OF_A_CHECKOUT, None).await.rest().await, [step(1), step(2)]);
    let again = watch(&shop, OF_A_CHECKOUT, Some("2")).await.rest().await;
    assert_eq!(again[..2], [step(3), step(4)]);
    assert_eq!(named(&again[2]), ("5", "end"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_seen_to_live_and_is_not_for_ever() {
    let shop = Shop::open().await;
    shop.services.replies("watch_checkout", Changes::silent([Ok(at(1))]));
    let mut events = watch(&shop, OF_A_CHECKOUT, None).await;
    assert_eq!(events.next().await, Some(step(1)));
    let began = tokio::time::Instant::now();
    assert_eq!(events.next().await, Some(Block::Heartbeat));
    assert_eq!(began.elapsed().as_secs(), 15);
    let beats = events.rest().await;
    assert!(beats.len() >= 18 && beats.iter().all(|block| *block == Block::Heartbeat), "{beats:?}");
    assert_eq!(began.elapsed().as_secs(), 300, "then the token has to be shown again");
}

#[tokio::test]
async fn streams_are_bounded_for_each_user_and_in_all() {
    let shop = Shop::with(Settings { auth_mode: api_gateway::AuthMode::Jwt, ..settings() }).await;
    shop.services.replies("watch_checkout", Changes::silent([Ok(at(1))]));
    let open = async |user| {
        let token = format!("Bearer {}", shop.token(user, Role::User));
        shop.follow(ask("GET", OF_A_CHECKOUT, &[("authorization", &token)], "")).await
    };
    let mut first = vec![open(1).await.ok().unwrap(), open(1).await.ok().unwrap()];
    let refused = open(1).await.err().unwrap();
    refused.problem(429, "too_many_streams");
    assert_eq!(refused.header("retry-after"), "1");
    let _second = [open(2).await.ok().unwrap(), open(2).await.ok().unwrap()];
    let refused = open(3).await.err().unwrap();
    refused.problem(503, "streams_exhausted");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(shop.services.calls(), 4, "who gets no place asks no service");
    first.pop();
    assert!(open(3).await.is_ok(), "a place is free as soon as its client is gone");
}

#[tokio::test]
async fn the_head_of_a_stream_takes_no_place() {
    let shop = Shop::open().await;
    shop.services.replies("watch_checkout", Changes::silent([Ok(at(1))]));
    for _ in 0..5 {
        let head = shop.send(ask("HEAD", OF_A_CHECKOUT, &[], "")).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    }
    assert!(
        tokio::time::timeout(Duration::from_secs(5), shop.watch(OF_A_CHECKOUT, None)).await.unwrap().is_ok()
    );
}
