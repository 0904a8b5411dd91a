//! What a member holds: its partitions, and the records of them that are not committed.

use std::collections::{HashMap, VecDeque};

use rdkafka::message::OwnedMessage;

use crate::{Delivery, Event};

/// A record at its place, with the event in it or the reason why there is none.
pub(super) struct Record {
    pub(super) place: Place,
    pub(super) content: Result<Event, Box<Unreadable>>,
}

/// A place in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// A record that holds no event.
#[derive(Clone)]
pub(super) struct Unreadable {
    pub(super) record: OwnedMessage,
    pub(super) reason: String,
}

/// What comes next.
pub(super) enum Front {
    Nothing,
    Deliveries(Vec<Delivery>),
    /// All before it in its partition is done.
    Unreadable(Place, Box<Unreadable>),
}

/// What is to be done with a commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The brokers are to note it.
    Note,
    /// It is noted already, or something behind it is.
    Noted,
    /// The partition is not ours, or was another's in between.
    Lost,
}

/// A partition that is ours: the first offset that is not committed, as soon as it is known.
type Next = Option<i64>;

#[derive(Default)]
pub(super) struct Holdings {
    partitions: HashMap<(String, i32), Next>,
    /// In the order of arrival, which within a partition is that of the offsets.
    records: VecDeque<Record>,
}

impl Holdings {
    pub(super) fn gain(&mut self, partitions: Vec<(String, i32)>) {
        self.partitions.extend(partitions.into_iter().map(|partition| (partition, None)));
    }

    pub(super) fn lose(&mut self, partitions: &[(String, i32)]) {
        self.partitions.retain(|partition, _| !partitions.contains(partition));
        self.records.retain(|record| self.partitions.contains_key(&record.place.within()));
    }

    pub(super) fn receive(&mut self, records: Vec<Record>) {
        for record in records {
            if let Some(next) = self.partitions.get_mut(&record.place.within()) {
                next.get_or_insert(record.place.offset);
                self.records.push_back(record);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// The first records up to a limit, or up to one that can't be read.
    pub(super) fn front(&self, limit: usize) -> Front {
        let mut deliveries = Vec::new();
        for Record { place, content } in self.records.iter().take(limit) {
            match content {
                Ok(event) => deliveries.push(place.delivery(event)),
                Err(unreadable) if deliveries.is_empty() => {
                    return Front::Unreadable(place.clone(), unreadable.clone());
                }
                Err(_) => break,
            }
        }
        if deliveries.is_empty() { Front::Nothing } else { Front::Deliveries(deliveries) }
    }

    pub(super) fn judge(&self, place: &Place) -> Verdict {
        match self.partitions.get(&place.within()) {
            // A delivery from before we lost the partition and got it back: nothing has come since.
            None | Some(None) => Verdict::Lost,
            Some(Some(next)) if place.offset < *next => Verdict::Noted,
            Some(Some(_)) => Verdict::Note,
        }
    }

    /// This record and all before it in its partition are done.
    pub(super) fn done(&mut self, place: &Place) {
        if let Some(Some(next)) = self.partitions.get_mut(&place.within()) {
            *next = (*next).max(place.offset.saturating_add(1));
        }
        self.records.retain(|record| !record.place.is_done_with(place));
    }
}

impl Place {
    fn within(&self) -> (String, i32) {
        (self.topic.clone(), self.partition)
    }

    /// Whether this is done once the other is.
    fn is_done_with(&self, other: &Self) -> bool {
        self.partition == other.partition && self.offset <= other.offset && self.topic == other.topic
    }

    fn delivery(&self, event: &Event) -> Delivery {
        let Self { topic, partition, offset } = self.clone();
        Delivery { topic, partition, offset, event: event.clone() }
    }
}

impl From<&Delivery> for Place {
    fn from(delivery: &Delivery) -> Self {
        let Delivery { topic, partition, offset, event: _ } = delivery;
        Self { topic: topic.clone(), partition: *partition, offset: *offset }
    }
}

#[cfg(test)]
mod tests;
