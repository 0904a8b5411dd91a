//! Spans of events on their way, by the semantic conventions.
//!
//! An event carries the span that sent it, and whoever handles it does so below that one: each event is handled alone,
//! so its trace is the one of the request that caused it, from the gateway to the last consumer.

use platform::World;
use platform::trace::{Kind, Span};

use crate::{Delivery, Event, EventLog};

/// Begins the span of an event that is sent, which goes on with what has caused it; from then on the event carries it.
pub(crate) fn sent(world: &World, log: &dyn EventLog, topic: &str, event: &mut Event) -> Option<Span> {
    let cause = event.traceparent.as_deref()?;
    let mut span = world.tracer.go_on(Kind::Producer, cause, || format!("send {topic}"))?;
    describe(&mut span, log, "send", topic, event);
    event.traceparent = Some(span.traceparent());
    Some(span)
}

/// Begins the span of an event that is handled.
pub(crate) fn processed(world: &World, log: &dyn EventLog, group: &str, delivery: &Delivery) -> Option<Span> {
    let Delivery { topic, partition, event, .. } = delivery;
    let cause = event.traceparent.as_deref()?;
    let mut span = world.tracer.go_on(Kind::Consumer, cause, || format!("process {topic}"))?;
    describe(&mut span, log, "process", topic, event);
    span.set("messaging.consumer.group.name", group.to_owned());
    span.set("messaging.destination.partition.id", partition.to_string());
    Some(span)
}

fn describe(span: &mut Span, log: &dyn EventLog, operation: &'static str, topic: &str, event: &Event) {
    span.set("messaging.system", log.system());
    span.set("messaging.operation.name", operation);
    span.set("messaging.operation.type", operation);
    span.set("messaging.destination.name", topic.to_owned());
    span.set("messaging.message.id", event.id.to_string());
    span.set("oxcart.event.type", event.kind.clone());
}
