//! Everything that a log holds, for audits and tools.

use async_trait::async_trait;

use crate::{DeadLetter, Delivery, Error};

/// Reads a log without being a member of any group: nothing that is consumed changes, and nobody waits.
#[async_trait]
pub trait Archive: Send + Sync {
    /// All events of a topic, those of a partition in order. What no consumer could read either is left out.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log can't be read.
    async fn events(&self, topic: &str) -> Result<Vec<Delivery>, Error>;

    /// The last events of a topic, up to `count` of each partition, those of a partition in order: for who looks again
    /// and again, however long the topic is.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log can't be read.
    async fn latest(&self, topic: &str, count: u32) -> Result<Vec<Delivery>, Error>;

    /// All events of these topics that were given up, in the order in which that happened.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log can't be read.
    async fn dead_letters(&self, topics: &[&str]) -> Result<Vec<DeadLetter>, Error>;

    /// How far these groups have come in these topics; nothing is said of what a group has not begun.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log can't be read.
    async fn progress(&self, groups: &[&str], topics: &[&str]) -> Result<Vec<Progress>, Error>;

    /// Where the partitions of these topics end.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the log can't be read.
    async fn ends(&self, topics: &[&str]) -> Result<Vec<End>, Error>;
}

/// How far a group of consumers has come in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset that the group is not done with: it is done with all before.
    pub next: i64,
}

/// What there is of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset that is still there.
    pub first: i64,
    /// The first offset that is not there yet: everything before it is, from `first` on.
    pub next: i64,
}
