//! The task of a member: it talks to the brokers for as long as the subscription is there.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::client::{Client, unavailable};
use super::holdings::{Place, Record, Unreadable, Verdict};
use super::membership::{Callbacks, Membership};
use super::reach::{Ear, is_outage};
use super::record;

/// No more is fetched while so many records are not done,
const ENOUGH: usize = 1000;
/// until no more than these are left.
const FEW: usize = 200;

/// Records taken from the library before anybody is told.
const AT_ONCE: usize = 100;

/// How long a member that has died keeps its partitions from the others: what brokers take for the least.
const SESSION: Duration = Duration::from_secs(6);

/// How often a member is heard of, and hears that others come and go.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// From one attempt at making topics to the next.
const AGAIN: Duration = Duration::from_secs(1);

/// What the brokers say to a commit.
pub(super) type Answer = Result<(), RDKafkaErrorCode>;

/// A commit that the brokers are to note.
pub(super) struct Commit {
    pub(super) place: Place,
    pub(super) answer: oneshot::Sender<Answer>,
}

pub(super) struct Member {
    pub(super) client: Arc<Client>,
    pub(super) group: String,
    pub(super) topics: Vec<String>,
    pub(super) membership: Arc<Membership>,
    pub(super) commits: mpsc::Receiver<Commit>,
}

type Consumer = StreamConsumer<Callbacks>;

impl Member {
    /// Until the subscription is gone.
    pub(super) async fn run(mut self, gone: CancellationToken) {
        let _ended = Ended(Arc::clone(&self.membership));
        tokio::select! {
            () = gone.cancelled() => return,
            () = self.topics() => {}
        }
        match self.join() {
            Ok(consumer) => {
                let consumer = Arc::new(consumer);
                self.consume(&consumer, &gone).await;
                // Leaves the group, which may take a while.
                let _ = self.client.blocking(move || drop(consumer)).await;
            }
            Err(error) => {
                self.membership.fail(unavailable(error));
                gone.cancelled().await;
            }
        }
    }

    /// Makes the topics: a group can't consume one that is not there. Brokers that are out of reach are waited for.
    async fn topics(&self) {
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        while let Err(error) = self.client.make(&topics).await {
            if self.client.look().await.is_ok() {
                self.membership.fail(error);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn join(&self) -> KafkaResult<Consumer> {
        let (ear, membership) = (Ear(Arc::clone(self.client.complaints())), Arc::clone(&self.membership));
        let consumer: Consumer = self
            .client
            .config()
            .set("group.id", &self.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", SESSION.as_millis().to_string())
            .set("heartbeat.interval.ms", HEARTBEAT.as_millis().to_string())
            // What the library fetches ahead of us, in kilobytes.
            .set("queued.max.messages.kbytes", "4096")
            .create_with_context(Callbacks { ear, membership })?;
        consumer.subscribe(&self.topics.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(consumer)
    }

    async fn consume(&mut self, consumer: &Arc<Consumer>, gone: &CancellationToken) {
        let mut stream = consumer.stream();
        let mut is_paused = false;
        loop {
            tokio::select! {
                biased;
                () = gone.cancelled() => return,
                Some(commit) = self.commits.recv() => tokio::select! {
                    () = gone.cancelled() => return,
                    () = self.commit(consumer, commit) => {}
                },
                received = stream.next() => {
                    let mut received: Vec<_> = received.into_iter().collect();
                    while let Some(Some(more)) = stream.next().now_or_never() {
                        received.push(more);
                        if received.len() == AT_ONCE {
                            break;
                        }
                    }
                    self.received(received);
                }
                () = self.membership.room.notified() => {}
            }
            // The stream is polled all the time, however long a handler takes: that keeps our partitions ours.
            let count = self.membership.count();
            let turned = match is_paused {
                _ if count >= ENOUGH => consumer.assignment().and_then(|ours| consumer.pause(&ours)),
                true if count <= FEW => consumer.assignment().and_then(|ours| consumer.resume(&ours)),
                true | false => continue,
            };
            match turned {
                Ok(()) => is_paused = count >= ENOUGH,
                Err(error) => tracing::warn!(group = self.group, %error, "not paused or resumed"),
            }
        }
    }

    fn received(&self, received: Vec<KafkaResult<BorrowedMessage<'_>>>) {
        let mut records = Vec::new();
        for received in received {
            match received {
                Ok(message) => records.push(read(&message)),
                Err(error) if error.rdkafka_error_code().is_some_and(is_outage) => {
                    tracing::debug!(group = self.group, %error, "nothing received");
                    self.client.complaints().add();
                }
                Err(error) => self.membership.fail(unavailable(error)),
            }
        }
        if !records.is_empty() {
            self.membership.receive(records);
        }
    }

    /// Has the brokers note a commit. Partitions come and go while the stream is polled, which is not now: what is
    /// ours stays ours until the commit is noted.
    async fn commit(&self, consumer: &Arc<Consumer>, Commit { place, answer }: Commit) {
        let answered = match self.membership.judge(&place) {
            Verdict::Note => {
                let (consumer, place) = (Arc::clone(consumer), place.clone());
                let noted = self.client.blocking(move || note(&consumer, &place)).await;
                noted.unwrap_or(Err(RDKafkaErrorCode::Fail))
            }
            Verdict::Noted => Ok(()),
            Verdict::Lost => Err(RDKafkaErrorCode::AssignmentLost),
        };
        if answered.is_ok() {
            self.membership.done(&place);
        }
        // Who has stopped waiting needs no answer.
        let _ = answer.send(answered);
    }
}

/// Waits for the brokers: the library tells of a commit that is not waited for only to C.
fn note(consumer: &Consumer, place: &Place) -> Answer {
    if consumer.assignment_lost() {
        return Err(RDKafkaErrorCode::AssignmentLost);
    }
    let next = Offset::Offset(place.offset.saturating_add(1));
    let mut offsets = TopicPartitionList::with_capacity(1);
    let noted = offsets
        .add_partition_offset(&place.topic, place.partition, next)
        .and_then(|()| consumer.commit(&offsets, CommitMode::Sync));
    noted.map_err(|error| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail))
}

fn read(message: &BorrowedMessage<'_>) -> Record {
    let (topic, partition, offset) = (message.topic().to_owned(), message.partition(), message.offset());
    let content =
        record::event(message).map_err(|reason| Box::new(Unreadable { record: message.detach(), reason }));
    Record { place: Place { topic, partition, offset }, content }
}

/// Tells the subscription when its task ends, however that happens.
struct Ended(Arc<Membership>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.end();
    }
}
