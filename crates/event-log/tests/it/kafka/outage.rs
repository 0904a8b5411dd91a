//! Brokers that are not there.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_log::{Archive as _, Error, EventLog as _, Reached};
use rdkafka::mocking::MockCluster;
use testkit::{Port, eventually};
use tokio::time::{Instant, timeout};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata};

use super::{Kafka, MOMENT, next, take};
use crate::{SOON, event, numbers};

/// The longest that a call may take where nobody answers.
const BOUND: Duration = Duration::from_secs(15);

#[tokio::test]
async fn brokers_that_are_out_of_reach_hinder_no_start() {
    let nowhere = Port::hold();
    let kafka = Kafka::at(nowhere.address().to_string());
    let (log, started) = (kafka.open(1), Instant::now());
    assert!(!Reached::new(Arc::new(log.clone())).is_reached().await);
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
async fn how_far_a_group_is_behind_is_unknown_while_no_broker_says_so() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let log = Kafka::at(cluster.bootstrap_servers()).open(1);
    log.publish("t", &[event(1), event(2)]).await.unwrap();
    assert_eq!(log.behind("g", &["t"]).await.unwrap(), 2);

    cluster.broker_down(1).unwrap();
    let asked = timeout(BOUND, log.behind("g", &["t"])).await.expect("no bound");
    assert!(matches!(asked, Err(Error::Unavailable(_))), "{asked:?}");

    cluster.broker_up(1).unwrap();
    eventually("an answer", SOON, async || log.behind("g", &["t"]).await.ok() == Some(2)).await;
    log.close().await;
    assert!(matches!(log.behind("g", &["t"]).await, Err(Error::Unavailable(_))), "closed");
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

/// Names the brokers of the test that listens.
const OURS: &str = "BROKERS_THAT_ARE_LISTENED_TO";

/// What is told of its outages.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "event_log::kafka::reach" && *metadata.level() <= Level::INFO
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        if line.0.contains(OURS) {
            self.0.lock().unwrap().push(line.0);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() != "error" {
            self.0.push_str(&format!(" {value:?}"));
        }
    }
}

#[tokio::test]
async fn an_outage_is_told_once() {
    let told = Told::default();
    // A subscriber of this thread alone misses lines whose place in the code another thread came to first.
    tracing::subscriber::set_global_default(told.clone()).unwrap();
    let lines = || told.0.lock().unwrap().len();
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let mut kafka = Kafka::at(cluster.bootstrap_servers());
    kafka.server.variable = OURS.to_owned();
    let log = kafka.open(1);
    let mut member = log.subscribe("g", &["t"]).await.unwrap();
    log.publish("t", &[event(1)]).await.unwrap();
    next(&mut member).await;
    for outage in 1..=2 {
        cluster.broker_down(1).unwrap();
        eventually("a warning", SOON, async || lines() == 2 * outage - 1).await;
        log.ping().await.unwrap_err();
        cluster.broker_up(1).unwrap();
        eventually("its end", SOON, async || lines() == 2 * outage).await;
    }
    let warning = format!("WARN no broker of the event log answers; events wait until one does {OURS:?}");
    let end = format!("INFO the event log answers again {OURS:?}");
    assert_eq!(*told.0.lock().unwrap(), [warning.clone(), end.clone(), warning, end]);
    log.close().await;
}
