//! Events as records: CloudEvents 1.0 in the binary mode of its Kafka protocol binding.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use types::Timestamp;
use uuid::Uuid;

use crate::event::UNREADABLE;
use crate::{DeadLetter, Delivery, Event, log};

const SPECVERSION: &str = "1.0";
const CONTENT_TYPE: &str = "application/json";

/// What is said of a record that a group has given up, beside what it says itself.
pub(super) struct Epitaph<'a> {
    pub(super) reason: &'a str,
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) group: &'a str,
    pub(super) at: Timestamp,
}

/// The headers of an event.
pub(super) fn headers(event: &Event) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(8);
    let headers = with(headers, "ce_specversion", SPECVERSION);
    let headers = with(headers, "ce_id", &event.id.to_string());
    let headers = with(headers, "ce_type", &event.kind);
    let headers = with(headers, "ce_source", &event.source);
    let headers = with(headers, "ce_time", &rfc_3339(event.time));
    let headers = with(headers, "content-type", CONTENT_TYPE);
    let headers = match &event.traceparent {
        Some(traceparent) => with(headers, "traceparent", traceparent),
        None => headers,
    };
    match &event.request_id {
        Some(request_id) => with(headers, "ce_requestid", request_id),
        None => headers,
    }
}

impl Epitaph<'_> {
    /// Adds it to the headers of the record.
    pub(super) fn on(&self, headers: OwnedHeaders) -> OwnedHeaders {
        let headers = with(headers, "dlq_reason", self.reason);
        let headers = with(headers, "dlq_topic", self.topic);
        let headers = with(headers, "dlq_partition", &self.partition.to_string());
        let headers = with(headers, "dlq_offset", &self.offset.to_string());
        let headers = with(headers, "dlq_group", self.group);
        with(headers, "dlq_time", &rfc_3339(self.at))
    }
}

fn with(headers: OwnedHeaders, key: &str, value: &str) -> OwnedHeaders {
    headers.insert(Header { key, value: Some(value) })
}

/// The event in a record, or what hinders it from being one. In a dead-letter topic everything is one: what
/// can't be read becomes an event of the kind [`UNREADABLE`].
pub(super) fn event(record: &impl Message) -> Result<Event, String> {
    // The library panics at the name of a header that is no UTF-8, which a foreign producer may write.
    let read = catch_unwind(AssertUnwindSafe(|| strictly(record)))
        .unwrap_or_else(|_| Err("the name of a header is not UTF-8".to_owned()));
    match read {
        Err(_) if log::is_dead_letter_topic(record.topic()) => Ok(unreadable(record)),
        read => read,
    }
}

/// The delivery of a record that holds an event.
pub(super) fn delivery(record: &impl Message) -> Result<Delivery, String> {
    let (topic, partition, offset) = (record.topic().to_owned(), record.partition(), record.offset());
    Ok(Delivery { topic, partition, offset, event: event(record)? })
}

/// A record of a dead-letter topic.
pub(super) fn dead_letter(record: &impl Message) -> Result<DeadLetter, String> {
    let said = |name| header(record, name).ok().flatten().map(str::to_owned);
    let delivery = delivery(record)?;
    let epitaph =
        catch_unwind(AssertUnwindSafe(|| ["dlq_topic", "dlq_group", "dlq_reason", "dlq_time"].map(said)));
    let [origin, group, reason, at] = epitaph.unwrap_or_default();
    Ok(DeadLetter {
        origin: origin.unwrap_or_else(|| log::origin_of(&delivery.topic).to_owned()),
        group: group.unwrap_or_default(),
        reason: reason.unwrap_or_default(),
        at: at.and_then(|at| moment(&at)).unwrap_or_else(|| appended(record)),
        delivery,
    })
}

fn strictly(record: &impl Message) -> Result<Event, String> {
    let mandatory = |name| header(record, name)?.ok_or_else(|| format!("it has no header {name}"));
    let version = mandatory("ce_specversion")?;
    if version != SPECVERSION {
        return Err(format!("its ce_specversion is {version:?}, not {SPECVERSION}"));
    }
    let content = mandatory("content-type")?;
    if content.split(';').next().map(str::trim) != Some(CONTENT_TYPE) {
        return Err(format!("its content-type is {content:?}, not {CONTENT_TYPE}"));
    }
    let (id, time) = (mandatory("ce_id")?, mandatory("ce_time")?);
    let key = record.key().ok_or("it has no key")?;
    Ok(Event {
        id: id.parse().map_err(|_| format!("its ce_id is {id:?}, no UUID"))?,
        kind: mandatory("ce_type")?.to_owned(),
        source: mandatory("ce_source")?.to_owned(),
        key: str::from_utf8(key).map_err(|_| "its key is not UTF-8")?.to_owned(),
        time: moment(time).ok_or_else(|| format!("its ce_time is {time:?}, no time of RFC 3339"))?,
        traceparent: header(record, "traceparent")?.map(str::to_owned),
        request_id: header(record, "ce_requestid")?.map(str::to_owned),
        data: Bytes::copy_from_slice(record.payload().ok_or("it has no value")?),
    })
}

fn unreadable(record: &impl Message) -> Event {
    let place = format!("{}/{}/{}", record.topic(), record.partition(), record.offset());
    let text = |bytes: Option<&[u8]>| bytes.map(String::from_utf8_lossy).map(Cow::into_owned);
    Event {
        id: Uuid::new_v5(&Uuid::NAMESPACE_URL, place.as_bytes()),
        kind: UNREADABLE.to_owned(),
        source: String::new(),
        key: text(record.key()).unwrap_or_default(),
        time: appended(record),
        traceparent: None,
        request_id: None,
        data: Bytes::copy_from_slice(record.payload().unwrap_or_default()),
    }
}

/// The first header of this name that has a value.
fn header<'r>(record: &'r impl Message, name: &str) -> Result<Option<&'r str>, String> {
    let Some(headers) = record.headers() else { return Ok(None) };
    let value = headers.iter().filter(|header| header.key == name).find_map(|header| header.value);
    value.map(str::from_utf8).transpose().map_err(|_| format!("its header {name} is not UTF-8"))
}

/// When a record was written.
fn appended(record: &impl Message) -> Timestamp {
    Timestamp::from_micros(record.timestamp().to_millis().unwrap_or(0).saturating_mul(1000))
}

/// With all microseconds: `Timestamp` shows milliseconds, and an event must come out as it went in.
fn rfc_3339(at: Timestamp) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    OffsetDateTime::from(at).format(format).expect("each component is one of a date and time")
}

fn moment(text: &str) -> Option<Timestamp> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(Timestamp::from)
}

#[cfg(test)]
mod tests;
