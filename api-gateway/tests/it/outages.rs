//! Services that can't be reached, or answer what they must not.

use proto::{cart as cart_pb, checkout, product as pb};
use serde_json::json;
use std::net::Ipv4Addr;
use tonic::{Code, Status};

use crate::replies::{cart, product};
use crate::shop::{Shop, ask};

#[tokio::test]
async fn a_read_is_tried_a_second_time() {
    let shop = Shop::open().await;
    shop.services.refuses::<pb::Product>("get_product", Status::unavailable("tcp 10.0.0.7 refused"));
    shop.services.replies("get_product", product());
    assert_eq!(shop.get("/api/v1/products/1").await.status, 200);
    assert_eq!(shop.services.calls(), 2);
}

#[tokio::test]
async fn a_change_is_never_tried_again() {
    let shop = Shop::open().await;
    shop.services.refuses::<cart_pb::Cart>("add_item", Status::unavailable("tcp 10.0.0.7 refused"));
    shop.services.replies("add_item", cart());
    let answer = shop.json("POST", "/api/v1/cart/items", json!({"product_id": 1, "quantity": 2})).await;
    answer.problem(503, "unavailable");
    assert_eq!(shop.services.calls(), 1);
}

#[tokio::test]
async fn an_outage_shows_no_internals() {
    for (code, status, name) in [
        (Code::Unavailable, 503, "unavailable"),
        (Code::DeadlineExceeded, 504, "deadline_exceeded"),
        (Code::Unknown, 500, "internal"),
        (Code::Internal, 500, "internal"),
        (Code::ResourceExhausted, 429, "resource_exhausted"),
        (Code::Unimplemented, 501, "unimplemented"),
        (Code::NotFound, 404, "not_found"),
        (Code::InvalidArgument, 400, "invalid_argument"),
    ] {
        let shop = Shop::open().await;
        shop.services
            .refuses::<pb::Product>("get_product", Status::new(code, "SELECT * FROM /var/db at 10.0.0.7"));
        // No service of ours gives some of them without a reason, so the document does not know those.
        let answer = shop.exchange(ask("GET", "/api/v1/products/1", &[], "")).await;
        let problem = answer.problem(status, name).to_string();
        assert!(!problem.contains("SELECT") && !problem.contains("10.0.0.7"), "{problem}");
        let waits = matches!(status, 429 | 503 | 504);
        assert_eq!(answer.header("retry-after"), if waits { "1" } else { "" });
    }
}

#[tokio::test]
async fn a_service_that_is_not_there() {
    let (services, (world, clock)) = (crate::fake::Fake::default(), testkit::world());
    let nowhere = testkit::Port::hold();
    let peers = api_gateway::Peers {
        product: platform::transport::Transport::connect("product", &nowhere.address().to_string()).unwrap(),
        ..crate::shop::peers(&services)
    };
    let router = api_gateway::open(crate::shop::settings(), Ipv4Addr::LOCALHOST.into(), peers, world)
        .await
        .unwrap()
        .router();
    let shop = Shop { services, clock, router };
    let problem = shop.get("/api/v1/products").await.problem(503, "unavailable").to_string();
    assert!(!problem.contains("127.0.0.1"), "{problem}");
}

#[tokio::test]
async fn half_an_answer_is_a_failure_of_ours() {
    let shop = Shop::open().await;
    shop.services.replies("get_product", pb::Product { price: None, ..product() });
    shop.get("/api/v1/products/1").await.problem(500, "internal");
    let nothing = checkout::InitiateCheckoutResponse { checkout: None, replayed: false };
    shop.services.replies("initiate_checkout", nothing);
    shop.json("POST", "/api/v1/checkout", json!({"idempotency_key": "k"})).await.problem(500, "internal");
}
