//! What `/metrics` serves, and the README's table of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use testkit::{Port, TempDir};

use crate::harness::{Process, Shop, program};
use crate::settings::PROGRAMS;

/// Kind and labels of each metric.
type Metrics = BTreeMap<String, (String, BTreeSet<String>)>;

/// What a text of Prometheus has, without the values.
fn served(text: &str) -> Metrics {
    let mut metrics = Metrics::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            metrics.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
        } else if let Some((name, rest)) = line.split_once('{')
            && let Some((_, labels)) = metrics.get_mut(name)
        {
            let parts = rest.split('}').next().unwrap().split(',');
            labels.extend(parts.map(|label| label.split('=').next().unwrap().to_owned()));
        }
    }
    metrics
}

/// The table under "Metrics".
fn table() -> Metrics {
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
    let shop =
        Shop::oxcart(Arc::new(TempDir::new().unwrap()), &[("METRICS_ADDR", &address.to_string())]).await;
    let (wanted, mut found) = (table(), Metrics::new());
    // The workers of the services may have begun a moment after the servers.
    testkit::eventually("what the table lists", Duration::from_secs(10), async || {
        found = served(&first_scrape(address).await);
        found.len() >= wanted.len()
    })
    .await;
    assert_eq!(found, wanted);
    let buyer = shop.user(1);
    buyer.add(1, 1).await;
    let bought = buyer.buy("a").await;
    // An end is told of after it was written.
    testkit::eventually(
        &format!("the end of {} is counted", bought.body),
        Duration::from_secs(10),
        async || first_scrape(address).await.contains("oxcart_checkouts_ended_total{end=\"completed\"} 1"),
    )
    .await;
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
