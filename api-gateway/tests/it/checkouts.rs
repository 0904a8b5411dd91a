use proto::checkout::{self as pb, CheckoutStatus};
use proto::{Reason, Rejection};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::replies::{CHECKOUT, address, address_json, checkout, checkout_json, completed_json, failed, usd};
use crate::shop::{Answer, Shop, ask};

pub(crate) const PATH: &str = "/api/v1/checkout";

pub(crate) async fn buy(shop: &Shop) -> Answer {
    shop.send(ask("POST", PATH, &[("idempotency-key", "k-1")], "")).await
}

pub(crate) fn answers(shop: &Shop, checkout: pb::Checkout, replayed: bool) {
    shop.services.forget("initiate_checkout");
    let checkout = Some(checkout);
    shop.services.replies("initiate_checkout", pb::InitiateCheckoutResponse { checkout, replayed });
}

fn refuses(shop: &Shop, status: Status) {
    shop.services.forget("initiate_checkout");
    shop.services.refuses::<pb::InitiateCheckoutResponse>("initiate_checkout", status);
}

pub(crate) fn asked(shop: &Shop) -> Vec<pb::InitiateCheckoutRequest> {
    shop.services.asked("initiate_checkout")
}

#[tokio::test]
async fn what_is_bought_within_the_wait_is_201() {
    let shop = Shop::open().await;
    answers(&shop, checkout(CheckoutStatus::Completed), false);
    let answer = buy(&shop).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (201, completed_json()));
    assert_eq!(answer.header("location"), format!("/api/v1/checkout/{CHECKOUT}"));
    assert_eq!(answer.headers.get("idempotent-replayed"), None);
    let plain = pb::InitiateCheckoutRequest {
        user_id: 1,
        idempotency_key: "k-1".into(),
        wait_ms: Some(10_000),
        ..pb::InitiateCheckoutRequest::default()
    };
    assert_eq!(asked(&shop), std::slice::from_ref(&plain));
    let timeout = shop.services.metadata().get("grpc-timeout").unwrap().to_str().unwrap().to_owned();
    assert!(timeout == "15000000u" || timeout.starts_with("149"), "{timeout}");

    let body = json!({
        "payment_method": "pm_card_mastercard", "shipping_address": address_json(),
        "expected_total": {"amount": "2599.98", "currency": "USD"}, "idempotency_key": "k-1",
    });
    assert_eq!(shop.json("POST", PATH, body).await.status, 201);
    let full = pb::InitiateCheckoutRequest {
        payment_method: "pm_card_mastercard".into(),
        shipping_address: Some(address()),
        expected_total: usd(259_998),
        ..plain
    };
    assert_eq!(asked(&shop)[1], full);
}

#[tokio::test]
async fn what_still_runs_is_202() {
    let shop = Shop::open().await;
    for (status, name) in [
        (CheckoutStatus::Initiated, "INITIATED"),
        (CheckoutStatus::InventoryReserved, "INVENTORY_RESERVED"),
        (CheckoutStatus::PaymentPending, "PAYMENT_PENDING"),
        (CheckoutStatus::Compensating, "COMPENSATING"),
    ] {
        answers(&shop, checkout(status), false);
        let answer = buy(&shop).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (202, checkout_json(name)));
        assert_eq!(answer.header("location"), format!("/api/v1/checkout/{CHECKOUT}"));
        assert_eq!(answer.header("retry-after"), "1");
    }
}

#[tokio::test]
async fn what_failed_says_why() {
    let shop = Shop::open().await;
    answers(&shop, failed("payment_declined", "the card was declined", "card_declined", &[]), false);
    let problem = buy(&shop).await.problem(402, "payment_declined");
    assert_eq!(problem["checkout_id"], CHECKOUT);
    assert_eq!(problem["decline_code"], "card_declined");
    assert_eq!(problem["detail"], "the card was declined");
    assert_eq!(problem.get("product_ids"), None);

    answers(&shop, failed("insufficient_stock", "not enough of product 2", "", &[2, 3]), false);
    let problem = buy(&shop).await.problem(409, "insufficient_stock");
    assert_eq!((&problem["checkout_id"], &problem["product_ids"]), (&json!(CHECKOUT), &json!([2, 3])));
    assert_eq!(problem["detail"], "not enough of product 2");

    answers(&shop, failed("checkout_expired", "took too long", "", &[]), false);
    buy(&shop).await.problem(409, "checkout_expired");
}

