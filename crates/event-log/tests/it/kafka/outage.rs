//! Brokers that are not there.

use std::net::TcpListener;
use std::time::Duration;

use event_log::{Archive as _, Error, EventLog as _, Reached};
use rdkafka::mocking::MockCluster;
use testkit::eventually;
use tokio::time::{Instant, timeout};

use super::{Kafka, MOMENT, next, take};
use crate::{SOON, event, numbers};

/// The longest that a call may take where nobody answers.
const BOUND: Duration = Duration::from_secs(15);

#[tokio::test]
async fn brokers_that_are_out_of_reach_hinder_no_start() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let kafka = Kafka::at(port.to_string());
    let (log, started) = (kafka.open(1), Instant::now());
    assert!(!Reached::new(std::sync::Arc::new(log.clone())).is_reached().await);
    assert!(matches!(log.ping().await, Err(Error::Unavailable(_))));
    let published = timeout(BOUND, log.publish("t", &[event(1)])).await.expect("no bound");
    assert!(matches!(published, Err(Error::Unavailable(_))), "{published:?}");
    let mut member = log.subscribe("g", &["t"]).await.unwrap();
    assert!(timeout(MOMENT, member.next()).await.is_err(), "waits");
    let archive = kafka.archive();
    assert!(matches!(archive.events("t").await, Err(Error::Unavailable(_))));
    timeout(BOUND, log.close()).await.expect("no bound");
    assert!(started.elapsed() < 3 * BOUND);
}

#[tokio::test]
async fn brokers_that_come_back_are_used_again() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let log = Kafka::at(cluster.bootstrap_servers()).open(1);
    log.publish("t", &[event(1)]).await.unwrap();
    let mut member = log.subscribe("g", &["t"]).await.unwrap();
    assert_eq!(numbers(&take(&mut member, 1).await), [1]);

    cluster.broker_down(1).unwrap();
    assert!(matches!(log.ping().await, Err(Error::Unavailable(_))));
    let published = timeout(BOUND, log.publish("t", &[event(2)])).await.expect("no bound");
    assert!(matches!(published, Err(Error::Unavailable(_))), "{published:?}");
    assert!(timeout(MOMENT, member.next()).await.is_err(), "waits");

    cluster.broker_up(1).unwrap();
    eventually("an answer", SOON, async || log.ping().await.is_ok()).await;
    log.publish("t", &[event(2)]).await.unwrap();
    // The first attempt at it may have got through.
    let delivered = next(&mut member).await;
    assert!(numbers(&delivered).iter().all(|number| *number == 2), "{delivered:?}");
    log.close().await;
}
