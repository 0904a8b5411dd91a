//! What is served when there is too much of everything: a gateway with a hundred places.

use std::time::Duration;

use api_gateway::Settings;
use axum::body::Body;
use http::Request;
use platform::metrics::Metrics;
use proto::checkout::{CheckoutStatus, InitiateCheckoutResponse};
use proto::{orders, product as pb};
use testkit::eventually;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::fake::Fake;
use crate::replies::{CHECKOUT, cart, checkout, product};
use crate::shop::{Shop, ask, gateway, settings};

const PLACES: u32 = 100;
const SOON: Duration = Duration::from_secs(20);
const READS: [&str; 4] = ["/api/v1/products", "/api/v1/products/1", "/api/v1/cart", "/api/v1/orders"];

/// A gateway, what it counts, and what opens the services that hold their answers back.
struct Busy {
    shop: Shop,
    metrics: Metrics,
    open: watch::Sender<bool>,
    /// Requests that have no answer yet.
    waiting: JoinSet<u16>,
}

impl Busy {
    /// Whose services hold back the answers to these calls.
    async fn without(held: &[&str]) -> Self {
        let (services, open) = (Fake::default(), watch::Sender::new(false));
        let tell = Tell { services: &services, open: &open, held };
        tell.reply("get_products", pb::GetProductsResponse::default());
        tell.reply("get_product", product());
        tell.reply("get_cart", cart());
        tell.reply("add_item", cart());
        tell.reply("list_orders", orders::ListOrdersResponse::default());
        tell.reply("get_checkout", checkout(CheckoutStatus::Initiated));
        let checkout = Some(checkout(CheckoutStatus::Completed));
        tell.reply("initiate_checkout", InitiateCheckoutResponse { checkout, replayed: false });
        let (world, clock) = testkit::world();
        let metrics = world.metrics.clone();
        let settings = Settings { max_requests: PLACES, ..settings() };
        let router = gateway(settings, &services, world).await.router();
        Self { shop: Shop { services, clock, router }, metrics, open, waiting: JoinSet::new() }
    }

    fn send(&mut self, request: Request<Body>) {
        let router = self.shop.router.clone();
        self.waiting.spawn(async move { router.oneshot(request).await.unwrap().status().as_u16() });
    }

    /// How many of these, sent at once, are let through; the others are refused by now.
    async fn let_through(&mut self, requests: impl Iterator<Item = Request<Body>>) -> usize {
        let (before, waited) = (self.shop.services.calls(), self.waiting.len());
        requests.for_each(|request| self.send(request));
        let sent = self.waiting.len() - waited;
        let mut refused = 0;
        eventually("each is let through or refused", SOON, async || {
            while let Some(status) = self.waiting.try_join_next() {
                assert_eq!(status.unwrap(), 503);
                refused += 1;
            }
            self.shop.services.calls() - before + refused == sent
        })
        .await;
        sent - refused
    }

    fn shed(&self, class: &str) -> String {
        let (text, name) = (self.metrics.text(), format!("oxcart_requests_shed_total{{class=\"{class}\"}} "));
        text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().to_owned()
    }
}

struct Tell<'a> {
    services: &'a Fake,
    open: &'a watch::Sender<bool>,
    held: &'a [&'a str],
}

impl Tell<'_> {
    fn reply<A: Clone + Send + 'static>(&self, rpc: &'static str, reply: A) {
        match self.held.contains(&rpc) {
            true => self.services.replies_once(self.open, rpc, reply),
            false => self.services.replies(rpc, reply),
        }
    }
}

fn get(path: &str) -> Request<Body> {
    ask("GET", path, &[], "")
}

