use rdkafka::message::Timestamp;
use uuid::Uuid;

use super::*;

fn place(partition: i32, offset: i64) -> Place {
    Place { topic: "t".to_owned(), partition, offset }
}

fn readable(partition: i32, offset: i64) -> Record {
    let event = Event {
        id: Uuid::nil(),
        kind: String::new(),
        source: String::new(),
        key: String::new(),
        time: types::Timestamp::from_micros(0),
        traceparent: None,
        request_id: None,
        data: bytes::Bytes::new(),
    };
    Record { place: place(partition, offset), content: Ok(event) }
}

fn unreadable(partition: i32, offset: i64) -> Record {
    let (written, topic) = (Timestamp::NotAvailable, "t".to_owned());
    let record = OwnedMessage::new(None, None, topic, written, partition, offset, None);
    let unreadable = Unreadable { record, reason: "why".to_owned() };
    Record { place: place(partition, offset), content: Err(Box::new(unreadable)) }
}

fn of(partitions: &[i32]) -> Holdings {
    let mut holdings = Holdings::default();
    holdings.gain(named(partitions));
    holdings
}

fn named(partitions: &[i32]) -> Vec<(String, i32)> {
    partitions.iter().map(|partition| ("t".to_owned(), *partition)).collect()
}

/// Partitions and offsets of what comes next; of a record that can't be read, its alone.
fn front(holdings: &Holdings) -> Vec<(i32, i64)> {
    match holdings.front(3) {
        Front::Nothing => Vec::new(),
        Front::Deliveries(deliveries) => deliveries.iter().map(|it| (it.partition, it.offset)).collect(),
        Front::Unreadable(place, _) => vec![(place.partition, place.offset)],
    }
}

#[test]
fn what_is_not_done_comes_again_up_to_a_limit() {
    let mut holdings = of(&[0, 1]);
    assert_eq!(front(&holdings), []);
    holdings.receive(vec![readable(0, 4), readable(1, 7), readable(0, 5), readable(0, 9)]);
    assert_eq!(front(&holdings), [(0, 4), (1, 7), (0, 5)]);
    assert_eq!(front(&holdings), [(0, 4), (1, 7), (0, 5)]);
    holdings.done(&place(0, 5));
    assert_eq!(front(&holdings), [(1, 7), (0, 9)]);
    assert_eq!(holdings.len(), 2);
}

#[test]
fn a_record_that_can_not_be_read_waits_for_its_turn() {
    let mut holdings = of(&[0]);
    holdings.receive(vec![readable(0, 1), unreadable(0, 2), readable(0, 3)]);
    assert_eq!(front(&holdings), [(0, 1)]);
    holdings.done(&place(0, 1));
    assert!(matches!(holdings.front(3), Front::Unreadable(it, _) if it == place(0, 2)));
    holdings.done(&place(0, 2));
    assert_eq!(front(&holdings), [(0, 3)]);
}

#[test]
fn a_commit_is_noted_once_and_does_not_lead_back() {
    let mut holdings = of(&[0]);
    holdings.receive(vec![readable(0, 4), readable(0, 5), readable(0, 6)]);
    assert_eq!(holdings.judge(&place(0, 3)), Verdict::Noted, "before our time");
    assert_eq!(holdings.judge(&place(0, 5)), Verdict::Note);
    holdings.done(&place(0, 5));
    assert_eq!(holdings.judge(&place(0, 4)), Verdict::Noted);
    assert_eq!(holdings.judge(&place(0, 5)), Verdict::Noted);
    assert_eq!(holdings.judge(&place(0, 6)), Verdict::Note);
}

#[test]
fn a_partition_that_is_given_up_takes_its_records_along() {
    let mut holdings = of(&[0, 1]);
    holdings.receive(vec![readable(0, 4), readable(1, 7)]);
    holdings.lose(&named(&[0]));
    assert_eq!(front(&holdings), [(1, 7)]);
    assert_eq!(holdings.judge(&place(0, 4)), Verdict::Lost);
    // What was on its way to us is another's.
    holdings.receive(vec![readable(0, 5)]);
    assert_eq!(front(&holdings), [(1, 7)]);
    // It is ours again, but we don't know how far the other has come.
    holdings.gain(named(&[0]));
    assert_eq!(holdings.judge(&place(0, 4)), Verdict::Lost);
    holdings.receive(vec![readable(0, 6)]);
    assert_eq!(holdings.judge(&place(0, 4)), Verdict::Noted);
}
