//! The log in Kafka, shared by as many processes and machines as there are.
//!
//! An event is a record in the binary mode of CloudEvents 1.0: its key decides the partition, so that the events of
//! one key keep their order. Topics that are missing are made with a configured number of partitions before they
//! are first used. A group of consumers shares the partitions of its topics among its members, and what it is done
//! with is an offset that Kafka keeps.
//!
//! A dead letter is the record as it was, with `dlq_reason`, `dlq_topic`, `dlq_partition`, `dlq_offset`,
//! `dlq_group` and `dlq_time` among its headers. It is in its topic before the offset moves on, so it may be there
//! twice. A record that is no event, since its headers are missing or make no sense, becomes a dead letter without
//! ever being delivered: [`crate::Subscription::next`] moves it there and goes on with what comes after it. In the
//! dead-letter topic it can be read as an event of the kind [`UNREADABLE`](crate::UNREADABLE).

mod archive;
mod brokers;
mod client;
mod holdings;
mod member;
mod membership;
mod reach;
mod record;
mod standings;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use platform::World;
use platform::config::Server;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::{Error, Event, EventLog};
pub use archive::Archive;
use brokers::Brokers;
use client::{Client, Record};
use standings::Standings;

/// How long members may take to leave their groups when the log is closed.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

/// An open log. Clones share it.
#[derive(Clone)]
pub struct Log {
    client: Arc<Client>,
    standings: Arc<Standings>,
    world: World,
    /// Own the tasks of the members.
    tasks: TaskTracker,
    closing: CancellationToken,
    /// Ends the watch where nobody closes the log.
    _open: Arc<DropGuard>,
}

impl Log {
    /// Opens the log on these brokers; `partitions` is for the topics that it has to make. Brokers that don't
    /// answer are told of in the log, and used as soon as they do. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// A list of brokers that can't be used, in words for the user.
    pub fn open(server: &Server, partitions: u16, world: World) -> anyhow::Result<Self> {
        let brokers = Brokers::try_from(server)?;
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        let client = Client::new(brokers, partitions, tasks.clone());
        let client = Arc::new(client.with_context(|| format!("{} can't be used", server.variable))?);
        tasks.spawn(reach::watch(Arc::clone(&client), closing.clone()));
        let open = Arc::new(closing.clone().drop_guard());
        let standings = Arc::new(Standings::new(Arc::clone(&client)));
        Ok(Self { client, standings, world, tasks, closing, _open: open })
    }
}

#[async_trait]
impl EventLog for Log {
    async fn publish(&self, topic: &str, events: &[Event]) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        self.client.publish(topic, events.iter().map(Record::of).collect()).await
    }

    async fn subscribe(&self, group: &str, topics: &[&str]) -> Result<Box<dyn crate::Subscription>, Error> {
        Ok(Box::new(subscription::Subscription::start(self, group, topics)))
    }

    async fn behind(&self, group: &str, topics: &[&str]) -> Result<u64, Error> {
        self.standings.behind(group, topics).await
    }

    fn system(&self) -> &'static str {
        "kafka"
    }

    async fn ping(&self) -> Result<(), Error> {
        self.client.look().await
    }

    /// Members leave their groups, and what is on its way to the brokers gets there, each within a bound.
    async fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
        if tokio::time::timeout(LEAVE_WITHIN, self.tasks.wait()).await.is_err() {
            tracing::warn!("members did not leave their groups in time");
        }
        self.standings.close().await;
        self.client.close().await;
    }
}
