//! What is published and what is delivered.

use bytes::Bytes;
use types::Timestamp;
use uuid::Uuid;

/// The kind of what stands in a dead-letter topic for a record that is no event: its data are those of the record.
/// Nobody handles it.
pub const UNREADABLE: &str = "unreadable";

/// Something that has happened, in the terms of CloudEvents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The same each time that the event is published or delivered (`ce_id`).
    pub id: Uuid,
    /// What happened, with the version of its shape, as in `order.created.v1` (`ce_type`).
    pub kind: String,
    /// The service that says so (`ce_source`).
    pub source: String,
    /// Events of one key are delivered in the order in which they were published.
    pub key: String,
    /// When it happened (`ce_time`).
    pub time: Timestamp,
    /// The W3C trace context of what caused it.
    pub traceparent: Option<String>,
    /// The id of the request that caused it.
    pub request_id: Option<String>,
    /// JSON.
    pub data: Bytes,
}

/// An event at its place in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The topic.
    pub topic: String,
    /// The part of the topic that all events of its key are in, from 0 on.
    pub partition: i32,
    /// Grows along a partition, with gaps.
    pub offset: i64,
    /// The event.
    pub event: Event,
}

/// An event that a group of consumers has given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event in its dead-letter topic.
    pub delivery: Delivery,
    /// The topic it was in before.
    pub origin: String,
    /// The group that has given it up.
    pub group: String,
    /// Why it was given up.
    pub reason: String,
    /// When it was given up.
    pub at: Timestamp,
}
