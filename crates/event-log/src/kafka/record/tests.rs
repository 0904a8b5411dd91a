use rdkafka::message::OwnedMessage;

use super::*;

fn a_record(topic: &str, key: Option<&str>, headers: OwnedHeaders) -> OwnedMessage {
    let (payload, key) = (Some(b"{}".to_vec()), key.map(|key| key.as_bytes().to_vec()));
    let written = rdkafka::message::Timestamp::CreateTime(1_763_842_530_123);
    OwnedMessage::new(payload, key, topic.to_owned(), written, 2, 5, Some(headers))
}

fn an_event() -> Event {
    Event {
        id: Uuid::from_u128(7),
        kind: "thing.happened.v1".to_owned(),
        source: "test".to_owned(),
        key: "7".to_owned(),
        time: Timestamp::from_micros(1_763_842_530_000_042),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        request_id: Some("request-1".to_owned()),
        data: Bytes::from_static(b"{}"),
    }
}

/// The headers of an event, one of them changed or left out.
fn changed(name: &str, value: Option<&str>) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new();
    for header in super::headers(&an_event()).iter() {
        let value = if header.key == name { value.map(str::as_bytes) } else { header.value };
        if let Some(value) = value {
            headers = headers.insert(Header { key: header.key, value: Some(value) });
        }
    }
    headers
}

#[test]
fn an_event_comes_out_as_it_went_in() {
    let plain = Event { traceparent: None, request_id: None, ..an_event() };
    for it in [an_event(), plain] {
        assert_eq!(event(&a_record("t", Some("7"), super::headers(&it))).unwrap(), it);
    }
    let delivery = delivery(&a_record("t", Some("7"), super::headers(&an_event()))).unwrap();
    assert_eq!((delivery.topic.as_str(), delivery.partition, delivery.offset), ("t", 2, 5));
}

#[test]
fn what_is_no_event_says_why() {
    let cases = [
        ("ce_specversion", None, "it has no header ce_specversion"),
        ("ce_specversion", Some("0.3"), "its ce_specversion is \"0.3\", not 1.0"),
        ("ce_id", None, "it has no header ce_id"),
        ("ce_id", Some("7"), "its ce_id is \"7\", no UUID"),
        ("ce_type", None, "it has no header ce_type"),
        ("ce_source", None, "it has no header ce_source"),
        ("ce_time", Some("now"), "its ce_time is \"now\", no time of RFC 3339"),
        ("content-type", Some("text/plain"), "its content-type is \"text/plain\", not application/json"),
    ];
    for (name, value, why) in cases {
        assert_eq!(event(&a_record("t", Some("7"), changed(name, value))).unwrap_err(), why);
    }
    let record = a_record("t", None, super::headers(&an_event()));
    assert_eq!(event(&record).unwrap_err(), "it has no key");
    let headers = OwnedHeaders::new().insert(Header { key: "ce_specversion", value: Some(&[0xff][..]) });
    assert_eq!(event(&a_record("t", None, headers)).unwrap_err(), "its header ce_specversion is not UTF-8");
    assert_eq!(
        event(&a_record("t", None, OwnedHeaders::new())).unwrap_err(),
        "it has no header ce_specversion"
    );
}

#[test]
fn what_others_may_write_differently_is_understood() {
    let record = a_record("t", Some("7"), changed("content-type", Some("application/json; charset=utf-8")));
    assert_eq!(event(&record).unwrap(), an_event());
    let record = a_record("t", Some("7"), changed("ce_time", Some("2025-11-22T21:15:30.000042+01:00")));
    assert_eq!(event(&record).unwrap(), an_event());
}

#[test]
fn a_dead_letter_says_where_it_was_and_why_it_is_there() {
    let at = Timestamp::from_micros(1_763_842_531_000_001);
    let epitaph = Epitaph { reason: "no such field", topic: "t", partition: 1, offset: 9, group: "g", at };
    let record = a_record("t.dlq", Some("7"), epitaph.on(super::headers(&an_event())));
    let letter = dead_letter(&record).unwrap();
    assert_eq!(letter.delivery.event, an_event());
    assert_eq!((letter.origin.as_str(), letter.group.as_str()), ("t", "g"));
    assert_eq!((letter.reason.as_str(), letter.at), ("no such field", at));
}

#[test]
fn in_a_dead_letter_topic_everything_can_be_read() {
    let record = a_record("t.dlq", None, OwnedHeaders::new());
    let letter = dead_letter(&record).unwrap();
    assert_eq!(letter.delivery.event.kind, UNREADABLE);
    assert_eq!(letter.delivery.event.data, "{}");
    assert_eq!(letter.at.micros(), 1_763_842_530_123_000);
    assert_eq!((letter.origin.as_str(), letter.reason.as_str()), ("t", ""));
    assert_eq!(dead_letter(&record).unwrap(), letter, "another id each time");
}