#[tokio::test]
async fn a_body_is_understood_or_refused() {
    let shop = Shop::open().await;
    let mut no_city = address_json();
    no_city.as_object_mut().unwrap().remove("city");
    let mut small_country = address_json();
    small_country["country"] = json!("gb");
    for (body, field) in [
        (json!({"payment_method": 1}), "payment_method"),
        (json!({"expected_total": "2599.98"}), "expected_total"),
        (json!({"expected_total": {"amount": "x", "currency": "USD"}}), "expected_total.amount"),
        (json!({"shipping_address": "here"}), "shipping_address"),
        (json!({"shipping_address": no_city}), "shipping_address.city"),
        (json!({"shipping_address": small_country}), "shipping_address.country"),
        (json!({"user_id": 2}), "user_id"),
    ] {
        let headers = [("idempotency-key", "k"), ("content-type", "application/json")];
        let answer = shop.send(ask("POST", PATH, &headers, &body.to_string())).await;
        assert_eq!(answer.refused_fields("invalid_argument"), [field], "{body}");
    }
    let headers = [("idempotency-key", "k"), ("content-type", "text/plain")];
    shop.send(ask("POST", PATH, &headers, "{}")).await.problem(415, "unsupported_media_type");
    assert_eq!(shop.services.calls(), 0);
}

#[tokio::test]
async fn what_is_not_accepted_keeps_its_reason() {
    let shop = Shop::open().await;
    for (code, reason, status, name) in [
        (Code::FailedPrecondition, Reason::CartEmpty, 409, "cart_empty"),
        (Code::Aborted, Reason::PriceChanged, 409, "price_changed"),
        (Code::FailedPrecondition, Reason::ProductUnavailable, 409, "product_unavailable"),
        (Code::FailedPrecondition, Reason::IdempotencyKeyReused, 422, "idempotency_key_reused"),
        (Code::Aborted, Reason::CheckoutInProgress, 409, "checkout_in_progress"),
    ] {
        let rejection = Rejection::new(code, reason, "so it is").with_metadata("checkout_id", CHECKOUT);
        refuses(&shop, rejection.into_status());
        let answer = buy(&shop).await;
        assert_eq!(answer.problem(status, name)["detail"], "so it is");
        let location =
            if name == "checkout_in_progress" { format!("{PATH}/{CHECKOUT}") } else { String::new() };
        assert_eq!(answer.header("location"), location, "{name}");
    }
}

#[tokio::test]
async fn a_price_that_changed_is_told() {
    let shop = Shop::open().await;
    let rejection = Rejection::new(Code::Aborted, Reason::PriceChanged, "the total is 7.00 USD now")
        .with_metadata("amount", "7.00")
        .with_metadata("currency", "USD");
    refuses(&shop, rejection.into_status());
    let answer = buy(&shop).await;
    assert_eq!(
        answer.problem(409, "price_changed")["total"],
        serde_json::json!({ "amount": "7.00", "currency": "USD" })
    );
}

#[tokio::test]
async fn when_nobody_knows_the_same_key_is_safe() {
    let shop = Shop::open().await;
    for (code, status, name) in [
        (Code::Unavailable, 503, "unavailable"),
        (Code::Unknown, 503, "unavailable"),
        (Code::DeadlineExceeded, 504, "deadline_exceeded"),
        (Code::Internal, 500, "internal"),
    ] {
        refuses(&shop, Status::new(code, "tcp 10.0.0.7"));
        let before = asked(&shop).len();
        let answer = buy(&shop).await;
        let problem = answer.problem(status, name);
        assert!(problem["detail"].as_str().unwrap().contains("same Idempotency-Key"), "{problem}");
        assert!(!problem.to_string().contains("10.0.0.7"));
        assert_eq!(answer.header("retry-after"), if status == 500 { "" } else { "1" });
        assert_eq!(asked(&shop).len(), before + 1, "a purchase is never tried again by itself");
    }
    refuses(&shop, Status::resource_exhausted("too many calls"));
    let problem = buy(&shop).await.problem(429, "resource_exhausted");
    assert!(!problem["detail"].as_str().unwrap().contains("Key"), "refused before it began");
}

#[tokio::test]
async fn a_checkout_is_shown_to_its_owner() {
    let shop = Shop::open().await;
    shop.services.replies("get_checkout", failed("payment_declined", "no", "card_declined", &[]));
    let answer = shop.get(&format!("{PATH}/{CHECKOUT}")).await;
    let mut wanted = checkout_json("FAILED");
    wanted["failure"] = json!({"code": "payment_declined", "message": "no", "decline_code": "card_declined"});
    wanted["completed_at"] = wanted["created_at"].clone();
    assert_eq!((answer.status.as_u16(), answer.json()), (200, wanted));
    let asked = shop.services.asked::<pb::GetCheckoutRequest>("get_checkout");
    assert_eq!(asked, [pb::GetCheckoutRequest { checkout_id: CHECKOUT.into(), user_id: 1 }]);

    shop.services.forget("get_checkout");
    let unknown = Rejection::new(Code::NotFound, Reason::CheckoutNotFound, "there is no such checkout");
    shop.services.refuses::<pb::Checkout>("get_checkout", unknown.into_status());
    let without_id = |answer: Answer| -> Value {
        let mut problem = answer.problem(404, "checkout_not_found");
        problem.as_object_mut().unwrap().remove("request_id");
        problem
    };
    let unknown = without_id(shop.get(&format!("{PATH}/{CHECKOUT}")).await);
    for id in ["1", "x", "01890A5DAC96774BBCCEB302099A8057"] {
        assert_eq!(without_id(shop.get(&format!("{PATH}/{id}")).await), unknown, "{id}");
    }
}
