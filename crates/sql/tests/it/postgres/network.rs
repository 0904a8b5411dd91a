//! What a network does to calls.

use std::time::{Duration, Instant};

use futures::future::join_all;
use platform::metrics::Metrics;
use sql::Error;
use sql::postgres::{Connection, Database};
use sqlx::Executor as _;
use testkit::{Proxy, Weather, eventually};

use super::{OLD, SCHEMA, add, add_slowly, is_there, names, scratch, server};
use crate::SOON;

/// What a caller is promised to learn of an outage in, with room for a busy machine.
const PROMPT: Duration = Duration::from_millis(2500);

/// As many connections as the pool has places, made one after the other.
async fn every_connection(database: &Database) -> Vec<Connection> {
    let mut connections = Vec::new();
    while connections.len() < 8 {
        connections.push(eventually("a connection", SOON, async || database.connection().await.ok()).await);
    }
    connections
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for() {
    let Some(scratch) = scratch().await else { return };
    let proxy = Proxy::refusing(&scratch.server().url);
    let began = Instant::now();
    let database = Database::open(&server(proxy.url()), SCHEMA, &OLD, &Metrics::default()).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(matches!(add(&database, "lamp").await, Err(Error::Unavailable(_))));
    assert!(matches!(database.ping().await, Err(Error::Unavailable(_))));

    proxy.listen();
    is_there(&database).await;
    add(&database, "lamp").await.unwrap();
    assert_eq!(names(&scratch).await, ["lamp"]);
    database.close().await;
    scratch.drop().await.unwrap();
}

#[tokio::test]
async fn nobody_waits_for_a_server_once_the_database_is_closed() {
    let Some(scratch) = scratch().await else { return };
    let proxy = Proxy::refusing(&scratch.server().url);
    let database = Database::open(&server(proxy.url()), SCHEMA, &OLD, &Metrics::default()).await.unwrap();
    let began = Instant::now();
    database.close().await;
    assert!(began.elapsed() < PROMPT);
    scratch.drop().await.unwrap();
}

#[tokio::test]
async fn a_silent_server_is_found_out_in_two_seconds_by_all_callers_and_used_again_when_it_speaks() {
    let Some(scratch) = scratch().await else { return };
    let proxy = Proxy::new(&scratch.server().url);
    let database = Database::open(&server(proxy.url()), SCHEMA, &OLD, &Metrics::default()).await.unwrap();
    drop(every_connection(&database).await);

    proxy.becomes(Weather::Silent);
    for round in 0..3 {
        let began = Instant::now();
        let calls = join_all((0..20).map(|call| {
            let (database, name) = (database.clone(), format!("{round} {call}"));
            async move { add(&database, &name).await }
        }));
        for answer in calls.await {
            assert!(matches!(answer, Err(Error::Unknown(_) | Error::Unavailable(_))), "{answer:?}");
        }
        assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    }

    proxy.becomes(Weather::Fair);
    is_there(&database).await;
    add(&database, "lamp").await.unwrap();
    assert!(names(&scratch).await.contains(&"lamp".to_owned()));
    database.close().await;
    scratch.drop().await.unwrap();
}

#[tokio::test]
async fn a_pool_of_dead_connections_makes_way_for_living_ones() {
    let Some(scratch) = scratch().await else { return };
    let proxy = Proxy::new(&scratch.server().url);
    let database = Database::open(&server(proxy.url()), SCHEMA, &OLD, &Metrics::default()).await.unwrap();
    let connections = every_connection(&database).await;
    proxy.becomes(Weather::Silent);
    // Each is given back in the middle of something that is never answered.
    let calls = connections.into_iter().map(|mut connection| async move {
        let call = connection.execute("SELECT 1");
        assert!(tokio::time::timeout(Duration::from_millis(10), call).await.is_err());
    });
    join_all(calls).await;
    // Their places are free again although not one of them has ended.
    proxy.forgets();
    is_there(&database).await;
    drop(every_connection(&database).await);
    database.close().await;
    scratch.drop().await.unwrap();
}

/// Else a server that takes longer to connect than callers wait would never be reached by many at once.
#[tokio::test]
async fn connections_that_nobody_waits_for_any_more_are_made_nevertheless() {
    let Some(scratch) = scratch().await else { return };
    let proxy = Proxy::new(&scratch.server().url);
    let database = Database::open(&server(proxy.url()), SCHEMA, &OLD, &Metrics::default()).await.unwrap();
    proxy.becomes(Weather::Silent);
    let began = Instant::now();
    let refused = join_all((0..8).map(|_| database.connection())).await;
    assert!(refused.iter().all(|refused| matches!(refused, Err(Error::Unavailable(_)))));
    assert!(began.elapsed() < PROMPT);

    proxy.becomes(Weather::Fair);
    let mut witness = scratch.connect(SCHEMA).await.unwrap();
    eventually("all connections", SOON, async || {
        let count = "SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = 'oxcart things'";
        sqlx::query_scalar::<_, i64>(count).fetch_one(&mut witness).await.unwrap() == 8
    })
    .await;
    is_there(&database).await;
    add(&database, "lamp").await.unwrap();
    database.close().await;
    scratch.drop().await.unwrap();
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_unknown_and_may_have_been_made() {
    let Some(scratch) = scratch().await else { return };
    let proxy = Proxy::new(&scratch.server().url);
    let database = Database::open(&server(proxy.url()), SCHEMA, &OLD, &Metrics::default()).await.unwrap();
    is_there(&database).await;

    let mut transaction = database.begin().await.unwrap();
    transaction.execute("INSERT INTO things (name) VALUES ('lamp')").await.unwrap();
    proxy.becomes(Weather::LosesAnswers);
    let lost = transaction.commit().await.unwrap_err();
    assert!(matches!(lost, Error::Unknown(_)), "{lost:?}");
    let made = async || names(&scratch).await == ["lamp"];
    eventually("what nobody was told", SOON, made).await;

    proxy.becomes(Weather::Fair);
    is_there(&database).await;
    let mut connection = database.connection().await.unwrap();
    proxy.becomes(Weather::LosesAnswers);
    let lost = connection.execute("INSERT INTO things (name) VALUES ('sofa')").await.unwrap_err();
    let lost = Error::of_autocommit(lost);
    assert!(matches!(lost, Error::Unknown(_)), "{lost:?}");
    let made = async || names(&scratch).await == ["lamp", "sofa"];
    eventually("what nobody was told", SOON, made).await;
    drop(connection);

    // Inside of a transaction nothing is unknown: without a commit it is undone.
    proxy.becomes(Weather::Fair);
    is_there(&database).await;
    let mut transaction = database.begin().await.unwrap();
    proxy.becomes(Weather::LosesAnswers);
    let lost = transaction.execute("INSERT INTO things (name) VALUES ('rug')").await.unwrap_err();
    assert!(matches!(Error::from(lost), Error::Unavailable(_)));
    drop(transaction);
    proxy.becomes(Weather::Fair);
    let added = async || add_slowly(&database, "rug").await.is_ok();
    eventually("the server", SOON, added).await;
    database.close().await;
    scratch.drop().await.unwrap();
}
