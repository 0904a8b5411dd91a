//! The port: what every log of events does.

use async_trait::async_trait;

use crate::{Delivery, Event};

/// How the names of dead-letter topics end.
const DEAD_LETTERS: &str = ".dlq";

/// Topics of events, kept durably.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends events to a topic, in this order. All of them are durable when this returns `Ok`.
    ///
    /// # Errors
    /// After any error some or all of them may be in the log: publish them again, with the same ids.
    async fn publish(&self, topic: &str, events: &[Event]) -> Result<(), Error>;

    /// Joins a group of consumers. A group sees every event of its topics, from the first one on; of its
    /// members only one has a partition at a time.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log can't be reached.
    async fn subscribe(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Subscription>, Error>;

    /// How many events of these topics a group is not done with, whether or not it has members: all, where it has not
    /// begun.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log can't be asked.
    async fn behind(&self, group: &str, topics: &[&str]) -> Result<u64, Error>;

    /// What traces call it, by the semantic conventions; a log of our own is ours.
    fn system(&self) -> &'static str {
        "oxcart"
    }

    /// Whether the log can be used at this moment.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it can't.
    async fn ping(&self) -> Result<(), Error>;

    /// Leaves all partitions to other members and lets go of the log, within seconds. What is left of it in use
    /// fails from now on. There is nothing to be done where nothing is held.
    async fn close(&self) {}
}

/// A member of a group. Dropping it leaves its partitions to the other members.
#[async_trait]
pub trait Subscription: Send {
    /// The next events that are not committed, those of a partition in order, at least one; waits until there are
    /// any and they are this member's to consume. What was delivered but not committed comes again with the next
    /// call, here or at the member that has the partition by then. Dropping the future loses nothing. What is no
    /// event, where others write to the log too, is given up without being delivered.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log can't be reached.
    async fn next(&mut self) -> Result<Vec<Delivery>, Error>;

    /// Notes that the group is done with this delivery and all before it in its partition of the topic.
    ///
    /// # Errors
    /// [`Error::Lost`] when the partition is no longer this member's; nothing was noted then.
    async fn commit(&mut self, delivery: &Delivery) -> Result<(), Error>;

    /// Gives the delivery up: it goes to the [`dead_letter_topic`] with the reason, and then the group is done
    /// with it and all before it in its partition of the topic. After an error it may be a dead letter already,
    /// and become one again.
    ///
    /// # Errors
    /// [`Error::Lost`] when the partition is no longer this member's; nothing was noted then.
    async fn dead_letter(&mut self, delivery: &Delivery, reason: &str) -> Result<(), Error>;
}

/// Where the events of a topic go that a group of consumers gives up.
pub fn dead_letter_topic(topic: &str) -> String {
    format!("{topic}{DEAD_LETTERS}")
}

pub(crate) fn is_dead_letter_topic(topic: &str) -> bool {
    topic.ends_with(DEAD_LETTERS)
}

/// Where the events of a dead-letter topic were before.
pub(crate) fn origin_of(topic: &str) -> &str {
    topic.strip_suffix(DEAD_LETTERS).unwrap_or(topic)
}

/// Why a log did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Out of reach, or it did not answer. Try again.
    #[error("the event log is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another member of the group has the partition now, which will get the delivery. Go on with
    /// [`Subscription::next`].
    #[error("another member of the group has taken over a partition of topic {topic}")]
    Lost {
        /// The topic.
        topic: String,
    },
    /// Our own fault, or a log with contents that nobody of us wrote.
    #[error("the event log was used in a wrong way")]
    Defect(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<sql::Error> for Error {
    fn from(error: sql::Error) -> Self {
        match error {
            sql::Error::Unavailable(_) | sql::Error::Unknown(_) => Self::Unavailable(error.into()),
            sql::Error::Conflict(_) | sql::Error::Defect(_) => Self::Defect(error.into()),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        sql::Error::from(error).into()
    }
}
