//! What is said in logs, in metrics and in refusals: one record an event, and nothing that was sent in confidence.

use std::path::PathBuf;
use std::time::Duration;

use api_gateway::auth::{Identity, Role, Signer};
use platform::World;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Map, Value, json};
use testkit::{Port, TempDir};
use types::UserId;

use crate::harness::{Process, program};

/// In every secret and every confidence of these tests, and in nothing else.
const CANARY: &str = "canary";

/// `oxcart`, and what it says.
struct Loud {
    _process: Process,
    dir: TempDir,
    url: String,
    metrics: Port,
    _rest: Port,
    http: reqwest::Client,
}

impl Loud {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let [rest, metrics] = [(); 2].map(|()| Port::hold());
        let mut command = program("oxcart");
        command
            .env("DATA_DIR", dir.path().join("data"))
            .env("HTTP_PORT", rest.number().to_string())
            .env("GRPC_BASE_PORT", "0")
            .env("METRICS_ADDR", metrics.address().to_string())
            .envs(variables.iter().copied())
            .stderr(std::fs::File::create(Self::log_in(&dir)).unwrap());
        let process = Process::start(command);
        let url = format!("http://{}", rest.address());
        // A connection on which something was refused may be closed: each request has one of its own.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
        let loud = Self { _process: process, dir, url, metrics, _rest: rest, http };
        testkit::eventually("it answers", Duration::from_secs(30), async || {
            loud.http.get(format!("{}/health", loud.url)).send().await.is_ok()
        })
        .await;
        loud
    }

    fn log_in(dir: &TempDir) -> PathBuf {
        dir.path().join("log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(Self::log_in(&self.dir)).unwrap()
    }

    fn records(&self) -> Vec<Map<String, Value>> {
        let log = self.log();
        // The last line may be on its way.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    async fn metrics(&self) -> String {
        let page = self.http.get(format!("http://{}/metrics", self.metrics.address()));
        page.send().await.unwrap().text().await.unwrap()
    }
}

