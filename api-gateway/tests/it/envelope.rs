//! What surrounds every request.

use std::sync::Arc;
use std::time::Duration;

use api_gateway::{Settings, Timeouts};
use futures::future::BoxFuture;
use platform::World;
use platform::clock::Clock;
use platform::ids::RandomIds;
use proto::product as pb;
use tower::ServiceExt as _;
use types::Timestamp;

use crate::fake::Fake;
use crate::replies::product;
use crate::shop::{Shop, ask, gateway, settings};

#[tokio::test]
async fn e1_a_path_or_a_method_that_is_not_there() {
    let shop = Shop::open().await;
    for path in ["/", "/nowhere", "/api/v1", "/api/v1/products/", "/api/v1/products/1/2", "/API/v1/products"]
    {
        shop.get(path).await.problem(404, "route_not_found");
    }
    for (method, path, allow) in [
        ("POST", "/health", "GET,HEAD"),
        ("PATCH", "/api/v1/products", "GET,HEAD,POST"),
        ("POST", "/api/v1/products/1", "DELETE,GET,HEAD,PUT"),
        ("GET", "/api/v1/checkout", "POST"),
        ("OPTIONS", "/api/v1/cart", "DELETE,GET,HEAD"),
    ] {
        let answer = shop.send(ask(method, path, &[], "")).await;
        answer.problem(405, "method_not_allowed");
        let mut allowed: Vec<_> = answer.header("allow").split(',').collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(","), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn a_sane_request_id_goes_everywhere() {
    let shop = Shop::open().await;
    shop.services.replies("get_product", product());
    let longest = "x".repeat(128);
    for id in ["a", "req-42_{}~!", longest.as_str()] {
        let answer = shop.send(ask("GET", "/api/v1/products/1", &[("x-request-id", id)], "")).await;
        assert_eq!(answer.header("x-request-id"), id);
        assert_eq!(shop.services.metadata().get("x-request-id").unwrap(), id);
        let answer = shop.send(ask("GET", "/nowhere", &[("x-request-id", id)], "")).await;
        assert_eq!(answer.problem(404, "route_not_found")["request_id"], id);
    }
    let too_long = "x".repeat(129);
    for id in ["", "two words", too_long.as_str()] {
        let answer = shop.send(ask("GET", "/api/v1/products/1", &[("x-request-id", id)], "")).await;
        let made = answer.header("x-request-id");
        assert!(made != id && made.len() == 36, "{made}");
        assert_eq!(shop.services.metadata().get("x-request-id").unwrap(), made);
    }
}

/// Time that cannot be told.
pub(crate) struct Broken;

impl Clock for Broken {
    fn now(&self) -> Timestamp {
        panic!("the clock at /var/clock is broken")
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn e1_a_panic_is_a_problem_and_not_the_end() {
    let services = Fake::default();
    services.replies("get_product", product());
    let world = World { clock: Arc::new(Broken), ids: Arc::new(RandomIds), ..World::real() };
    let router = gateway(settings(), &services, world).await.router();
    let shop = Shop { router, services, clock: testkit::world().1 };
    let answer = shop.send(ask("GET", "/api/v1/products/1", &[("authorization", "Bearer x")], "")).await;
    let problem = answer.problem(500, "internal");
    assert!(!problem.to_string().contains("clock"));
    assert!(shop.router.clone().oneshot(ask("GET", "/api/v1/products/1", &[], "")).await.is_ok());
    assert_eq!(shop.get("/api/v1/products/1").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_request_ends_in_time() {
    let shop = Shop::open().await;
    shop.services.hangs::<pb::Product>("get_product");
    let answer = shop.get("/api/v1/products/1").await;
    answer.problem(504, "deadline_exceeded");
    assert_eq!(answer.header("retry-after"), "1");

    let timeouts = Timeouts { request: Duration::from_secs(2), ..Timeouts::default() };
    let shop = Shop::with(Settings { timeouts, ..settings() }).await;
    let began = tokio::time::Instant::now();
    let body =
        axum::body::Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let slow =
        http::Request::put("/api/v1/inventory/1").header("content-type", "application/json").body(body);
    shop.send(slow.unwrap()).await.problem(504, "deadline_exceeded");
    assert_eq!(began.elapsed().as_secs(), 2);
}

#[tokio::test]
async fn only_large_answers_are_compressed() {
    let shop = Shop::open().await;
    let page = |count| pb::GetProductsResponse {
        products: vec![product(); count],
        ..pb::GetProductsResponse::default()
    };
    shop.services.replies("get_products", page(1));
    shop.services.replies("get_products", page(50));
    let gzip = || ask("GET", "/api/v1/products", &[("accept-encoding", "gzip")], "");
    let small = shop.send(gzip()).await;
    assert_eq!(
        (small.header("content-encoding"), small.json()["products"].as_array().unwrap().len()),
        ("", 1)
    );
    let large = shop.send(gzip()).await;
    assert_eq!((large.header("content-encoding"), &large.body[..2]), ("gzip", &[0x1f, 0x8b][..]));
    assert_eq!(shop.get("/api/v1/products").await.header("content-encoding"), "");
}

#[tokio::test]
async fn e2_scripts_of_the_web_sites_listed_may_call() {
    let preflight = |origin: &'static str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "idempotency-key"),
        ];
        ask("OPTIONS", "/api/v1/checkout", &headers, "")
    };
    let shop = Shop::open().await;
    shop.send(preflight("https://shop.example")).await.problem(405, "method_not_allowed");

    let cors_origins = vec!["https://shop.example".parse().unwrap()];
    let shop = Shop::with(Settings { cors_origins, ..settings() }).await;
    let answer = shop.send(preflight("https://shop.example")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), "https://shop.example");
    assert!(answer.header("access-control-allow-headers").contains("idempotency-key"));
    assert_eq!(answer.headers.get("access-control-allow-credentials"), None);
    assert!(answer.header("access-control-allow-headers").contains("last-event-id"));
    let answer = shop.send(preflight("https://evil.example")).await;
    assert_eq!(answer.headers.get("access-control-allow-origin"), None);
    let answer = shop.send(ask("GET", "/nowhere", &[("origin", "https://shop.example")], "")).await;
    answer.problem(404, "route_not_found");
    assert_eq!(answer.header("access-control-allow-origin"), "https://shop.example");
}
