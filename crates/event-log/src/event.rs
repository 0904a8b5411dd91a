//! What is published and what is delivered.

use bytes::Bytes;
use types::Timestamp;
use uuid::Uuid;

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
    /// JSON.
    pub data: Bytes,
}

/// An event at its place in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The topic.
    pub topic: String,
    /// Grows along a topic, with gaps.
    pub offset: i64,
    /// The event.
    pub event: Event,
}

/// An event that a group of consumers has given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event in its dead-letter topic.
    pub delivery: Delivery,
    /// Why it was given up.
    pub reason: String,
}
