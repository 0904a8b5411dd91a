//! What a shop must do, whatever connects its programs.

use std::time::Duration;

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::cancel::cancelled_orders;
use crate::client::{Client, Reply};
use crate::conditional::{a_cart_in_two_tabs, a_list_and_its_products};
use crate::harness::Shop;
use crate::watched::a_purchase_and_its_order;

#[tokio::test(flavor = "multi_thread")]
async fn in_one_process() {
    let shop = Shop::inside("in-process").await;
    suite(&shop).await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tcp() {
    let shop = Shop::inside("tcp").await;
    suite(&shop).await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_seven_programs() {
    suite(&Shop::programs().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_real_engines() {
    let Some(shop) = Shop::on_engines().await else { return };
    suite(&shop).await;
    shop.stop().await;
}

/// Each case has products and users of its own; the audit at the end sees them all.
async fn suite(shop: &Shop) {
    a_purchase(shop).await;
    twenty_requests_with_one_key(shop).await;
    ten_keys_on_one_cart(shop).await;
    buyers_of_the_last_units(shop).await;
    a_decline(shop).await;
    lines_added_after_a_checkout(shop).await;
    another_users_things(shop).await;
    a_client_that_goes_away(shop).await;
    cancelled_orders(shop).await;
    a_purchase_and_its_order(shop).await;
    a_list_and_its_products(shop).await;
    a_cart_in_two_tabs(shop).await;
    replies_that_get_lost(shop).await;
    an_outage_of_the_provider(shop).await;
    let report = shop.audit().await;
    assert_eq!((report.checkouts.running, report.checkouts.completed > 100), (0, true), "{report}");
}

fn completed(reply: &Reply) -> &Value {
    assert_eq!(
        (reply.status, &reply.body["status"]),
        (StatusCode::CREATED, &json!("COMPLETED")),
        "{reply:?}"
    );
    &reply.body
}

async fn a_purchase(shop: &Shop) {
    let (admin, user) = (shop.admin(), shop.user(10));
    let product = admin.stock_new("Lamp", 5).await;
    let cart = user.add(product, 2).await;
    assert_eq!((&cart["total_items"], &cart["total"]["amount"]), (&json!(2), &json!("20.00")));
    let reply = user.buy("a").await;
    let checkout = completed(&reply);
    let id = checkout["checkout_id"].as_str().unwrap();
    assert_eq!(reply.location, Some(format!("/api/v1/checkout/{id}")));
    assert_eq!(user.get(&format!("/api/v1/checkout/{id}")).await.body, *checkout);
    let order = user.orders(1).await.remove(0);
    assert_eq!(order["id"], checkout["order_id"]);
    assert_eq!(order["checkout_id"], checkout["checkout_id"]);
    assert_eq!(order["total"], json!({ "amount": "20.00", "currency": "USD" }));
    assert_eq!(order["items"][0]["quantity"], 2);
    assert_eq!(order["status"], "CONFIRMED");
    assert_eq!(user.stock(product).await, (3, 0));
    user.cart_becomes(&[]).await;
    let path = format!("/api/v1/orders/{}", order["id"].as_str().unwrap());
    let patch =
        |status: &str| admin.request(reqwest::Method::PATCH, &path).json(&json!({ "status": status }));
    assert_eq!(Client::send(patch("PROCESSING")).await.unwrap().body["status"], "PROCESSING");
    let skipped = Client::send(patch("DELIVERED")).await.unwrap();
    assert_eq!((skipped.status, &skipped.body["code"]), (StatusCode::CONFLICT, &json!("invalid_transition")));
}

async fn twenty_requests_with_one_key(shop: &Shop) {
    let user = shop.user(20);
    let product = shop.admin().stock_new("Rug", 50).await;
    user.add(product, 1).await;
    let replies = join_all((0..20).map(|_| user.buy("same"))).await;
    assert_eq!(replies.iter().filter(|reply| !reply.replayed).count(), 1);
    for reply in &replies {
        assert_eq!(completed(reply), &replies[0].body);
    }
    user.orders(1).await;
    user.cart_becomes(&[]).await;
    let late = user.buy("same").await;
    assert!(late.replayed && late.body == replies[0].body, "the cart is empty by now, the key still answers");
    assert_eq!(user.stock(product).await, (49, 0));
    let other = user.pay("same", "pm_card_mastercard").await;
    assert_eq!((other.status.as_u16(), &other.body["code"]), (422, &json!("idempotency_key_reused")));
}

async fn ten_keys_on_one_cart(shop: &Shop) {
    let user = shop.user(30);
    let product = shop.admin().stock_new("Cup", 50).await;
    user.add(product, 1).await;
    let keys: Vec<String> = (0..10).map(|n| format!("key-{n}")).collect();
    let replies = join_all(keys.iter().map(|key| user.buy(key))).await;
    let bought: Vec<&Reply> = replies.iter().filter(|reply| reply.status == StatusCode::CREATED).collect();
    assert_eq!(bought.len(), 1, "{replies:?}");
    let location = &bought[0].location;
    for reply in replies.iter().filter(|reply| reply.status != StatusCode::CREATED) {
        assert_eq!(reply.status, StatusCode::CONFLICT, "{reply:?}");
        // Whoever came after the cart was emptied finds nothing to buy.
        if reply.body["code"] != "cart_empty" {
            assert_eq!((&reply.body["code"], &reply.location), (&json!("checkout_in_progress"), location));
        }
    }
    user.orders(1).await;
    assert_eq!(user.stock(product).await, (49, 0));
}

async fn buyers_of_the_last_units(shop: &Shop) {
    let admin = shop.admin();
    let product = admin.stock_new("Ticket", 100).await;
    let buyers: Vec<Client> = (1000..1150).map(|id| shop.user(id)).collect();
    join_all(buyers.iter().map(|buyer| buyer.add(product, 1))).await;
    let replies = join_all(buyers.iter().map(|buyer| buyer.buy("ticket"))).await;
    let mut bought = 0;
    for (buyer, reply) in buyers.iter().zip(&replies) {
        let end = end(buyer, reply).await;
        match end["status"].as_str() {
            Some("COMPLETED") => {
                bought += 1;
                buyer.orders(1).await;
            }
            _ => {
                assert_eq!(end["code"], "insufficient_stock", "{end}");
                assert_eq!(buyer.get("/api/v1/orders").await.body["orders"], json!([]));
            }
        }
    }
    assert_eq!(bought, 100);
    assert_eq!(admin.stock(product).await, (0, 0));
}

/// The checkout of a reply, or the problem that it ended with, at its end.
async fn end(buyer: &Client, reply: &Reply) -> Value {
    if reply.status != StatusCode::ACCEPTED {
        return reply.body.clone();
    }
    testkit::eventually("the end of a checkout", Duration::from_secs(40), async || {
        let again = buyer.buy("ticket").await;
        (again.status != StatusCode::ACCEPTED).then_some(again.body)
    })
    .await
}

async fn a_decline(shop: &Shop) {
    let user = shop.user(40);
    let product = shop.admin().stock_new("Pen", 5).await;
    user.add(product, 3).await;
    let reply = user.pay("a", "pm_card_chargeDeclinedInsufficientFunds").await;
    assert_eq!(reply.status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(
        (&reply.body["code"], &reply.body["decline_code"]),
        (&json!("payment_declined"), &json!("insufficient_funds"))
    );
    assert_eq!(user.stock(product).await, (5, 0));
    user.cart_becomes(&[(product, 3)]).await;
    let again = user.pay("a", "pm_card_chargeDeclinedInsufficientFunds").await;
    assert!(again.replayed && again.status == reply.status);
    assert_eq!(again.body["checkout_id"], reply.body["checkout_id"]);
    let stays = timeline(&user, &reply.body["checkout_id"]).await;
    let stays: Vec<_> = stays.iter().map(|(state, _, outcome)| (state.as_str(), outcome.as_str())).collect();
    assert_eq!(stays, [("RESERVING", "ok"), ("AUTHORIZING", "no"), ("RELEASING", "ok"), ("FAILED", "")]);
    completed(&user.buy("b").await);
    assert_eq!(user.orders(1).await.len(), 1);
}

async fn lines_added_after_a_checkout(shop: &Shop) {
    let user = shop.user(50);
    let (first, second) = (shop.admin().stock_new("Bed", 9).await, shop.admin().stock_new("Desk", 9).await);
    user.add(first, 2).await;
    completed(&user.buy("a").await);
    // At once: the cart may not have heard of the purchase yet.
    user.add(first, 1).await;
    user.add(second, 4).await;
    user.cart_becomes(&[(first, 1), (second, 4)]).await;
    let reply = user.buy("b").await;
    assert_eq!(completed(&reply)["total"]["amount"], "50.00");
    user.cart_becomes(&[]).await;
    assert_eq!((user.stock(first).await, user.stock(second).await), ((6, 0), (5, 0)));
}

async fn another_users_things(shop: &Shop) {
    let (user, other) = (shop.user(60), shop.user(61));
    let product = shop.admin().stock_new("Hat", 5).await;
    user.add(product, 1).await;
    let checkout = completed(&user.buy("a").await).clone();
    user.orders(1).await;
    let order = format!("/api/v1/orders/{}", checkout["order_id"].as_str().unwrap());
    let checkout = format!("/api/v1/checkout/{}", checkout["checkout_id"].as_str().unwrap());
    for path in [order, checkout] {
        assert_eq!(user.get(&path).await.status, StatusCode::OK);
        assert_eq!(other.get(&path).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(other.get("/api/v1/orders").await.body["orders"], json!([]));
    other.add(product, 1).await;
    assert!(!other.buy("a").await.replayed, "another user's key is unrelated");
}

async fn a_client_that_goes_away(shop: &Shop) {
    let user = shop.user(70);
    let product = shop.admin().stock_new("Sofa", 5).await;
    user.add(product, 1).await;
    // The provider takes three seconds; this client waits for a moment only.
    let hasty =
        user.checkout("a", &json!({ "payment_method": "pm_sim_slow" })).timeout(Duration::from_millis(400));
    assert!(Client::send(hasty).await.unwrap_err().is_timeout());
    assert_eq!(user.stock(product).await, (4, 1), "it is under way");
    let order = user.orders(1).await.remove(0);
    let again = user.pay("a", "pm_sim_slow").await;
    assert!(again.replayed);
    assert_eq!(completed(&again)["order_id"], order["id"]);
    assert_eq!(user.stock(product).await, (4, 0));
}

async fn replies_that_get_lost(shop: &Shop) {
    for (id, method) in [(80, "pm_sim_lost_reply"), (81, "pm_sim_unavailable")] {
        let user = shop.user(id);
        let product = shop.admin().stock_new("Book", 5).await;
        user.add(product, 1).await;
        let reply = user.pay("a", method).await;
        let stays = timeline(&user, &completed(&reply)["checkout_id"]).await;
        let attempts = stays.iter().find(|(state, _, _)| state == "AUTHORIZING").map(|stay| stay.1);
        assert!(attempts > Some(1), "{stays:?}");
        user.orders(1).await;
        assert_eq!(user.stock(product).await, (4, 0));
    }
}

/// Where a checkout has been: state, attempts, outcome; where it stands has none.
async fn timeline(user: &Client, id: &Value) -> Vec<(String, u64, String)> {
    let checkout = user.read(&format!("/api/v1/checkout/{}", id.as_str().unwrap())).await;
    let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
    let stays = checkout["timeline"].as_array().unwrap().iter();
    stays.map(|it| (text(&it["state"]), it["attempt"].as_u64().unwrap(), text(&it["outcome"]))).collect()
}

/// A provider that is silent to some buyers is no reason to call off the others: the payment service itself
/// answers, so the circuit to it stays closed.
async fn an_outage_of_the_provider(shop: &Shop) {
    let product = shop.admin().stock_new("Boat", 50).await;
    let buyers: Vec<Client> = (90..110).map(|id| shop.user(id)).collect();
    join_all(buyers.iter().map(|buyer| buyer.add(product, 1))).await;
    for reply in join_all(buyers.iter().map(|buyer| buyer.pay("a", "pm_sim_unavailable"))).await {
        completed(&reply);
    }
    assert_eq!(shop.admin().stock(product).await, (30, 0));
}
