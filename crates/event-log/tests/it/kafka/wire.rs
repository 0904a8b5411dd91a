//! What others see of our records, and we of theirs.

use std::collections::BTreeMap;

use event_log::{Archive as _, EventLog as _, Replayed, UNREADABLE, replay};
use rdkafka::ClientConfig;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::time::timeout;

use super::{Kafka, take};
use crate::{SOON, event, numbers};

impl Kafka {
    /// The first records of partition 0, as they are.
    async fn raw(&self, topic: &str, count: usize) -> Vec<OwnedMessage> {
        let mut config = ClientConfig::new();
        let config = config.set("bootstrap.servers", &self.server.url).set("group.id", self.name("raw"));
        let consumer: StreamConsumer = config.create().unwrap();
        let mut here = TopicPartitionList::new();
        here.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
        consumer.assign(&here).unwrap();
        let mut raw = Vec::new();
        while raw.len() < count {
            raw.push(timeout(SOON, consumer.recv()).await.unwrap().unwrap().detach());
        }
        raw
    }

    /// A record of a producer that knows nothing of events.
    async fn foreign(&self, topic: &str, value: &[u8]) {
        let producer: FutureProducer =
            ClientConfig::new().set("bootstrap.servers", &self.server.url).create().unwrap();
        let headers = OwnedHeaders::new().insert(Header { key: "colour", value: Some("red") });
        let record = FutureRecord::<[u8], [u8]>::to(topic).payload(value).headers(headers);
        producer.send(record, SOON).await.unwrap();
    }
}

fn headers(record: &OwnedMessage) -> BTreeMap<String, String> {
    let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    record.headers().unwrap().iter().map(|it| (it.key.to_owned(), text(it.value))).collect()
}

#[tokio::test]
async fn an_event_is_a_cloud_event_in_binary_mode() {
    let Some(kafka) = Kafka::there() else { return };
    let (log, topic) = (kafka.open(1), kafka.name("wire"));
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let (traceparent_of, request_id) = (Some(traceparent.to_owned()), Some("request-1".to_owned()));
    let traced = event_log::Event { traceparent: traceparent_of, request_id, ..event(2) };
    log.publish(&topic, &[event(1), traced]).await.unwrap();
    let raw = kafka.raw(&topic, 2).await;
    let mut expected: BTreeMap<String, String> = [
        ("ce_specversion", "1.0"),
        ("ce_id", "00000000-0000-0000-0000-000000000001"),
        ("ce_type", "thing.happened.v1"),
        ("ce_source", "test"),
        ("ce_time", "2025-11-22T20:15:30.123456Z"),
        ("content-type", "application/json"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    assert_eq!(headers(&raw[0]), expected);
    assert_eq!((raw[0].key().unwrap(), raw[0].payload().unwrap()), (&b"7"[..], &b"{}"[..]));
    expected.insert("ce_id".to_owned(), "00000000-0000-0000-0000-000000000002".to_owned());
    expected.insert("traceparent".to_owned(), traceparent.to_owned());
    expected.insert("ce_requestid".to_owned(), "request-1".to_owned());
    assert_eq!(headers(&raw[1]), expected);
    log.close().await;
}

#[tokio::test]
async fn a_dead_letter_is_the_record_with_the_reason() {
    let Some(kafka) = Kafka::there() else { return };
    let (log, topic, group) = (kafka.open(1), kafka.name("grave"), kafka.name("g"));
    log.publish(&topic, &[event(1), event(2)]).await.unwrap();
    let mut member = log.subscribe(&group, &[&topic]).await.unwrap();
    let first = take(&mut member, 2).await.remove(0);
    // Late, but it can't be told from one that was not committed.
    member.dead_letter(&first, "no such field").await.unwrap();
    let raw = kafka.raw(&format!("{topic}.dlq"), 1).await;
    let headers = headers(&raw[0]);
    assert_eq!(headers["ce_id"], "00000000-0000-0000-0000-000000000001");
    assert_eq!(headers["dlq_reason"], "no such field");
    assert_eq!((headers["dlq_topic"].as_str(), headers["dlq_group"].as_str()), (&*topic, &*group));
    assert_eq!((headers["dlq_partition"].as_str(), headers["dlq_offset"].as_str()), ("0", "0"));
    assert!(headers["dlq_time"].ends_with('Z'));
    assert_eq!((raw[0].key().unwrap(), raw[0].payload().unwrap()), (&b"7"[..], &b"{}"[..]));
    log.close().await;
}

#[tokio::test]
async fn what_is_no_event_is_given_up_and_the_next_is_delivered() {
    let Some(kafka) = Kafka::there() else { return };
    let (log, topic, group) = (kafka.open(1), kafka.name("foreign"), kafka.name("g"));
    log.publish(&topic, &[event(1)]).await.unwrap();
    kafka.foreign(&topic, b"not \xff JSON").await;
    kafka.foreign(&topic, b"nor this").await;
    log.publish(&topic, &[event(2)]).await.unwrap();
    let mut member = log.subscribe(&group, &[&topic]).await.unwrap();
    assert_eq!(numbers(&take(&mut member, 2).await), [1, 2]);
    drop(member);

    let raw = kafka.raw(&format!("{topic}.dlq"), 2).await;
    assert_eq!((raw[0].key(), raw[0].payload().unwrap()), (None, &b"not \xff JSON"[..]));
    let headers = headers(&raw[0]);
    assert_eq!(headers["colour"], "red");
    assert_eq!(headers["dlq_reason"], "can't be read: it has no header ce_specversion");
    assert_eq!((headers["dlq_offset"].as_str(), headers["dlq_group"].as_str()), ("1", &*group));
    // The group is done with them.
    let mut member = log.subscribe(&group, &[&topic]).await.unwrap();
    log.publish(&topic, &[event(3)]).await.unwrap();
    assert_eq!(numbers(&take(&mut member, 1).await), [3]);

    // Those who look see them all the same.
    let archive = kafka.archive();
    assert_eq!(numbers(&archive.events(&topic).await.unwrap()), [1, 2, 3]);
    let letters = archive.dead_letters(&[&topic]).await.unwrap();
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0].delivery.event.kind, UNREADABLE);
    assert_eq!(letters[0].delivery.event.data, &b"not \xff JSON"[..]);
    let mut undertaker = log.subscribe(&kafka.name("u"), &[&format!("{topic}.dlq")]).await.unwrap();
    let events: Vec<_> = take(&mut undertaker, 2).await.into_iter().map(|it| it.event).collect();
    assert_eq!(events, [letters[0].delivery.event.clone(), letters[1].delivery.event.clone()]);
    // There is nothing in them to be published again.
    let replayed = replay(&log, &archive, &[&topic]).await.unwrap();
    assert_eq!(replayed, Replayed { published: 0, unreadable: 2 });
    log.close().await;
}