/// The first place where a text has what it must not have.
#[track_caller]
fn assert_silent(what: &str, text: &str, confidences: &[String]) {
    for confidence in confidences {
        let line = text.lines().find(|line| line.contains(confidence.as_str()));
        assert!(line.is_none(), "{confidence} is in {what}: {}", line.unwrap_or_default());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_nothing_that_was_sent_in_confidence_is_in_a_log_a_metric_or_a_refusal() {
    let secret = format!("{CANARY}-secret-that-is-long-enough-to-sign");
    let redis = format!("redis://somebody:{CANARY}-redis@127.0.0.1:1/");
    let loud = Loud::start(&[
        ("LOG_LEVEL", "trace"),
        ("JWT_SECRET", &secret),
        ("REDIS_URL", &redis),
        // As between programs: what is called goes through sockets.
        ("TRANSPORT", "tcp"),
    ])
    .await;
    let signer = Signer::new(&secret.clone().into(), None, None).unwrap();
    let identity = Identity { user_id: UserId::try_from(7).unwrap(), role: Role::Admin };
    let token = signer.issue(identity, World::real().clock.now(), Duration::from_secs(3600)).unwrap().token;
    let signature = token.rsplit('.').next().unwrap().to_owned();
    // "canary", as it is written in Basic.
    let confidences = [CANARY.to_owned(), "Y2FuYXJ5".to_owned(), signature];

    let as_user = |method, path: &str| loud.ask(method, path).bearer_auth(&token);
    let post = |path: &str, body: String| {
        as_user(Method::POST, path).header("content-type", "application/json").body(body)
    };
    let add = || post("/api/v1/cart/items", json!({"product_id": 1, "quantity": 1}).to_string());
    let address = json!({
        "name": "canary-name", "line1": "canary-street", "line2": "canary-door", "city": "canary-city",
        "postal_code": "canary-code", "country": "DE",
    });
    let buy = |key: &str, body: Value| {
        post("/api/v1/checkout", body.to_string()).header("idempotency-key", format!("canary-{key}"))
    };
    let get = |path: &str| as_user(Method::GET, path);
    let served = StatusCode::OK;
    assert_eq!(add().send().await.unwrap().status(), StatusCode::CREATED);
    let bought = buy("bought", json!({"shipping_address": address})).send().await.unwrap();
    assert_eq!(bought.status(), StatusCode::CREATED);
    let order = testkit::eventually("an order", Duration::from_secs(30), async || {
        let orders: Value = get("/api/v1/orders").send().await.unwrap().json().await.unwrap();
        orders["orders"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    let kept = get(&format!("/api/v1/orders/{order}")).send().await.unwrap().text().await.unwrap();
    assert!(kept.contains("canary-street"), "it is told to whom it belongs: {kept}");
    assert_eq!(
        post(&format!("/api/v1/orders/{order}/cancel"), String::new()).send().await.unwrap().status(),
        202
    );
    assert_eq!(get("/api/v1/products?q=canary-query").send().await.unwrap().status(), served);
    assert_eq!(
        get("/api/v1/cart").header("cookie", "session=canary-cookie").send().await.unwrap().status(),
        served
    );
    assert_eq!(
        get("/api/v1/cart").header("x-api-key", "canary-api-key").send().await.unwrap().status(),
        served
    );

    let refused: Vec<(&str, RequestBuilder)> = vec![
        ("a token", loud.ask(Method::GET, "/api/v1/cart").bearer_auth("canary.token.x")),
        ("a token cut short", loud.ask(Method::GET, "/api/v1/cart").bearer_auth(&token[..token.len() - 1])),
        ("a password", loud.ask(Method::GET, "/api/v1/cart").basic_auth("canary", Some("canary"))),
        ("a token in the query", loud.ask(Method::GET, "/api/v1/orders?access_token=canary-token")),
        ("a cursor", get("/api/v1/orders?page_token=canary-cursor")),
        ("a sort", get("/api/v1/products?sort=canary-sort")),
        ("a path", get("/canary-path")),
        ("an order", get("/api/v1/orders/canary-order")),
        (
            "a quantity",
            post("/api/v1/cart/items", json!({"product_id": 1, "quantity": "canary"}).to_string()),
        ),
        ("a note", post("/api/v1/cart/items", json!({"note": "canary"}).to_string())),
        ("no JSON", post("/api/v1/cart/items", "{\"product_id\": canary}".to_owned())),
        ("too much", post("/api/v1/cart/items", "canary".repeat(20_000))),
        ("a total", buy("total", json!({"expected_total": {"amount": "canary", "currency": "canary"}}))),
        ("a method", buy("method", json!({"payment_method": "canary-method"}))),
        ("half an address", buy("half", json!({"shipping_address": {"name": "canary"}}))),
        ("an empty cart", buy("empty", json!({}))),
        ("a key for something else", buy("bought", json!({"payment_method": "pm_card_mastercard"}))),
        ("a key of two", buy("two", json!({"idempotency_key": "canary-other"}))),
        ("a price", post("/api/v1/products", json!({"name": "canary", "price": "canary"}).to_string())),
    ];
    for (what, request) in refused {
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_client_error(), "{what}: {}", answer.status());
        let headers = format!("{:?}", answer.headers());
        let said = headers + &answer.text().await.unwrap();
        assert_silent(what, &said, &confidences);
    }
    assert_silent("the metrics", &loud.metrics().await, &confidences);
    let log = loud.log();
    assert_silent("the log", &log, &confidences);
    assert!(log.contains("\"level\":\"TRACE\"") && log.contains("REDIS_URL"), "it is talkative");
}

#[tokio::test(flavor = "multi_thread")]
async fn l2_passwords_of_engines_are_in_no_log() {
    let engine = |scheme: &str, of: &str| format!("{scheme}://somebody:{CANARY}-{of}@127.0.0.1:1/shop");
    let loud = Loud::start(&[
        ("LOG_LEVEL", "trace"),
        ("DATABASE_URL", &engine("postgres", "postgres")),
        ("MONGO_URI", &engine("mongodb", "mongo")),
    ])
    .await;
    let asked_for = ["DATABASE_URL", "MONGO_URI"];
    testkit::eventually("both engines are missed", Duration::from_secs(60), async || {
        let log = loud.log();
        asked_for.iter().all(|name| log.contains(name))
    })
    .await;
    let ready =
        loud.http.get(format!("{}/health/ready", loud.url)).send().await.unwrap().text().await.unwrap();
    for (what, text) in
        [("the log", loud.log()), ("the metrics", loud.metrics().await), ("the readiness", ready)]
    {
        assert_silent(what, &text, &[CANARY.to_owned()]);
    }
    for (variable, value) in [
        ("DATABASE_URL", format!("postgres://somebody:{CANARY}@[half/an/address")),
        ("MONGO_URI", format!("mongodb://somebody:{CANARY}@a:no-port/")),
        ("REDIS_URL", format!("http://somebody:{CANARY}@127.0.0.1/")),
        ("JWT_SECRET", CANARY.to_owned()),
    ] {
        let dir = TempDir::new().unwrap();
        let mut command = program("oxcart");
        command
            .env("DATA_DIR", dir.path())
            .env("HTTP_PORT", "0")
            .env("GRPC_BASE_PORT", "0")
            .env(variable, value);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!output.status.success(), "{variable}: {said}");
        assert!(said.contains(variable), "{said}");
        assert_silent(variable, &said, &[CANARY.to_owned()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn l1_whatever_a_client_sends_a_request_has_one_record() {
    let loud = Loud::start(&[("LOG_LEVEL", "info"), ("AUTH_MODE", "dev")]).await;
    let long = "x".repeat(8_000);
    let odd: Vec<RequestBuilder> = vec![
        loud.ask(Method::GET, "/api/v1/products?q=%0a{%22level%22:%22admin%22}%0d%0a%1b[31m"),
        loud.ask(Method::GET, "/api/v1/%0a%7b%22level%22%3a%22admin%22%7d"),
        loud.ask(Method::GET, &format!("/api/v1/products?q={long}")),
        loud.ask(Method::GET, &format!("/api/v1/{long}")),
        loud.ask(Method::from_bytes(&long.as_bytes()[..1_000]).unwrap(), "/api/v1/cart"),
        loud.ask(Method::GET, "/api/v1/cart").header("authorization", format!("Bearer {long}")),
        loud.ask(Method::GET, "/api/v1/cart").header("user-agent", "\t{\"level\":\"admin\"}"),
        loud.ask(Method::POST, "/api/v1/cart/items")
            .json(&json!({"note\n{\"level\":\"admin\"}": long.repeat(7)})),
        loud.ask(Method::POST, "/api/v1/cart/items").body(long.repeat(150)),
        loud.ask(Method::POST, "/api/v1/checkout")
            .json(&json!({"idempotency_key": "\n\u{1b}[31m{\"level\":\"admin\"}"})),
    ];
    let ids: Vec<String> = (0..odd.len()).map(|n| format!("{{\"level\":\"admin\"}},{n}")).collect();
    for (id, request) in ids.iter().zip(odd) {
        assert!(request.header("x-request-id", id).send().await.unwrap().status().as_u16() < 500);
    }
    let of = |records: &[Map<String, Value>], id: &str| {
        records.iter().filter(|record| record["message"] == "request" && record["request_id"] == id).count()
    };
    let records = testkit::eventually("all requests are in the log", Duration::from_secs(30), async || {
        let records = loud.records();
        ids.iter().all(|id| of(&records, id) > 0).then_some(records)
    })
    .await;
    for id in &ids {
        assert_eq!(of(&records, id), 1, "{id}");
    }
    for record in &records {
        let level = record["level"].as_str().unwrap();
        assert!(["ERROR", "WARN", "INFO"].contains(&level), "{record:?}");
    }
    for line in loud.log().lines() {
        assert!(line.len() < 2_000 && !line.contains(char::is_control), "{line}");
    }
}
