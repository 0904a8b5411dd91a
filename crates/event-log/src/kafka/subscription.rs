//! A member of a group of consumers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::DropGuard;

use super::Log;
use super::client::{self, unavailable};
use super::holdings::{Front, Place, Unreadable, Verdict};
use super::member::{Commit, Member};
use super::membership::{Found, Membership};
use super::record::Epitaph;
use crate::{Delivery, Error, dead_letter_topic};

/// Events delivered at once.
const BATCH: usize = 100;

/// A commit that the brokers have not noted by then has failed.
const COMMIT_WITHIN: Duration = Duration::from_secs(15);

/// While a group shares its partitions out anew, its commits are refused; from one attempt to the next.
const COMMIT_AGAIN: Duration = Duration::from_millis(50);

pub(super) struct Subscription {
    log: Log,
    group: String,
    membership: Arc<Membership>,
    /// One at a time: whoever commits waits for the answer.
    commits: mpsc::Sender<Commit>,
    /// Ends the task, which then leaves the group.
    _gone: DropGuard,
}

impl Subscription {
    pub(super) fn start(log: &Log, group: &str, topics: &[&str]) -> Self {
        let (commits, receiver) = mpsc::channel(1);
        let membership = Membership::new(group);
        let member = Member {
            client: Arc::clone(&log.client),
            group: group.to_owned(),
            topics: topics.iter().map(ToString::to_string).collect(),
            membership: Arc::clone(&membership),
            commits: receiver,
        };
        let gone = log.closing.child_token();
        log.tasks.spawn(member.run(gone.clone()));
        Self { log: log.clone(), group: group.to_owned(), membership, commits, _gone: gone.drop_guard() }
    }

    /// Has the brokers note that this record and all before it in its partition are done.
    async fn settle(&self, place: &Place) -> Result<(), Error> {
        let deadline = Instant::now() + COMMIT_WITHIN;
        loop {
            let answer = timeout_at(deadline, self.note(place)).await.map_err(unavailable)?;
            match answer? {
                Ok(()) => return Ok(()),
                Err(RDKafkaErrorCode::RebalanceInProgress) if Instant::now() < deadline => {
                    sleep(COMMIT_AGAIN).await;
                }
                Err(
                    RDKafkaErrorCode::AssignmentLost
                    | RDKafkaErrorCode::IllegalGeneration
                    | RDKafkaErrorCode::UnknownMemberId
                    | RDKafkaErrorCode::FencedInstanceId,
                ) => return Err(Error::Lost { topic: place.topic.clone() }),
                Err(code) => return Err(unavailable(code)),
            }
        }
    }

    /// One attempt.
    async fn note(&self, place: &Place) -> Result<Result<(), RDKafkaErrorCode>, Error> {
        let (answer, answered) = oneshot::channel();
        self.commits.send(Commit { place: place.clone(), answer }).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())
    }

    /// Moves a record that holds no event to the dead letters, as it is.
    async fn bury(&self, place: &Place, unreadable: &Unreadable) -> Result<(), Error> {
        let Unreadable { record, reason } = unreadable;
        let (topic, partition, offset) = (place.topic.as_str(), place.partition, place.offset);
        tracing::error!(group = self.group, topic, partition, offset, reason, "record is no event, given up");
        let headers = record.headers().cloned().unwrap_or_default();
        let record = client::Record { key: record.key(), payload: record.payload(), headers };
        self.inter(place, &format!("can't be read: {reason}"), record).await
    }

    /// Publishes a dead letter, then commits.
    async fn inter(&self, place: &Place, reason: &str, record: client::Record<'_>) -> Result<(), Error> {
        let Place { topic, partition, offset } = place;
        let at = self.log.world.clock.now();
        let group = self.group.as_str();
        let epitaph = Epitaph { reason, topic, partition: *partition, offset: *offset, group, at };
        let letter = client::Record { headers: epitaph.on(record.headers), ..record };
        self.log.client.publish(&dead_letter_topic(topic), vec![letter]).await?;
        self.settle(place).await
    }
}

#[async_trait]
impl crate::Subscription for Subscription {
    async fn next(&mut self) -> Result<Vec<Delivery>, Error> {
        loop {
            match self.membership.look(BATCH) {
                Found::Front(Front::Deliveries(deliveries)) => return Ok(deliveries),
                Found::Front(Front::Unreadable(place, unreadable)) => {
                    match self.bury(&place, &unreadable).await {
                        // Another member buries it.
                        Ok(()) | Err(Error::Lost { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
                Found::Front(Front::Nothing) => self.membership.news.notified().await,
                Found::Error(error) => return Err(error),
                Found::End => return Err(closed()),
            }
        }
    }

    async fn commit(&mut self, delivery: &Delivery) -> Result<(), Error> {
        self.settle(&delivery.into()).await
    }

    async fn dead_letter(&mut self, delivery: &Delivery, reason: &str) -> Result<(), Error> {
        let place = Place::from(delivery);
        if self.membership.judge(&place) == Verdict::Lost {
            return Err(Error::Lost { topic: place.topic });
        }
        self.inter(&place, reason, client::Record::of(&delivery.event)).await
    }
}

fn closed() -> Error {
    unavailable("the log was closed")
}
