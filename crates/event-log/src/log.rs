//! The port: what every log of events does.

use async_trait::async_trait;

use crate::{Delivery, Event};

/// Topics of events, kept durably.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends events to a topic, in this order. All of them are durable when this returns `Ok`.
    ///
    /// # Errors
    /// After any error some or all of them may be in the log: publish them again, with the same ids.
    async fn publish(&self, topic: &str, events: &[Event]) -> Result<(), Error>;

    /// Joins a group of consumers. A group sees every event of its topics, from the first one on; of its
    /// members only one has a topic at a time.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log can't be reached.
    async fn subscribe(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Subscription>, Error>;

    /// Whether the log can be used at this moment.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it can't.
    async fn ping(&self) -> Result<(), Error>;
}

/// A member of a group. Dropping it leaves its topics to the other members.
#[async_trait]
pub trait Subscription: Send {
    /// The next events that are not committed, in order, at least one; waits until there are any and they
    /// are this member's to consume. What was delivered but not committed comes again with the next call,
    /// here or at the member that has the topic by then. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log can't be reached.
    async fn next(&mut self) -> Result<Vec<Delivery>, Error>;

    /// Notes that the group is done with this delivery and all before it in its topic.
    ///
    /// # Errors
    /// [`Error::Lost`] when the topic is no longer this member's; nothing was noted then.
    async fn commit(&mut self, delivery: &Delivery) -> Result<(), Error>;

    /// Gives the delivery up: it goes to the [`dead_letter_topic`] with the reason, and the group is done
    /// with it and all before it in its topic, both at once.
    ///
    /// # Errors
    /// [`Error::Lost`] when the topic is no longer this member's; nothing was done then.
    async fn dead_letter(&mut self, delivery: &Delivery, reason: &str) -> Result<(), Error>;
}

/// Where the events of a topic go that a group of consumers gives up.
pub fn dead_letter_topic(topic: &str) -> String {
    format!("{topic}.dlq")
}

/// Why a log did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Out of reach, or it did not answer. Try again.
    #[error("the event log is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another member of the group has the topic now, which will get the delivery. Go on with
    /// [`Subscription::next`].
    #[error("another member of the group has taken over topic {topic}")]
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