fn add() -> Request<Body> {
    let json = [("content-type", "application/json")];
    ask("POST", "/api/v1/cart/items", &json, r#"{"product_id":1,"quantity":1}"#)
}

fn buy(key: usize) -> Request<Body> {
    ask("POST", "/api/v1/checkout", &[("idempotency-key", &format!("key-{key}"))], "")
}

fn look() -> Request<Body> {
    get(&format!("/api/v1/checkout/{CHECKOUT}"))
}

#[tokio::test]
async fn rt6_five_times_too_many_checkouts_disturb_neither_reads_nor_those_that_run() {
    let mut busy = Busy::without(&["initiate_checkout"]).await;
    assert_eq!(busy.let_through((0..500).map(buy)).await, 30);
    assert_eq!(busy.shed("checkout"), "470");
    let keys: Vec<usize> = {
        let asked = busy.shop.services.asked::<proto::checkout::InitiateCheckoutRequest>("initiate_checkout");
        asked.iter().map(|asked| asked.idempotency_key["key-".len()..].parse().unwrap()).collect()
    };

    let refused = busy.shop.send(buy(1000)).await;
    refused.problem(503, "overloaded");
    assert_eq!(refused.header("retry-after"), "1");
    for path in READS.into_iter().chain(["/health", "/health/ready"]) {
        for _ in 0..PLACES {
            assert_eq!(busy.shop.get(path).await.status, 200, "{path}");
        }
    }
    assert_eq!(busy.shop.send(add()).await.status, 201);
    assert_eq!(busy.shop.send(look()).await.status, 200, "how one that runs is getting on");
    let again = keys.iter().take(10).copied();
    assert_eq!(busy.let_through(again.map(buy)).await, 10, "they ask again for what runs");
    assert_eq!(busy.let_through([buy(1001)].into_iter()).await, 0, "and nothing else begins");

    busy.open.send_replace(true);
    let ended = std::mem::take(&mut busy.waiting).join_all().await;
    assert_eq!((ended.len(), ended.iter().all(|status| *status == 201)), (40, true), "{ended:?}");
    assert_eq!(busy.shop.send(buy(1002)).await.status, 201, "all places are free again");
}

#[tokio::test]
async fn rt6_lists_are_refused_first_then_reads_writes_new_checkouts_and_last_those_that_run() {
    let held = ["get_products", "get_product", "add_item", "initiate_checkout", "get_checkout"];
    let mut busy = Busy::without(&held).await;
    let too_many = || 0..150_usize;
    assert_eq!(busy.let_through(too_many().map(|_| get(READS[0]))).await, 60);
    assert_eq!(busy.let_through(too_many().map(|_| get(READS[1]))).await, 10);
    assert_eq!(busy.let_through(too_many().map(|_| add())).await, 10);
    assert_eq!(busy.let_through(too_many().map(buy)).await, 10);
    assert_eq!(busy.let_through(too_many().map(|_| look())).await, 10);
    for class in ["list", "read", "write", "checkout", "running"] {
        assert_ne!(busy.shed(class), "0", "{class}");
    }
    assert_eq!(busy.let_through([get(READS[0]), get(READS[1]), add(), buy(0), look()].into_iter()).await, 0);
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_eq!(busy.shop.get(path).await.status, 200, "{path}");
    }
    busy.open.send_replace(true);
    let ended = std::mem::take(&mut busy.waiting).join_all().await;
    assert_eq!((ended.len(), ended.iter().all(|status| *status < 300)), (100, true), "{ended:?}");
}

#[tokio::test]
async fn rt6_who_goes_away_leaves_the_place() {
    let mut busy = Busy::without(&["initiate_checkout"]).await;
    for round in 0..3 {
        assert_eq!(busy.let_through((0..40).map(|key| buy(40 * round + key))).await, 30);
        std::mem::take(&mut busy.waiting).shutdown().await;
    }
}

#[tokio::test]
async fn rt6_a_key_that_was_refused_or_is_somebody_elses_is_no_purchase_that_runs() {
    let mut busy = Busy::without(&["initiate_checkout"]).await;
    assert_eq!(busy.let_through((0..30).map(buy)).await, 30);
    assert_eq!(busy.let_through((30..60).map(buy)).await, 0);
    assert_eq!(busy.let_through((30..60).map(buy)).await, 0, "refused before");
    let bearer = format!("Bearer {}", busy.shop.token(8, api_gateway::auth::Role::User));
    let others =
        ask("POST", "/api/v1/checkout", &[("idempotency-key", "key-1"), ("authorization", &bearer)], "");
    assert_eq!(busy.let_through([others].into_iter()).await, 0, "of another user");
}
