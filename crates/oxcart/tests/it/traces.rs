//! A purchase as a trace: who took part, below what, and that nothing is missing; and as log lines.

mod tree;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::{Authority, Collector, TempDir, eventually};

use crate::client::Client;
use crate::harness::{LINES, Shop, program};
use tree::{PARENT, TRACE, Tree};

const REQUEST_ID: &str = "purchase-1";

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_one_trace_in_one_process() {
    for transport in ["in-process", "tcp"] {
        let watch = Watch::new().await;
        let mut variables = watch.variables();
        variables.push(("TRANSPORT".to_owned(), transport.to_owned()));
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (&**name, &**value)).collect();
        let shop = Shop::oxcart(Arc::new(TempDir::new().unwrap()), &variables).await;
        a_purchase(&shop, &watch, "oxcart").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_one_trace_through_seven_programs() {
    let watch = Watch::new().await;
    let shop = Shop::programs_with(&watch.variables()).await;
    a_purchase(&shop, &watch, "oxcart").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_one_trace_on_the_engines() {
    let watch = Watch::new().await;
    let Some(shop) = Shop::on_engines_with(&watch.variables()).await else { return };
    let tree = a_purchase(&shop, &watch, "kafka").await;
    let asked: BTreeSet<&str> = tree.spans().map(|span| span.attribute("db.system.name")).collect();
    assert_eq!(asked, ["", "mongodb", "postgresql", "redis"].into());
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_that_are_taken_later_follow_from_the_request_that_began_them() {
    let watch = Watch::new().await;
    let shop = Shop::programs_with(&watch.variables()).await;
    // Its provider fails twice, so that the timer takes the step again.
    let bought = buy(&shop, "pm_sim_unavailable").await;
    assert_eq!(bought.status, StatusCode::CREATED, "{bought:?}");
    let tree = watch.tree(&["checkout CAPTURING", "process checkout-events"]).await;
    let attempts = tree.named("checkout AUTHORIZING");
    assert!(attempts.len() > 1, "{tree}");
    for attempt in attempts {
        let began = tree.parent(attempt).unwrap();
        assert_eq!((&*began.service, began.kind), ("checkout-service", SpanKind::Server), "{tree}");
        let links = if attempt.attribute("oxcart.checkout.attempt") == "1" {
            vec![]
        } else {
            vec![began.span_id.clone()]
        };
        assert_eq!(attempt.links, links, "{tree}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_after_a_crash_follow_from_the_request_that_began_them() {
    let watch = Watch::new().await;
    let mut shop = Shop::programs_with(&watch.variables()).await;
    let place = shop.place_of("checkout-service");
    let killed = async {
        // It is with the provider, which takes its time.
        let begun = |name: &str| watch.collector.trace(TRACE).into_iter().find(|span| span.name == name);
        let reserving = async || begun("checkout RESERVING");
        let reserving = eventually("the first step", SOON, reserving).await;
        shop.signal(place, Signal::KILL);
        reserving
    };
    let (_, before) = tokio::join!(buy(&shop, "pm_sim_slow"), killed);
    eventually("the end of the program", SOON, async || shop.has_ended(place)).await;
    shop.start_again(place);
    shop.user(7).orders(1).await;
    let after = eventually("the last step", SOON, async || {
        watch.collector.trace(TRACE).into_iter().find(|span| span.name == "checkout CAPTURING")
    })
    .await;
    // Who died has not told of the request itself, but all agree which one it was.
    assert_eq!((&after.parent_id, &after.links), (&before.parent_id, &vec![before.parent_id.clone()]));
    assert_eq!(before.links, Vec::<String>::new());
}

#[test]
fn a_collector_that_cant_be_used_stops_the_start() {
    for (variable, value, told) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "it has no http:// or https:// in front"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector:4317", "ftp:// is not spoken"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "wanted: always_on or always_off or traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "it is no share of 1"),
    ] {
        let output = program("product-service").env(variable, value).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with(&format!("{variable}={value} can't be used")), "{error}");
        assert!(error.contains(told) && error.lines().count() == 1, "{error}");
        assert_eq!(output.status.code(), Some(2));
    }
}

/// One on the web wants TLS and a key of who sends.
#[tokio::test(flavor = "multi_thread")]
async fn a_hosted_collector_gets_spans_by_tls_and_with_headers() {
    let (ca, dir) = (Authority::new(), TempDir::new().unwrap());
    let roots = dir.path().join("ca.crt");
    std::fs::write(&roots, ca.pem()).unwrap();
    let collector = Collector::start_secured(&ca.sign(&["localhost"])).await;
    let url = collector.url();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", roots.to_str().unwrap()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=key%20of%20ours,x-team=shop"),
    ];
    let shop = Shop::oxcart(Arc::new(TempDir::new().unwrap()), &variables).await;
    shop.user(7).get("/api/v1/products").await;
    let arrived = async || collector.spans().iter().any(|span| span.name == "GET /api/v1/products");
    eventually("a request", SOON, arrived).await;
    let headers = ["api-key", "x-team"].map(|name| collector.header(name));
    assert_eq!(headers, [Some("key of ours".to_owned()), Some("shop".to_owned())]);
}

/// Where the spans and the lines of a shop go.
struct Watch {
    collector: Collector,
    dir: TempDir,
}

impl Watch {
    async fn new() -> Self {
        Self { collector: Collector::start().await, dir: TempDir::new().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("lines")
    }

    fn variables(&self) -> Vec<(String, String)> {
        let file = self.file().to_str().unwrap().to_owned();
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", self.collector.url()),
            ("LOG_LEVEL", "info".to_owned()),
            (LINES, file),
        ];
        variables.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// What has arrived of the purchase, once spans of these names have, each as often as it is named, and none lacks
    /// its parent.
    async fn tree(&self, wanted: &[&str]) -> Tree {
        eventually("the whole trace", SOON, async || {
            let tree = Tree::of(self.collector.trace(TRACE));
            let count = |name| wanted.iter().filter(|wanted| **wanted == name).count();
            let is_there = wanted.iter().all(|name| tree.named(name).len() >= count(*name));
            (is_there && tree.orphans().is_empty()).then_some(tree)
        })
        .await
    }

    /// All lines that were logged.
    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.file()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }
}

async fn buy(shop: &Shop, method: &str) -> crate::client::Reply {
    let user = shop.user(7);
    let product = shop.admin().stock_new("Lamp", 5).await;
    user.add(product, 2).await;
    let request = user.checkout("a", &json!({ "payment_method": method }));
    let request = request.header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    Client::send(request.header("x-request-id", REQUEST_ID)).await.unwrap()
}

async fn a_purchase(shop: &Shop, watch: &Watch, log: &str) -> Tree {
    let bought = buy(shop, "pm_card_visa").await;
    assert_eq!(bought.status, StatusCode::CREATED, "{bought:?}");
    shop.user(7).orders(1).await;
    shop.user(7).cart_becomes(&[]).await;
    // The programs send what they have independently: the last of each has to be there, and both sides of each call.
    let twice = [
        "cart.CartService/GetCart",
        "product.ProductService/BatchGetProducts",
        "inventory.InventoryService/Confirm",
        "payment.PaymentService/Capture",
        "process checkout-events",
    ];
    let once = ["POST /api/v1/checkout", "send order-events", "UPDATE reservations"];
    let tree = watch.tree(&[&once[..], &twice, &twice].concat()).await;
    tree.is_a_purchase();
    for span in tree.spans().filter(|span| matches!(span.kind, SpanKind::Producer | SpanKind::Consumer)) {
        assert_eq!(span.attribute("messaging.system"), log, "{tree}");
    }
    told(&watch.lines());
    given_back(shop, watch).await;
    tree
}

/// The order is looked for by somebody else, then cancelled by its owner: the lines say whom each call is about, and
/// what goes on after the request has its id.
async fn given_back(shop: &Shop, watch: &Watch) {
    let order = shop.user(7).orders(1).await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/orders/{order}");
    let ask = async |user, method, path: &str, id: &str| {
        let request = shop.user(user).request(method, path).header("x-request-id", id);
        Client::send(request).await.unwrap().status
    };
    assert_eq!(ask(8, Method::GET, &path, "look-1").await, StatusCode::NOT_FOUND);
    let named = async || {
        let names: Vec<String> = watch.collector.spans().into_iter().map(|span| span.name).collect();
        assert!(!names.iter().any(|name| name.contains(&order)), "what somebody looks at is his business");
        names.iter().any(|name| name == "GET /api/v1/orders/{id}")
    };
    eventually("the span of the request", SOON, named).await;
    assert_eq!(ask(7, Method::POST, &format!("{path}/cancel"), "return-1").await, StatusCode::ACCEPTED);
    let ended = async || watch.lines().into_iter().find(|line| line["message"] == "order cancelled");
    let ended = eventually("the end of the cancellation", SOON, ended).await;
    assert_eq!(ended["span"]["request_id"], "return-1", "{ended}");
    let lines = watch.lines();
    assert_eq!(calls(&lines, "look-1"), [("orders", "GetOrder", Some(8))].into());
    let wanted =
        [("orders", "CancelOrder", Some(7)), ("payment", "Refund", Some(7)), ("inventory", "Restock", None)];
    assert_eq!(calls(&lines, "return-1"), wanted.into());
    // What a service says by the way belongs to the call.
    let [call, by_the_way] = ["call", "order is being cancelled"].map(|message| {
        let of_it =
            |line: &&Value| [&line["request_id"], &line["span"]["request_id"]].contains(&&json!("return-1"));
        lines.iter().filter(of_it).find(|line| line["message"] == message).unwrap()
    });
    assert!(call["trace_id"].is_string(), "{call}");
    assert_eq!(by_the_way["span"]["trace_id"], call["trace_id"]);
}

/// The calls of a request, with whom each is about.
fn calls<'l>(lines: &'l [Value], request_id: &str) -> BTreeSet<(&'l str, &'l str, Option<i64>)> {
    let calls = lines.iter().filter(|line| line["message"] == "call" && line["request_id"] == request_id);
    calls
        .map(|line| {
            let [program, method] = ["program", "method"].map(|name| line[name].as_str().unwrap());
            (program, method, line["user_id"].as_i64())
        })
        .collect()
}

