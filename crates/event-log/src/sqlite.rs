//! The log in a SQLite file, shared by the processes of one machine.

mod archive;
pub mod outbox;
mod rows;
mod subscription;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use platform::World;
use sql::sqlite::{Database, Sharing};
use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{DeadLetter, Delivery, Error, Event, EventLog};
pub use archive::Archive;

/// The name of the file in the data directory.
pub(crate) const FILE: &str = "events.db";

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");

/// How long a member that has died keeps its topics from the others.
const LEASE: Duration = Duration::from_secs(5);

/// The same where all members live in this process: it can't die without its members, so that leases are
/// renewed at leisure.
const LEASE_WITHIN: Duration = Duration::from_secs(30);

/// An open log. Clones share it.
#[derive(Clone)]
pub struct Log {
    database: Database,
    world: World,
    lease: Duration,
    /// Own the tasks that keep leases alive.
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Log {
    /// Opens the log in this file, made if it is not there.
    ///
    /// # Errors
    /// As [`Database::open`], in words for the user.
    pub async fn open(path: &Path, sharing: Sharing, world: World) -> anyhow::Result<Self> {
        let database = Database::open(path, &MIGRATIONS, sharing, &world.metrics).await?;
        let lease = match sharing {
            Sharing::Exclusive => {
                // Whoever is noted as a member is dead: only we have the file.
                rows::release_all(&database).await?;
                LEASE_WITHIN
            }
            Sharing::Shared => LEASE,
        };
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        Ok(Self { database, world, lease, tasks, closing })
    }

    /// All events of a topic, in order.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the file can't be read.
    pub async fn events(&self, topic: &str) -> Result<Vec<Delivery>, Error> {
        rows::events(&self.database, topic).await
    }

    /// All events that were given up, in the order in which that happened.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the file can't be read.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, Error> {
        rows::dead_letters(&self.database).await
    }
}

#[async_trait]
impl EventLog for Log {
    async fn publish(&self, topic: &str, events: &[Event]) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        let (topic, events) = (topic.to_owned(), events.to_vec());
        self.database
            .write("INSERT events", move |connection| {
                Box::pin(async move {
                    for event in &events {
                        rows::append(connection, &topic, event, None).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn subscribe(&self, group: &str, topics: &[&str]) -> Result<Box<dyn crate::Subscription>, Error> {
        Ok(Box::new(subscription::Subscription::start(self, group, topics)))
    }

    async fn behind(&self, group: &str, topics: &[&str]) -> Result<u64, Error> {
        let mut behind = 0;
        for topic in topics {
            behind += rows::behind(&self.database, group, topic).await?;
        }
        Ok(behind)
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(self.database.ping().await?)
    }

    /// Gives all topics back to other members at once, then closes the file.
    async fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.database.close().await;
    }
}
