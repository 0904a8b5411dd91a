//! kill -9 in the middle of purchases, and a start on what is left.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use testkit::TempDir;

use crate::client::Client;
use crate::harness::Shop;

/// Buyers at once when the shop is killed.
const BUYERS: i64 = 30;

/// Whatever was answered is there again, and whatever was begun ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_shop_finds_everything_again() {
    let mut dir = Arc::new(TempDir::new().unwrap());
    let mut product = None;
    for round in 0..3 {
        // Slow enough to be killed in the middle; each round at another moment of a purchase.
        let shop = Shop::oxcart(dir.clone(), &[("PAYMENT_DELAY_MS", "120")]).await;
        let product = match product {
            Some(product) => product,
            None => *product.insert(shop.admin().stock_new("Kite", BUYERS * 3).await),
        };
        let users: Vec<Client> = (0..BUYERS).map(|n| shop.user(1 + round * 1000 + n)).collect();
        futures::future::join_all(users.iter().map(|user| user.add(product, 1))).await;
        let purchases = futures::future::join_all(
            users.iter().map(|user| async move { user.purchase("kite", &json!({})).await.ok() }),
        );
        let (acknowledged, killed) = tokio::join!(purchases, async {
            wait_for_purchases(&shop, product, BUYERS * (3 - round) - 5 * (round + 1)).await;
            shop.kill()
        });
        dir = killed;

        let shop = Shop::oxcart(dir.clone(), &[]).await;
        let mut unanswered = 0;
        for (n, before) in acknowledged.into_iter().enumerate() {
            let user = shop.user(1 + round * 1000 + i64::try_from(n).unwrap());
            let after = testkit::eventually("the end of the purchase", Duration::from_secs(40), async || {
                let reply = user.buy("kite").await;
                (reply.status == StatusCode::CREATED).then_some(reply)
            })
            .await;
            match before {
                Some(before) if before.status == StatusCode::CREATED => assert_eq!(after.body, before.body),
                _ => unanswered += 1,
            }
            user.orders(1).await;
            user.cart_becomes(&[]).await;
        }
        assert!(unanswered > 0, "the shop was killed too late to prove anything");
        assert_eq!(shop.admin().stock(product).await, (BUYERS * (2 - round), 0));
        let report = shop.audit().await;
        assert_eq!((report.checkouts.running, report.checkouts.failed), (0, 0), "{report}");
        dir = shop.kill();
    }
}

/// Waits until no more than so many units are on the shelf: purchases are under way.
async fn wait_for_purchases(shop: &Shop, product: i64, left: i64) {
    let admin = shop.admin();
    let look = async || admin.stock(product).await.0 <= left;
    testkit::eventually("purchases under way", Duration::from_secs(30), look).await;
}

/// Each of the seven programs is killed under a load of purchases. Whoever repeats his request with his key
/// buys once, and the books are right in the end.
#[tokio::test(flavor = "multi_thread")]
async fn each_program_may_be_killed_while_people_buy() {
    each_program_is_killed(Shop::programs().await).await;
}

/// The same on the real engines, where two instances each of checkout, orders and cart share the work.
#[tokio::test(flavor = "multi_thread")]
async fn each_program_may_be_killed_while_people_buy_on_engines() {
    let Some(shop) = Shop::on_engines().await else { return };
    each_program_is_killed(shop).await;
}

async fn each_program_is_killed(mut shop: Shop) {
    let victims = [
        "checkout-service",
        "payment-service",
        "inventory-service",
        "cart-service",
        "orders-service",
        "product-service",
        "api-gateway",
    ];
    let product = shop.admin().stock_new("Drum", 500).await;
    let mut buyers = 0;
    for victim in victims {
        healed(&shop, product).await;
        let users: Vec<Client> = (0..BUYERS).map(|n| shop.user(1 + buyers + n)).collect();
        buyers += BUYERS;
        futures::future::join_all(users.iter().map(|user| user.add(product, 1))).await;
        let stock = shop.admin().stock(product).await.0;
        let admin = shop.admin();
        let purchases = futures::future::join_all(users.iter().map(buy_at_last));
        let kill = async {
            let begun = async || admin.stock(product).await.0 < stock;
            testkit::eventually("the first purchase", Duration::from_secs(30), begun).await;
            shop.kill_and_start_again(victim);
        };
        tokio::join!(purchases, kill);
        for user in &users {
            user.orders(1).await;
            user.cart_becomes(&[]).await;
        }
        assert_eq!(shop.admin().stock(product).await, (500 - buyers, 0), "after {victim} was killed");
    }
    let report = shop.audit().await;
    assert_eq!((report.checkouts.running, report.checkouts.failed), (0, 0), "{report}");
    shop.stop().await;
}

/// Waits until a cart can be filled: every program is back, and the circuits to it are closed.
pub(crate) async fn healed(shop: &Shop, product: i64) {
    let scout = shop.user(1_000);
    let line = json!({ "product_id": product, "quantity": 1 });
    testkit::eventually("a cart that can be filled", Duration::from_secs(30), async || {
        let filled = Client::send(scout.request(Method::POST, "/api/v1/cart/items").json(&line)).await;
        filled.is_ok_and(|reply| reply.status == StatusCode::CREATED)
    })
    .await;
}

/// Repeats the request with the same key until it is answered with the purchase, as a client should.
pub(crate) async fn buy_at_last(user: &Client) {
    testkit::eventually("the end of the purchase", Duration::from_secs(60), async || {
        let reply = user.purchase("drum", &json!({})).await;
        reply.is_ok_and(|reply| reply.status == StatusCode::CREATED)
    })
    .await;
}
