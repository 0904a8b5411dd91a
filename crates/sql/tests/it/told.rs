//! What is told of connections and writes.

use futures::FutureExt as _;
use platform::metrics::Metrics;
use sql::sqlite::{Database, Sharing};
use sqlx::Executor as _;
use testkit::{TempDir, eventually};
use tokio::task::JoinSet;

use crate::writer::hold;
use crate::{OLD, SOON, add};

/// A number as it is served, by its name and what its labels contain.
pub(crate) fn value(metrics: &Metrics, name: &str, having: &str) -> f64 {
    let text = metrics.text();
    let series = text.lines().find(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{') && rest.contains(having))
    });
    let value = series.and_then(|line| line.rsplit(' ').next());
    value.unwrap_or_else(|| panic!("{name} of {having} in {text}")).parse().unwrap()
}

/// Used and idle connections, and callers that wait for one.
pub(crate) fn connections(metrics: &Metrics) -> [f64; 3] {
    let count = |state| value(metrics, "db_client_connection_count", &format!("state=\"{state}\""));
    [count("used"), count("idle"), value(metrics, "db_client_connection_pending_requests", "")]
}

pub(crate) async fn are(metrics: &Metrics, wanted: [f64; 3]) {
    eventually(&format!("{wanted:?} connections"), SOON, async || connections(metrics) == wanted).await;
}

async fn database(metrics: &Metrics) -> (TempDir, Database) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("shop.db");
    let database = Database::open(&path, &OLD, Sharing::Exclusive, metrics).await.unwrap();
    (directory, database)
}

#[tokio::test]
async fn readers_are_idle_used_or_waited_for() {
    let metrics = Metrics::default();
    let (_directory, database) = database(&metrics).await;
    let max = value(&metrics, "db_client_connection_max", "pool_name=\"shop\"");
    assert_eq!(connections(&metrics), [0.0, 0.0, 0.0]);
    let mut readings = Vec::new();
    for _ in 0..max as usize {
        readings.push(database.read("SELECT tests").await.unwrap());
    }
    assert_eq!(connections(&metrics), [max, 0.0, 0.0]);
    let mut waiting = Box::pin(database.read("SELECT tests"));
    assert!((&mut waiting).now_or_never().is_none());
    assert_eq!(connections(&metrics), [max, 0.0, 1.0]);

    // One gives up, another gets what is given back.
    drop(waiting);
    assert_eq!(connections(&metrics), [max, 0.0, 0.0]);
    let waiting = database.read("SELECT tests");
    drop(readings.pop());
    let mut reading = waiting.await.unwrap();
    reading.execute("SELECT 1").await.unwrap();
    assert_eq!(connections(&metrics), [max, 0.0, 0.0]);
    assert_eq!(value(&metrics, "db_client_connection_wait_time_seconds_count", ""), max + 1.0);
    drop((reading, readings));
    assert_eq!(connections(&metrics), [0.0, max, 0.0]);
    assert_eq!(value(&metrics, "db_client_connection_timeouts_total", ""), 0.0);
    database.close().await;
    assert_eq!(connections(&metrics), [0.0, 0.0, 0.0]);
}

#[tokio::test]
async fn who_waits_for_a_reader_in_vain_is_counted() {
    let metrics = Metrics::default();
    let (_directory, database) = database(&metrics).await;
    let max = value(&metrics, "db_client_connection_max", "");
    let mut readings = Vec::new();
    for _ in 0..max as usize {
        readings.push(database.read("SELECT tests").await.unwrap());
    }
    tokio::time::pause();
    assert!(database.read("SELECT tests").await.is_err());
    assert_eq!(value(&metrics, "db_client_connection_timeouts_total", ""), 1.0);
    assert_eq!(value(&metrics, "db_client_connection_wait_time_seconds_count", ""), max);
    assert_eq!(connections(&metrics), [max, 0.0, 0.0]);
}

#[tokio::test]
async fn writes_are_counted_while_they_wait_and_with_what_they_shared() {
    let metrics = Metrics::default();
    let (_directory, database) = database(&metrics).await;
    let waiting = || value(&metrics, "oxcart_writes_waiting", "store=\"shop\"");
    let mut tasks = JoinSet::new();
    let release = hold(&database, &mut tasks).await;
    assert_eq!(waiting(), 0.0, "its turn has come");
    let mut writes = JoinSet::new();
    for number in 0..3 {
        let database = database.clone();
        writes.spawn(async move { add(&database, &format!("thing {number}")).await });
    }
    eventually("three writes that wait", SOON, async || waiting() == 3.0).await;
    drop(release);
    assert!(writes.join_all().await.iter().all(Result::is_ok));
    assert_eq!(waiting(), 0.0);
    let done = || ["oxcart_writes_total", "oxcart_write_batches_total"].map(|name| value(&metrics, name, ""));
    assert_eq!(done(), [4.0, 1.0]);
    add(&database, "alone").await.unwrap();
    assert_eq!(done(), [5.0, 2.0]);
    database.close().await;
    assert!(add(&database, "too late").await.is_err());
    assert_eq!(waiting(), 0.0);
}
