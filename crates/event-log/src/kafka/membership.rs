//! The membership in a group, between who asks for deliveries and the task that talks to the brokers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;
use tokio::sync::Notify;

use super::holdings::{Front, Holdings, Place, Record, Verdict};
use super::reach::Ear;
use crate::Error;

/// Shared by a subscription, its task and the callbacks of its consumer.
pub(super) struct Membership {
    group: String,
    state: Mutex<State>,
    /// There may be something new at the front, for the one who asks for it.
    pub(super) news: Notify,
    /// Records are done, for the task that fetches more.
    pub(super) room: Notify,
}

#[derive(Default)]
struct State {
    holdings: Holdings,
    /// To be told to who asks for deliveries, once.
    error: Option<Error>,
    has_ended: bool,
}

/// What a subscription finds.
pub(super) enum Found {
    Front(Front),
    Error(Error),
    End,
}

impl Membership {
    pub(super) fn new(group: &str) -> Arc<Self> {
        let (news, room) = (Notify::new(), Notify::new());
        Arc::new(Self { group: group.to_owned(), state: Mutex::default(), news, room })
    }

    pub(super) fn look(&self, limit: usize) -> Found {
        let mut state = self.state();
        if state.has_ended {
            return Found::End;
        }
        match state.error.take() {
            Some(error) => Found::Error(error),
            None => Found::Front(state.holdings.front(limit)),
        }
    }

    pub(super) fn judge(&self, place: &Place) -> Verdict {
        self.state().holdings.judge(place)
    }

    /// How many records are not done.
    pub(super) fn count(&self) -> usize {
        self.state().holdings.len()
    }

    pub(super) fn receive(&self, records: Vec<Record>) {
        self.state().holdings.receive(records);
        self.news.notify_one();
    }

    pub(super) fn fail(&self, error: Error) {
        self.state().error = Some(error);
        self.news.notify_one();
    }

    /// This record and all before it in its partition are done.
    pub(super) fn done(&self, place: &Place) {
        self.state().holdings.done(place);
        self.room.notify_one();
    }

    /// There will be nothing more.
    pub(super) fn end(&self) {
        *self.state() = State { has_ended: true, ..State::default() };
        self.news.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The callbacks of a consumer.
pub(super) struct Callbacks {
    pub(super) ear: Ear,
    pub(super) membership: Arc<Membership>,
}

impl ClientContext for Callbacks {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.ear.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.ear.error(error, reason);
    }
}

impl ConsumerContext for Callbacks {
    /// Before a record of a new partition can come, and before another member can get what is given back.
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let group = self.membership.group.as_str();
        let mut state = self.membership.state();
        match rebalance {
            Rebalance::Assign(partitions) if partitions.count() == 0 => {}
            Rebalance::Assign(partitions) => {
                tracing::info!(group, partitions = shown(partitions), "partitions gained");
                state.holdings.gain(named(partitions));
            }
            Rebalance::Revoke(partitions) if partitions.count() == 0 => {}
            Rebalance::Revoke(partitions) => {
                tracing::info!(group, partitions = shown(partitions), "partitions given up");
                state.holdings.lose(&named(partitions));
            }
            Rebalance::Error(error) => tracing::warn!(group, %error, "partitions not shared out"),
        }
        drop(state);
        self.membership.room.notify_one();
    }
}

fn named(partitions: &TopicPartitionList) -> Vec<(String, i32)> {
    let elements = partitions.elements();
    elements.iter().map(|element| (element.topic().to_owned(), element.partition())).collect()
}

fn shown(partitions: &TopicPartitionList) -> String {
    let named = named(partitions).into_iter().map(|(topic, partition)| format!("{topic}/{partition}"));
    named.collect::<Vec<_>>().join(" ")
}
