use proto::checkout::CheckoutStatus;
use serde_json::json;

use crate::checkouts::{PATH, answers, asked, buy};
use crate::contract::CONTRACT;
use crate::replies::{checkout, failed};
use crate::shop::{Answer, Shop, ask};

#[tokio::test]
async fn a_key_used_again_gets_the_same_answer() {
    let shop = Shop::open().await;
    let declined = failed("payment_declined", "the card was declined", "card_declined", &[]);
    for first in [checkout(CheckoutStatus::Completed), declined] {
        answers(&shop, first.clone(), false);
        let before = buy(&shop).await;
        answers(&shop, first, true);
        let after = buy(&shop).await;
        assert_eq!(after.status, before.status);
        let but_for_the_request = |answer: &Answer| {
            let mut json = answer.json();
            json.as_object_mut().unwrap().remove("request_id");
            json
        };
        assert_eq!(but_for_the_request(&after), but_for_the_request(&before));
        assert_eq!(before.headers.get("idempotent-replayed"), None);
        assert_eq!(after.header("idempotent-replayed"), "true");
        assert_eq!(after.header("location"), before.header("location"));
    }
}

#[tokio::test]
async fn the_key_is_found_wherever_it_is() {
    let shop = Shop::open().await;
    answers(&shop, checkout(CheckoutStatus::Completed), false);
    for (header, body) in [
        (Some("k"), None),
        (Some("\"k\""), None),
        (None, Some("k")),
        (Some("\"k\""), Some("k")),
        (Some("k"), Some("k")),
    ] {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(header.map(|key| ("idempotency-key", key)));
        let body = body.map_or_else(|| json!({}), |key| json!({"idempotency_key": key}));
        let answer = shop.send(ask("POST", PATH, &headers, &body.to_string())).await;
        assert_eq!(answer.status, 201, "{header:?} {body}");
    }
    assert!(asked(&shop).iter().all(|asked| asked.idempotency_key == "k"));
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let shop = Shop::open().await;
    shop.send(ask("POST", PATH, &[], "")).await.problem(400, "missing_idempotency_key");
    shop.json("POST", PATH, json!({})).await.problem(400, "missing_idempotency_key");
    let long = "k".repeat(256);
    for headers in [
        vec![("idempotency-key", "")],
        vec![("idempotency-key", "\"\"")],
        vec![("idempotency-key", "\"k")],
        vec![("idempotency-key", "a\tb")],
        vec![("idempotency-key", long.as_str())],
        vec![("idempotency-key", "k"), ("idempotency-key", "k")],
    ] {
        let answer = shop.send(ask("POST", PATH, &headers, "")).await;
        assert_eq!(answer.refused_fields("invalid_idempotency_key"), ["idempotency_key"], "{headers:?}");
    }
    for key in ["", "a\u{0}b", long.as_str()] {
        let answer = shop.json("POST", PATH, json!({"idempotency_key": key})).await;
        assert_eq!(answer.refused_fields("invalid_idempotency_key"), ["idempotency_key"], "{key:?}");
    }
    let headers = [("idempotency-key", "a"), ("content-type", "application/json")];
    let answer = shop.send(ask("POST", PATH, &headers, r#"{"idempotency_key":"b"}"#)).await;
    assert_eq!(answer.refused_fields("invalid_idempotency_key"), ["idempotency_key"]);
    assert_eq!(shop.services.calls(), 0);
}

#[tokio::test]
async fn the_document_says_which_keys_are_good() {
    let shop = Shop::open().await;
    answers(&shop, checkout(CheckoutStatus::Completed), false);
    let parameters = CONTRACT.document["paths"][PATH]["post"]["parameters"].as_array().unwrap();
    let described = parameters.iter().find(|parameter| parameter["name"] == "Idempotency-Key").unwrap();
    let validator = CONTRACT.validator(&described["schema"]);
    let [longest, too_long] = [255, 256].map(|length| "k".repeat(length));
    let quoted = |key: &str| format!("\"{key}\"");
    for (key, good) in [
        ("k", true),
        ("a b", true),
        ("a\"b", true),
        ("\"a\\\"b\\\\\"", true),
        ("\" \"", true),
        (&longest, true),
        (&quoted(&longest), true),
        (&quoted(&"\\\\".repeat(255)), true),
        ("", false),
        ("\"", false),
        ("\"\"", false),
        ("\"k", false),
        ("\"k\"x", false),
        ("\"a\"b\"", false),
        ("\"a\\b\"", false),
        ("a\tb", false),
        (&too_long, false),
        (&quoted(&too_long), false),
    ] {
        let answer = shop.send(ask("POST", PATH, &[("idempotency-key", key)], "")).await;
        assert_eq!((answer.status == 201, validator.is_valid(&json!(key))), (good, good), "{key}");
    }
}
