//! What `/metrics` serves, and the README's table of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use testkit::{Port, TempDir};

use crate::client::Client;
use crate::harness::{Process, Shop, program};
use crate::settings::PROGRAMS;

/// Kind and labels of each metric.
pub(crate) type Metrics = BTreeMap<String, (String, BTreeSet<String>)>;

/// What a text of Prometheus has, without the values.
fn served(text: &str) -> Metrics {
    let mut metrics = Metrics::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            metrics.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
        } else if let Some((series, rest)) = line.split_once('{') {
            // A histogram has several series, and where a bucket ends is no label of ours.
            let name = ["_bucket", "_sum", "_count"].iter().find_map(|part| series.strip_suffix(part));
            let name = name.filter(|name| metrics.contains_key(*name)).unwrap_or(series);
            let Some((_, labels)) = metrics.get_mut(name) else { continue };
            let parts = rest.split('}').next().unwrap().split(',');
            let names = parts.map(|label| label.split('=').next().unwrap().to_owned());
            labels.extend(names.filter(|label| label != "le"));
        }
    }
    metrics
}

/// The table under "Metrics".
pub(crate) fn table() -> Metrics {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let section = readme.split("\n## Metrics").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = cells[3].split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), labels))
    })
    .collect()
}

async fn scrape(address: SocketAddr) -> Option<String> {
    let answer = reqwest::get(format!("http://{address}/metrics")).await.ok()?;
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    answer.text().await.ok()
}

async fn first_scrape(address: SocketAddr) -> String {
    testkit::eventually("metrics", Duration::from_secs(30), async || scrape(address).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_lists_what_is_served() {
    let port = Port::hold();
    let address = port.address();
    let served_at = address.to_string();
    let variables = [("METRICS_ADDR", served_at.as_str()), ("RATE_LIMIT_RPS", "1000")];
    let shop = Shop::oxcart(Arc::new(TempDir::new().unwrap()), &variables).await;
    let (admin, buyer) = (shop.admin(), shop.user(1));
    let product = admin.stock_new("Lamp", 3).await;
    buyer.add(product, 2).await;
    let declined = json!({ "payment_method": "pm_card_chargeDeclined" });
    assert_eq!(Client::send(buyer.checkout("declined", &declined)).await.unwrap().status, 402);
    assert_eq!(buyer.buy("a").await.status, 201);
    // A cart that still has what was bought is not bought again.
    buyer.cart_becomes(&[]).await;
    buyer.add(product, 2).await;
    assert_eq!(buyer.buy("too many").await.status, 409);

    // What happened is counted after it was written, by whoever did it.
    let counted = [
        "oxcart_checkouts_ended_total{end=\"completed\"} 1",
        "oxcart_checkouts_ended_total{end=\"failed\"} 2",
        "oxcart_checkout_duration_seconds_count{end=\"failed\"} 2",
        "oxcart_checkout_step_duration_seconds_count{state=\"CAPTURING\"} 1",
        "oxcart_checkout_compensations_total{code=\"insufficient_stock\"} 1",
        "oxcart_stock_shortages_total 1",
        "oxcart_payments_declined_total{code=\"card_declined\"} 1",
        "oxcart_payments_total{outcome=\"captured\"} 1",
        "oxcart_orders_total{status=\"CONFIRMED\"} 1",
        "oxcart_revenue_minor_units_total{currency=\"USD\"} 2000",
        "oxcart_events_applied_total{group=\"orders-service\"} 3",
        "oxcart_events_applied_total{group=\"cart-service\"} 3",
        "oxcart_consumer_lag_events{group=\"orders-service\"} 0",
        "oxcart_consumer_lag_events{group=\"cart-service\"} 0",
        "oxcart_cache_lookups_total{cache=\"tokens\",result=\"bypass\"} 0",
    ];
    let stores = ["product", "cart", "inventory", "payment", "provider", "orders", "checkout", "events"];
    let pools = stores.map(|store| {
        format!("db_client_connection_timeouts_total{{db_client_connection_pool_name=\"{store}\"}} 0")
    });
    let requests = [201, 402, 409].map(|status| {
        let labels = "http_request_method=\"POST\",http_route=\"/api/v1/checkout\"";
        format!(
            "http_server_request_duration_seconds_count{{{labels},http_response_status_code=\"{status}\"}} 1"
        )
    });
    for line in counted.into_iter().chain(pools.iter().chain(&requests).map(String::as_str)) {
        let is_served = async || first_scrape(address).await.lines().any(|served| served == line);
        testkit::eventually(line, Duration::from_secs(20), is_served).await;
    }
    assert_eq!(served(&first_scrape(address).await), table());
    // A command beside the shop does not want its port.
    let mut command = program("oxcart");
    command.env("DATA_DIR", shop.settings().data_dir.as_path()).env("METRICS_ADDR", address.to_string());
    let audit = command.arg("audit").stderr(Stdio::inherit()).output().unwrap();
    assert!(audit.status.success());
    // Another program does, and says which variable to change.
    let other = program("product-service").env("METRICS_ADDR", address.to_string()).output().unwrap();
    let said = String::from_utf8(other.stderr).unwrap();
    let wanted = format!("product-service: can't listen on {address}, choose another METRICS_ADDR: ");
    assert!(said.lines().any(|line| line.starts_with(&wanted)), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_program_says_which_one_it_is() {
    let dir = TempDir::new().unwrap();
    let ports = Port::hold_some(PROGRAMS.len());
    let mut running = Vec::new();
    for (name, port) in PROGRAMS.iter().zip(&ports) {
        let mut command = program(name);
        let variables = [("GRPC_PORT", "0"), ("GRPC_BASE_PORT", "0"), ("HTTP_PORT", "0")];
        command
            .envs(variables)
            .env("DATA_DIR", dir.path().join(name))
            .env("METRICS_ADDR", port.address().to_string())
            .env("AUTH_MODE", "dev");
        running.push(Process::start(command));
    }
    for (name, port) in PROGRAMS.iter().zip(&ports) {
        let text = first_scrape(port.address()).await;
        assert!(text.contains(&format!("oxcart_build_info{{program=\"{name}\",")), "{name}: {text}");
    }
}
