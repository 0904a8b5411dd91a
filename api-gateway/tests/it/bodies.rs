use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::Request;
use serde_json::json;

use crate::replies::cart;
use crate::shop::{Shop, ask};

const ITEMS: &str = "/api/v1/cart/items";
const LIMIT: usize = 64 * 1024;

#[tokio::test]
async fn only_json_is_read() {
    let shop = Shop::open().await;
    shop.services.replies("add_item", cart());
    let body = r#"{"product_id": 1, "quantity": 2}"#;
    for good in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"] {
        let answer = shop.send(ask("POST", ITEMS, &[("content-type", good)], body)).await;
        assert_eq!(answer.status, 201, "{good}");
    }
    for bad in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", ""] {
        let answer = shop.send(ask("POST", ITEMS, &[("content-type", bad)], body)).await;
        answer.problem(415, "unsupported_media_type");
    }
    shop.send(ask("POST", ITEMS, &[], body)).await.problem(415, "unsupported_media_type");
    let twice = [("content-type", "application/json"), ("content-type", "text/plain")];
    shop.send(ask("POST", ITEMS, &twice, body)).await.problem(415, "unsupported_media_type");
    assert_eq!(shop.services.calls(), 3);
}

#[tokio::test]
async fn b1_a_body_that_says_it_is_compressed_is_not_read() {
    let shop = Shop::open().await;
    shop.services.replies("add_item", cart());
    let body = r#"{"product_id": 1, "quantity": 2}"#;
    let sent = |coding| {
        ask("POST", ITEMS, &[("content-type", "application/json"), ("content-encoding", coding)], body)
    };
    assert_eq!(shop.send(sent("Identity")).await.status, 201);
    for coding in ["gzip", "br", "identity, gzip"] {
        let answer = shop.send(sent(coding)).await;
        assert_eq!(answer.header("accept-encoding"), "identity");
        answer.problem(415, "unsupported_media_type");
    }
    assert_eq!(shop.services.calls(), 1);
}

/// So many bytes each second, without end.
fn dripping(bytes_a_second: usize) -> Body {
    let seconds = tokio::time::interval(Duration::from_secs(1));
    Body::from_stream(stream::unfold(seconds, move |mut seconds| async move {
        seconds.tick().await;
        Some((Ok::<_, std::io::Error>(Bytes::from(vec![b' '; bytes_a_second])), seconds))
    }))
}

#[tokio::test(start_paused = true)]
async fn b3_a_body_that_does_not_come_is_the_clients_fault() {
    let shop = Shop::open().await;
    for (bytes_a_second, seconds) in [(0, 5), (1, 5), (300, 7), (1024, 10), (5000, 10)] {
        let began = tokio::time::Instant::now();
        let body = dripping(bytes_a_second);
        let slow = Request::post(ITEMS).header("content-type", "application/json").body(body).unwrap();
        shop.send(slow).await.problem(408, "request_timeout");
        assert_eq!(began.elapsed().as_secs(), seconds);
    }
    assert_eq!(shop.services.calls(), 0);
}

#[tokio::test]
async fn b1_a_body_in_crumbs_is_not_picked_up_to_its_end() {
    let shop = Shop::open().await;
    shop.services.replies("add_item", cart());
    let body = r#"{"product_id": 1, "quantity": 2}"#.bytes().chain(std::iter::repeat(b' '));
    let sent = |pieces: usize| {
        let crumbs = body.clone().take(pieces).map(|byte| Ok::<_, std::io::Error>(Bytes::from(vec![byte])));
        let crumbs = Body::from_stream(stream::iter(crumbs.collect::<Vec<_>>()));
        shop.send(Request::post(ITEMS).header("content-type", "application/json").body(crumbs).unwrap())
    };
    assert_eq!(sent(2047).await.status, 201);
    assert_eq!(sent(2048).await.refused_fields("invalid_argument"), ["body"]);
    assert_eq!(sent(60_000).await.refused_fields("invalid_argument"), ["body"]);
    assert_eq!(shop.services.calls(), 1);
}

