//! The log, the relay and the consumers.
#![cfg(test)]

mod consume;
mod kafka;
mod postgres_outbox;
mod relay;
mod sqlite;

use std::time::Duration;

use bytes::Bytes;
use event_log::{Delivery, Event};
use types::Timestamp;
use uuid::Uuid;

/// Longer than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(20);

fn event(number: u32) -> Event {
    Event {
        id: Uuid::from_u128(number.into()),
        kind: "thing.happened.v1".to_owned(),
        source: "test".to_owned(),
        key: "7".to_owned(),
        time: Timestamp::from_micros(1_763_842_530_123_456),
        traceparent: None,
        request_id: None,
        data: Bytes::from_static(b"{}"),
    }
}

fn number(event: &Event) -> u32 {
    event.id.as_u128().try_into().unwrap()
}

fn numbers(deliveries: &[Delivery]) -> Vec<u32> {
    deliveries.iter().map(|delivery| number(&delivery.event)).collect()
}