/// Each call of the purchase is a line with its request's id and trace.
fn told(lines: &[Value]) {
    let of_it: Vec<&Value> = lines.iter().filter(|line| line["request_id"] == REQUEST_ID).collect();
    let request: Vec<&&Value> = of_it.iter().filter(|line| line["message"] == "request").collect();
    assert_eq!(request.len(), 1, "{of_it:?}");
    let noted = ["method", "route", "status", "user_id", "trace_id"].map(|name| &request[0][name]);
    let wanted = [json!("POST"), json!("/api/v1/checkout"), json!(201), json!(7), json!(TRACE)];
    assert_eq!(noted, wanted.each_ref());
    assert!(request[0]["duration_ms"].as_f64().unwrap() > 0.0);
    for line in of_it.iter().filter(|line| line["message"] == "call") {
        assert_eq!((&line["status"], &line["trace_id"]), (&json!("Ok"), &json!(TRACE)), "{line}");
        assert!(
            line["duration_ms"].is_f64() && line["span"].is_null(),
            "the caller's span is not its own: {line}"
        );
    }
    // Goods are nobody's.
    let wanted = [
        ("checkout", "InitiateCheckout", Some(7)),
        ("cart", "GetCart", Some(7)),
        ("product", "BatchGetProducts", None),
        ("inventory", "Reserve", None),
        ("payment", "Authorize", Some(7)),
        ("inventory", "Confirm", None),
        ("payment", "Capture", Some(7)),
    ];
    assert_eq!(calls(lines, REQUEST_ID), wanted.into());
    // What is done for the purchase when nobody waits says so too.
    for message in ["checkout ended", "order made"] {
        let line = lines.iter().find(|line| line["message"] == message).unwrap();
        assert_eq!(
            (&line["span"]["request_id"], &line["span"]["trace_id"]),
            (&json!(REQUEST_ID), &json!(TRACE))
        );
    }
}
