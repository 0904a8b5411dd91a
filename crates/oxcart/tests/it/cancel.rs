//! Orders that are cancelled, through REST: what a caller is told, and kill -9 in the middle.

use std::time::Duration;

use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::harness::Shop;
use crate::kills::healed;

const PATIENCE: Duration = Duration::from_secs(60);

/// Buyers at once when a program is killed.
const BUYERS: i64 = 12;

/// An order is cancelled by its owner or an admin until it is shipped; its money and its stock are back.
pub(crate) async fn cancelled_orders(shop: &Shop) {
    let admin = shop.admin();
    let product = admin.stock_new("Kayak", 2).await;
    let [owner, other] = [90, 91].map(|user| shop.user(user));
    let id = bought(&owner, product, 2).await;
    assert_eq!(admin.stock(product).await, (0, 0));

    for (client, id) in [(&other, id.as_str()), (&owner, "01890a5d-ac96-774b-bcce-b302099a8057")] {
        refused(&cancel(client, id).await, 404, "order_not_found");
    }
    let cancelling = accepted(&owner, &id).await;
    assert_eq!(cancelling["status"], "CANCELLING", "{cancelling}");
    becomes(&owner, &id, "CANCELLED").await;
    assert_eq!(admin.stock(product).await, (2, 0));
    for client in [&owner, &admin] {
        let again = accepted(client, &id).await;
        assert_eq!((&again["id"], &again["status"]), (&json!(id), &json!("CANCELLED")));
    }
    for status in ["PROCESSING", "CANCELLED"] {
        refused(&step(&admin, &id, status).await, 409, "invalid_transition");
    }
    let list = owner.get("/api/v1/orders?status=CANCELLED").await;
    assert_eq!(list.body["orders"][0]["id"], json!(id), "{list:?}");

    // What was cancelled is sold to somebody else, and sent to them.
    let id = bought(&other, product, 2).await;
    for status in ["PROCESSING", "SHIPPED"] {
        assert_eq!(step(&admin, &id, status).await.status, StatusCode::OK);
    }
    for client in [&other, &admin] {
        refused(&cancel(client, &id).await, 409, "invalid_transition");
    }
    assert_eq!(admin.stock(product).await, (0, 0));
}

/// Who cancels, who gives the money back, and who takes the stock back: each is killed in the middle.
#[tokio::test(flavor = "multi_thread")]
async fn programs_may_be_killed_while_orders_are_cancelled() {
    programs_are_killed(Shop::programs().await).await;
}

/// The same on the real engines, where two instances of the orders service share the work.
#[tokio::test(flavor = "multi_thread")]
async fn programs_may_be_killed_while_orders_are_cancelled_on_engines() {
    let Some(shop) = Shop::on_engines().await else { return };
    programs_are_killed(shop).await;
}

async fn programs_are_killed(mut shop: Shop) {
    let product = shop.admin().stock_new("Drum", 100).await;
    let victims = ["orders-service", "payment-service", "inventory-service", "orders-service"];
    for (round, victim) in (0..).zip(victims) {
        healed(&shop, product).await;
        let users: Vec<Client> = (1..=BUYERS).map(|n| shop.user(round * 100 + n)).collect();
        let ids = join_all(users.iter().map(|user| bought(user, product, 1))).await;
        assert_eq!(shop.admin().stock(product).await, (100 - BUYERS, 0));
        let orders: Vec<_> = users.iter().zip(&ids).collect();
        let cancels = join_all(orders.iter().map(async |(user, id)| accepted(user, id).await));
        let first = users[0].clone();
        let kill = async {
            testkit::eventually("the first cancellation", PATIENCE, async || {
                status(&first, &ids[0]).await.is_some_and(|status| status != "CONFIRMED")
            })
            .await;
            shop.kill_and_start_again(victim);
        };
        tokio::join!(cancels, kill);
        for (user, id) in orders {
            becomes(user, id, "CANCELLED").await;
        }
        assert_eq!(shop.admin().stock(product).await, (100, 0), "after {victim} was killed");
    }
    let report = shop.audit().await;
    assert_eq!((report.checkouts.running, report.units_sold), (0, 0), "{report}");
    assert!(report.captured.values().all(|money| money.minor == 0), "{report}");
    shop.stop().await;
}

/// Buys so many, and waits for the order; its id.
async fn bought(user: &Client, product: i64, units: i64) -> String {
    // Where there is no answer, the line may be there: then its quantity is set.
    let (items, item) = ("/api/v1/cart/items", format!("/api/v1/cart/items/{product}"));
    let add = json!({ "product_id": product, "quantity": units });
    testkit::eventually("the line of the cart", PATIENCE, async || {
        let added = Client::send(user.request(Method::POST, items).json(&add)).await;
        if added.is_ok_and(|reply| reply.status == StatusCode::CREATED) {
            return true;
        }
        let set = user.request(Method::PUT, &item).json(&json!({ "quantity": units }));
        Client::send(set).await.is_ok_and(|reply| reply.status == StatusCode::OK)
    })
    .await;
    let reply = testkit::eventually("the end of the purchase", PATIENCE, async || {
        let reply = Client::send(user.checkout("kayak", &json!({}))).await.ok()?;
        (reply.status == StatusCode::CREATED).then_some(reply)
    })
    .await;
    user.orders(1).await;
    reply.body["order_id"].as_str().unwrap().to_owned()
}

async fn cancel(client: &Client, id: &str) -> Reply {
    client.post(&format!("/api/v1/orders/{id}/cancel"), json!({})).await
}

/// Asks for the cancellation until it is accepted, as a client should; the order.
async fn accepted(client: &Client, id: &str) -> Value {
    let path = format!("/api/v1/orders/{id}/cancel");
    testkit::eventually("the cancellation is accepted", PATIENCE, async || {
        let reply = Client::send(client.request(Method::POST, &path)).await.ok()?;
        (reply.status == StatusCode::ACCEPTED).then_some(reply.body)
    })
    .await
}

async fn step(admin: &Client, id: &str, status: &str) -> Reply {
    let path = format!("/api/v1/orders/{id}");
    Client::send(admin.request(Method::PATCH, &path).json(&json!({ "status": status }))).await.unwrap()
}

async fn status(client: &Client, id: &str) -> Option<String> {
    let reply = Client::send(client.request(Method::GET, &format!("/api/v1/orders/{id}"))).await.ok()?;
    reply.body["status"].as_str().map(str::to_owned)
}

async fn becomes(client: &Client, id: &str, wanted: &str) {
    testkit::eventually(&format!("the order is {wanted}"), PATIENCE, async || {
        status(client, id).await.is_some_and(|status| status == wanted)
    })
    .await;
}

fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status.as_u16(), &reply.body["code"]), (status, &json!(code)), "{reply:?}");
}
