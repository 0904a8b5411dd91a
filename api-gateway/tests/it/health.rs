use api_gateway::{AuthMode, Settings};
use platform::transport::Transport;
use serde_json::json;
use std::net::Ipv4Addr;

use crate::fake::Fake;
use crate::shop::{Shop, peers, settings};

#[tokio::test]
async fn alive_and_ready() {
    let shop = Shop::guarded().await;
    for path in ["/health", "/health/live"] {
        let answer = shop.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"status": "ok"})));
    }
    let answer = shop.get("/health/ready").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"status": "ready"})));
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_service_that_does_not_serve_is_named() {
    let (services, (world, clock)) = (Fake::default(), testkit::world());
    let (cart, orders) = (services.cart(), services.orders());
    let nowhere = testkit::Port::hold();
    let peers = api_gateway::Peers {
        cart: Transport::in_process("cart", &cart),
        orders: Transport::in_process("orders", &orders),
        checkout: Transport::connect("checkout", &nowhere.address().to_string()).unwrap(),
        ..peers(&services)
    };
    let jwt = Settings { auth_mode: AuthMode::Jwt, ..settings() };
    let router = api_gateway::open(jwt, Ipv4Addr::LOCALHOST.into(), peers, world).await.unwrap().router();
    let shop = Shop { services, clock, router };
    cart.health().set(false);
    let answer = shop.get("/health/ready").await;
    let problem = answer.problem(503, "not_ready");
    assert_eq!(problem["dependencies"], json!(["cart", "checkout"]));
    assert_eq!(problem["detail"], "not serving: cart, checkout");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(shop.get("/health").await.status, 200, "alive nevertheless");

    cart.health().set(true);
    let problem = shop.get("/health/ready").await.problem(503, "not_ready");
    assert_eq!(problem["dependencies"], json!(["checkout"]));
}
