//! What is told of connections.

use futures::FutureExt as _;
use futures::future::{join_all, pending};
use platform::metrics::Metrics;
use sql::Error;
use sql::postgres::Database;
use testkit::{Proxy, Weather};

use super::{OLD, SCHEMA, is_there, scratch, server};
use crate::told::{are, connections, value};

/// As many as may have their turn at once.
const TURNS: usize = 8;

#[tokio::test]
async fn connections_are_idle_used_or_waited_for() {
    let Some(scratch) = scratch().await else { return };
    let metrics = Metrics::default();
    let database = Database::open(scratch.server(), SCHEMA, &OLD, &metrics).await.unwrap();
    is_there(&database).await;
    assert_eq!(value(&metrics, "db_client_connection_max", "pool_name=\"things\""), 10.0);
    are(&metrics, [0.0, 1.0, 0.0]).await;
    let connection = database.connection().await.unwrap();
    assert_eq!(connections(&metrics), [1.0, 0.0, 0.0]);
    drop(connection);
    are(&metrics, [0.0, 1.0, 0.0]).await;
    // A transaction is undone on the way back, and counts as used until it is.
    let transaction = database.begin().await.unwrap();
    drop(transaction);
    assert_eq!(connections(&metrics), [1.0, 0.0, 0.0]);
    are(&metrics, [0.0, 1.0, 0.0]).await;
    database.close().await;
    assert_eq!(connections(&metrics), [0.0, 0.0, 0.0]);
    scratch.drop().await.unwrap();
}

#[tokio::test]
async fn calls_that_wait_for_their_turn_are_counted() {
    let Some(scratch) = scratch().await else { return };
    let metrics = Metrics::default();
    let database = Database::open(scratch.server(), SCHEMA, &OLD, &metrics).await.unwrap();
    is_there(&database).await;
    are(&metrics, [0.0, 1.0, 0.0]).await;
    let waits = || value(&metrics, "db_client_connection_wait_time_seconds_count", "");
    let before = waits();
    let busy = || database.within("SELECT tests", pending::<Result<(), Error>>());
    let mut calls: Vec<_> = (0..TURNS + 2).map(|_| Box::pin(busy())).collect();
    for call in &mut calls {
        assert!(call.now_or_never().is_none());
    }
    assert_eq!(connections(&metrics), [0.0, 1.0, 2.0]);
    assert_eq!(waits() - before, TURNS as f64);
    // One is over, the next has its turn, and the last one gives up.
    drop(calls.remove(0));
    for call in &mut calls {
        assert!(call.now_or_never().is_none());
    }
    assert_eq!(connections(&metrics), [0.0, 1.0, 1.0]);
    assert_eq!(waits() - before, TURNS as f64 + 1.0);
    drop(calls);
    assert_eq!(connections(&metrics), [0.0, 1.0, 0.0]);
    assert_eq!(value(&metrics, "db_client_connection_timeouts_total", ""), 0.0);
    database.close().await;
    scratch.drop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_went_silent_has_callers_that_wait_in_vain_and_no_connections() {
    let Some(scratch) = scratch().await else { return };
    let (proxy, metrics) = (Proxy::new(&scratch.server().url), Metrics::default());
    let database = Database::open(&server(proxy.url()), SCHEMA, &OLD, &metrics).await.unwrap();
    proxy.becomes(Weather::Silent);
    let mut refused = Box::pin(join_all((0..TURNS).map(|_| database.connection())));
    assert!((&mut refused).now_or_never().is_none());
    assert_eq!(connections(&metrics), [0.0, 0.0, 8.0]);
    assert!(refused.await.iter().all(Result::is_err));
    assert_eq!(value(&metrics, "db_client_connection_timeouts_total", ""), 8.0);
    assert_eq!(connections(&metrics), [0.0, 0.0, 0.0]);
    database.close().await;
    proxy.becomes(Weather::Fair);
    scratch.drop().await.unwrap();
}