#[tokio::test]
async fn b2_what_cannot_be_read_is_named() {
    let shop = Shop::open().await;
    for (body, fields) in [
        ("", vec!["body"]),
        ("{", vec!["body"]),
        ("null", vec!["body"]),
        ("[]", vec!["body"]),
        ("7", vec!["body"]),
        (r#"{"product_id":1,"quantity":2} x"#, vec!["body"]),
        (r#"{"product_id":1,"quantity":2}{}"#, vec!["body"]),
        (r#"{"product_id":1,"quantity":2,}"#, vec!["body"]),
        (r#"{"product_id":1,"quantity":02}"#, vec!["body"]),
        (r#"{"product_id":1,"quantity":NaN}"#, vec!["body"]),
        ("{\"product_id\":1,\"quantity\":\"\\ud800\"}", vec!["body"]),
        ("{}", vec!["product_id", "quantity"]),
        (r#"{"product_id":1}"#, vec!["quantity"]),
        (r#"{"product_id":null,"quantity":2}"#, vec!["product_id"]),
        (r#"{"product_id":{"$ne":null},"quantity":2}"#, vec!["product_id"]),
        (r#"{"product_id":1,"quantity":2,"user_id":2}"#, vec!["user_id"]),
        (r#"{"product_id":1,"quantity":2,"quantity":-2}"#, vec!["quantity"]),
        (r#"{"product_id":"1","quantity":"2","price":0}"#, vec!["product_id", "quantity", "price"]),
    ] {
        let answer = shop.json("POST", ITEMS, body).await;
        assert_eq!(answer.refused_fields("invalid_argument"), fields, "{body}");
    }
    let deep = "[".repeat(10_000);
    let answer = shop.json("POST", ITEMS, format!(r#"{{"product_id":{deep}"#)).await;
    assert_eq!(answer.refused_fields("invalid_argument"), ["body"]);
    assert_eq!(shop.services.calls(), 0);
}

#[tokio::test]
async fn b2_what_has_too_many_fields_or_levels_is_not_read_to_its_end() {
    let shop = Shop::open().await;
    let refused =
        async |body: String| shop.json("POST", ITEMS, body).await.refused_fields("invalid_argument");
    let fields = |count| (0..count).map(|n| format!(r#""k{n}":1"#)).collect::<Vec<_>>().join(",");
    assert_eq!(refused(format!("{{{}}}", fields(200))).await.len(), 200 + 2);
    assert_eq!(refused(format!("{{{}}}", fields(201))).await, ["body"]);
    assert_eq!(refused(format!("{{{}}}", fields(6_000))).await, ["body"]);
    let inside = format!(r#"{{"product_id":{{{}}},"quantity":{{{}}}}}"#, fields(100), fields(100));
    assert_eq!(refused(inside).await, ["body"]);
    let levels = |count: usize| format!("{}1{}", "{\"quantity\":".repeat(count), "}".repeat(count));
    assert_eq!(refused(levels(32)).await, ["product_id", "quantity"]);
    assert_eq!(refused(levels(33)).await, ["body"]);
    assert_eq!(refused(levels(4_000)).await, ["body"]);
    // No request has an array: one is passed over, however deep it is.
    let array = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(refused(format!(r#"{{"product_id":1,"quantity":{array}}}"#)).await, ["quantity"]);
    let parameters = |count| (0..count).map(|n| format!("k{n}")).collect::<Vec<_>>().join("&");
    let listed = async |count| {
        shop.get(&format!("/api/v1/products?{}", parameters(count))).await.refused_fields("invalid_argument")
    };
    assert_eq!(listed(200).await.len(), 200);
    assert_eq!(listed(201).await, ["query"]);
    assert_eq!(shop.services.calls(), 0);
}

#[tokio::test]
async fn the_words_are_ours() {
    let shop = Shop::open().await;
    let problem = shop.json("POST", ITEMS, r#"{"product_id":1,"quantity":"2"}"#).await;
    let problem = problem.problem(400, "invalid_argument");
    assert_eq!(problem["errors"], json!([{"field": "quantity", "message": "must be a 64-bit integer"}]));
    assert_eq!(problem["detail"], "quantity must be a 64-bit integer");
    let problem = shop.json("POST", ITEMS, "{\n  \"product_id\": x").await.problem(400, "invalid_argument");
    assert_eq!(problem["detail"], "body must be one JSON document; line 2, column 17 is not");
    let long = format!(r#"{{"product_id":1,"quantity":2,"{}":1}}"#, "x".repeat(1000));
    let fields = shop.json("POST", ITEMS, long).await.refused_fields("invalid_argument");
    assert_eq!(fields, ["x".repeat(64)]);
}

#[tokio::test]
async fn b1_sixty_four_kib_and_not_a_byte_more() {
    let shop = Shop::open().await;
    shop.services.replies("add_item", cart());
    let body = r#"{"product_id": 1, "quantity": 2}"#;
    let exactly = format!("{body}{}", " ".repeat(LIMIT - body.len()));
    assert_eq!(shop.json("POST", ITEMS, &exactly).await.status, 201);
    shop.json("POST", ITEMS, format!("{exactly} ")).await.problem(413, "payload_too_large");

    // What announces too much is not waited for.
    let announced = Request::post(ITEMS)
        .header("content-type", "application/json")
        .header("content-length", "65537")
        .body(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()));
    shop.send(announced.unwrap()).await.problem(413, "payload_too_large");

    // What announces nothing is counted, and an endless body is not read to its end.
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 1024])));
    let chunked =
        Request::post(ITEMS).header("content-type", "application/json").body(Body::from_stream(endless));
    shop.send(chunked.unwrap()).await.problem(413, "payload_too_large");
    assert_eq!(shop.services.calls(), 1);
}
