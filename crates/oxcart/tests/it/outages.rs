//! Each engine is killed, and frozen, under a running load of purchases.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;
use testkit::Engine;

use crate::client::{Client, Reply};
use crate::harness::Shop;
use crate::kills::{buy_at_last, healed};

/// Who buys while an engine is away.
const BUYERS: i64 = 24;

/// How long anybody waits for the word that something is away. The promise is two seconds; a machine that runs ten
/// programs, four engines and this test on two cores gets some more.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// Every purchase that is acknowledged has its order, no other has, and the books are right.
#[tokio::test(flavor = "multi_thread")]
async fn each_engine_may_be_killed_while_people_buy() {
    let Some(shop) = Shop::on_engines().await else { return };
    let product = shop.admin().stock_new("Drum", 500).await;
    let mut buyers = 0;
    for engine in Engine::ALL {
        healed(&shop, product).await;
        let users: Vec<Client> = (0..BUYERS).map(|n| shop.user(1 + buyers + n)).collect();
        buyers += BUYERS;
        futures::future::join_all(users.iter().map(|user| user.add(product, 1))).await;
        let (admin, left) = (shop.admin(), shop.admin().stock(product).await.0);
        let purchases = futures::future::join_all(users.iter().map(buy_at_last));
        let outage = async {
            let begun = async || admin.stock(product).await.0 < left;
            testkit::eventually("the first purchase", Duration::from_secs(30), begun).await;
            let killed = Killed::now(engine);
            what_is_promised_without(engine, &shop).await;
            drop(killed);
        };
        tokio::join!(purchases, outage);
        for user in &users {
            user.orders(1).await;
            user.cart_becomes(&[]).await;
        }
        assert_eq!(
            shop.admin().stock(product).await,
            (500 - buyers, 0),
            "after {} was killed",
            engine.name()
        );
    }
    let report = shop.audit().await;
    assert_eq!((report.checkouts.running, report.checkouts.failed), (0, 0), "{report}");
    let bought = usize::try_from(buyers).unwrap();
    assert!(report.checkouts.completed >= bought && report.orders == report.checkouts.completed, "{report}");
    shop.stop().await;
}

/// An engine that is away, until this is dropped: a test that fails meanwhile leaves it to the next ones.
struct Killed(Engine);

impl Killed {
    fn now(engine: Engine) -> Self {
        engine.kill();
        Self(engine)
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.start();
    }
}

/// What works without an engine, and how what does not says so.
async fn what_is_promised_without(engine: Engine, shop: &Shop) {
    let user = shop.user(900_000);
    let products = user.get("/api/v1/products/1").await;
    assert_eq!(products.status, StatusCode::OK, "the catalogue is in memory: {products:?}");
    match engine {
        Engine::Postgres => {
            refuses(&user, "/api/v1/orders").await;
            refuses(&user, "/api/v1/inventory/1").await;
            let live = user.get("/health/live").await;
            assert_eq!(live.status, StatusCode::OK);
        }
        Engine::Mongo => {
            refuses(&user, "/api/v1/cart").await;
            assert_eq!(user.get("/api/v1/orders").await.status, StatusCode::OK);
        }
        Engine::Redis => {
            for _ in 0..20 {
                let cart = user.get("/api/v1/cart").await;
                assert_eq!(cart.status, StatusCode::OK, "no request fails: {cart:?}");
            }
            user.add(1, 1).await;
            let emptied = Client::send(user.request(Method::DELETE, "/api/v1/cart")).await.unwrap();
            assert_eq!(emptied.status, StatusCode::OK, "{emptied:?}");
        }
        Engine::Kafka => {
            let buyer = shop.user(900_001);
            // The circuits that an earlier outage opened may still be closing.
            healed(shop, 1).await;
            buyer.add(1, 1).await;
            testkit::eventually("a purchase without Kafka", Duration::from_secs(30), async || {
                buyer.buy("without-kafka").await.status == StatusCode::CREATED
            })
            .await;
            assert_eq!(
                buyer.get("/api/v1/orders").await.body["orders"],
                json!([]),
                "the order follows later"
            );
        }
    }
}

/// Says soon that it can't be answered now, and when to ask again.
async fn refuses(user: &Client, path: &str) {
    testkit::eventually(&format!("the refusal of {path}"), Duration::from_secs(30), async || {
        let asked = Instant::now();
        let reply: Reply = user.get(path).await;
        assert!(asked.elapsed() < TOLD_WITHIN, "{path} took {:?}", asked.elapsed());
        // What was answered while the engine was just dying proves nothing.
        if reply.status != StatusCode::OK {
            assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{reply:?}");
            assert!(reply.retry_after.is_some(), "{reply:?}");
        }
        reply.status == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
}

/// A Redis that hangs costs nobody a request, and is used again when it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_makes_no_cart_wrong() {
    let Some(shop) = Shop::on_engines().await else { return };
    let user = shop.user(7);
    user.add(1, 1).await;
    user.cart_becomes(&[(1, 1)]).await;
    Engine::Redis.freeze();
    user.add(1, 1).await;
    assert_eq!(user.get("/api/v1/cart").await.body["items"][0]["quantity"], 2);
    Engine::Redis.thaw();
    // Through either of the two instances, at any time from now on: never the cart of before.
    for _ in 0..50 {
        assert_eq!(user.get("/api/v1/cart").await.body["items"][0]["quantity"], 2);
    }
    shop.stop().await;
}
