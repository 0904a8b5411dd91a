//! Requests to a whole shop, made up by chance.

use std::path::Path;

use api_gateway::auth::Role;
use http::{HeaderMap, Method, StatusCode};
use reqwest::Url;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::client::Client;
use crate::harness::Shop;

/// A request from its file: a line of a key, a method and a path, and a body.
struct Wanted<'a> {
    key: &'a str,
    method: Method,
    path: &'a str,
    body: &'a [u8],
}

impl<'a> Wanted<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let end = bytes.iter().position(|b| *b == b'\n')?;
        let line = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut words = line.splitn(3, ' ');
        let (key, method, path) = (words.next()?, words.next()?, words.next()?);
        let method = method.parse().ok()?;
        Some(Self { key, method, path, body: &bytes[end + 1..] })
    }
}

/// What a client may rely on whatever it sent.
fn check(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    let said = |name| headers.get(name).map_or("", |value| value.to_str().unwrap());
    let text = String::from_utf8_lossy(body);
    assert!(!status.is_server_error(), "{status}: {text}");
    assert_eq!(said("x-content-type-options"), "nosniff");
    if status.is_success() {
        return String::new();
    }
    let problem: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(said("content-type"), "application/problem+json", "{text}");
    assert_eq!(problem["status"], status.as_u16());
    assert_eq!(problem["request_id"], said("x-request-id"));
    for inside in ["sqlx", "sqlite", "/crates/", ".rs:", "panicked", "127.0.0.1"] {
        assert!(!text.contains(inside), "{text}");
    }
    problem["code"].as_str().unwrap().to_owned()
}

#[test]
fn e1_whatever_is_asked_no_answer_is_a_failure_of_ours() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/requests");
    let words = [
        "GET ",
        "PUT ",
        "POST ",
        "PATCH ",
        "DELETE ",
        "/api/v1/",
        "products",
        "orders",
        "cart/items",
        "inventory/1",
        "checkout",
        "?q=",
        "&sort=-price",
        "&page_size=",
        "&page_token=",
        "%00",
        "%2f",
        "%ff",
        "..",
        "\\u0000",
        "\\ud83d\\ude00",
        "\\u202e",
        "-1",
        "0",
        "9223372036854775807",
        "1e3",
        "null",
        "\"quantity\":",
        "\"name\":",
        "'",
        ";--",
        "{\"$ne\":null}",
        "pm_card_chargeDeclined",
        "\u{1f600}",
        "\u{301}",
    ];
    let runtime = Runtime::new().unwrap();
    let shop = runtime.block_on(Shop::inside("in-process"));
    // What was not read of a request ends its connection: each has one of its own.
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let home = Url::parse(&shop.url).unwrap();
    let somebody = Client::new(&shop.url, 7, Role::Admin);
    testkit::fuzz("requests", &corpus, &words, |bytes| {
        let Wanted { key, method, path, body } = Wanted::read(bytes)?;
        let request = somebody.request(method.clone(), path).header("content-type", "application/json");
        let request = if key == "-" { request } else { request.header("idempotency-key", key) };
        let request = request.body(body.to_vec()).build().ok()?;
        // A path may begin so that it makes another host.
        if request.url().origin() != home.origin() {
            return None;
        }
        let place: String = request.url().path().chars().filter(|c| !c.is_ascii_digit()).take(20).collect();
        let (status, headers, body) = runtime.block_on(async {
            let answer = http.execute(request).await.unwrap();
            let (status, headers) = (answer.status(), answer.headers().clone());
            (status, headers, answer.bytes().await.unwrap())
        });
        let code = check(status, &headers, &body);
        Some((method, place, status, code))
    });
    runtime.block_on(shop.stop());
}
