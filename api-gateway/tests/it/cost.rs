//! What one request may cost at most, whatever it is: measured through the port, with the client and the services that
//! answer counted in, and without optimisation.

use std::time::Duration;

use allocation_counter::measure;
use proto::product;
use rustix::time::{ClockId, clock_gettime};
use testkit::figures;
use tokio::runtime::{Builder, Runtime};

use crate::owned::everything_works;
use crate::replies;
use crate::running::{Running, serve};

const MEMORY: u64 = 5 * 1024 * 1024;
const TIME: Duration = Duration::from_millis(50);

/// Processor time of this thread.
fn worked() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap())
}

/// Bytes held at the same time, and the processor time; the least of a few, since the first one pays for the
/// connections to services and the like.
fn cost(runtime: &Runtime, shop: &Running, request: &[u8]) -> (u64, Duration) {
    let once = || {
        let before = worked();
        let held = measure(|| {
            let answer = runtime.block_on(shop.raw(request));
            assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        });
        (held.bytes_max, worked() - before)
    };
    let all: Vec<_> = (0..5).map(|_| once()).collect();
    (all.iter().map(|(bytes, _)| *bytes).max().unwrap(), all.iter().map(|(_, time)| *time).min().unwrap())
}

fn head(line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n{fields}\r\n")
}

fn post(path: &str, body: &str) -> String {
    let fields = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    head(&format!("POST {path}"), &fields) + body
}

fn many(count: usize, each: impl Fn(usize) -> String) -> String {
    (0..count).map(each).collect::<Vec<_>>().join(",")
}

/// Requests at the limits of what is read at all.
fn worst() -> Vec<(&'static str, String)> {
    const ITEMS: &str = "/api/v1/cart/items";
    let product = |field: &str, value: &str| {
        let price = r#""price":{"amount":"1","currency":"USD"}"#;
        post("/api/v1/products", &format!(r#"{{"name":"a","category":"b",{price},"{field}":"{value}"}}"#))
    };
    let chunks = "1\r\n \r\n".repeat(64 * 1024 - 1) + "1\r\nx\r\n0\r\n\r\n";
    vec![
        ("a read", head("GET /api/v1/products/1", "")),
        (
            "200 fields",
            post(ITEMS, &format!("{{{}}}", many(200, |n| format!("\"{n}{}\":1", "k".repeat(300))))),
        ),
        ("6,000 fields", post(ITEMS, &format!("{{{}}}", many(6_000, |n| format!("\"{n}\":1"))))),
        ("6,000 fields of one name", post(ITEMS, &format!("{{{}}}", many(6_000, |_| "\"k\":1".to_owned())))),
        ("4,000 levels", post(ITEMS, &"{\"k\":".repeat(4_000))),
        ("30,000 arrays", post(ITEMS, &format!("{{\"k\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000)))),
        ("a long number", post(ITEMS, &format!("{{\"quantity\":{}}}", "9".repeat(64_000)))),
        ("a long fraction", post(ITEMS, &format!("{{\"quantity\":0.{}}}", "9".repeat(64_000)))),
        ("a long text", product("description", &"é".repeat(32_000))),
        ("a text of escapes", product("description", &"\\u00e9".repeat(10_000))),
        (
            "an amount of many digits",
            post(
                "/api/v1/checkout",
                &format!(
                    "{{\"expected_total\":{{\"amount\":\"{}\",\"currency\":\"USD\"}}}}",
                    "9".repeat(60_000)
                ),
            ),
        ),
        ("blanks", post(ITEMS, &" ".repeat(64 * 1024))),
        (
            "chunks of one byte",
            head(
                &format!("POST {ITEMS}"),
                "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n",
            ) + &chunks,
        ),
        ("5,000 parameters", head(&format!("GET /api/v1/products?{}", "k&".repeat(5_000)), "")),
        ("a query of escapes", head(&format!("GET /api/v1/products?q={}", "%41".repeat(5_000)), "")),
        ("a long path", head(&format!("GET /{}", "a/".repeat(7_500)), "")),
        (
            "a long token",
            head("GET /api/v1/cart", &format!("Authorization: Bearer {0}.{0}.{0}\r\n", "A".repeat(5_000))),
        ),
        (
            "a long key",
            head("POST /api/v1/checkout", &format!("Idempotency-Key: \"{}\"\r\n", "\\\\".repeat(7_000))),
        ),
        (
            "a hundred fields in the head",
            head(
                "GET /api/v1/cart",
                &(0..97).fold(String::new(), |all, n| format!("{all}x-{n}: {}\r\n", "y".repeat(150))),
            ),
        ),
        ("many tags", head("GET /api/v1/cart", &format!("If-None-Match: {}\r\n", "\"a\",".repeat(3_500)))),
        ("a page of a hundred products", head("GET /api/v1/products?page_size=100", "")),
        ("the same, compressed", head("GET /api/v1/products?page_size=100", "Accept-Encoding: gzip\r\n")),
    ]
}

#[test]
fn b2_no_request_costs_more_than_five_mib_and_fifty_milliseconds() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let shop = runtime.block_on(serve());
    everything_works(&shop.services);
    let wordy = product::Product { description: "é 0123456789".repeat(330), ..replies::product() };
    let page = product::GetProductsResponse { products: vec![wordy; 100], ..Default::default() };
    shop.services.forget("get_products");
    shop.services.replies("get_products", page);
    let costs: Vec<_> = worst()
        .iter()
        .map(|(what, request)| {
            let (bytes, time) = cost(&runtime, &shop, request.as_bytes());
            println!("{what:30} {:6} KiB {:6.1} ms", bytes / 1024, time.as_secs_f64() * 1e3);
            (*what, bytes, time)
        })
        .collect();
    let (most, dearest) =
        (costs.iter().max_by_key(|cost| cost.1).unwrap(), costs.iter().max_by_key(|cost| cost.2).unwrap());
    figures::tell(
        "cost of a request",
        format_args!(
            "of {} at the limits, the most memory is {} KiB ({}), the most processor time {:.1} ms ({})",
            costs.len(),
            most.1 / 1024,
            most.0,
            dearest.2.as_secs_f64() * 1e3,
            dearest.0
        ),
    );
    assert!(most.1 < MEMORY && dearest.2 < TIME, "{most:?}, {dearest:?}");
}
