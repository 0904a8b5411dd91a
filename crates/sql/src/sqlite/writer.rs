//! The one task that writes to a file.

use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::metrics::{Counted, Counter, Gauge, Metrics};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Sharing;
use crate::{Error, error};

/// Jobs that may wait for the writer: eight full batches, a fraction of a second of work. Beyond it callers
/// wait for room, within their own deadlines.
pub(super) const QUEUE: usize = 8 * BATCH;

/// Jobs in one transaction. More would hardly save another sync, and every caller of a batch waits for all
/// of it.
const BATCH: usize = 128;

/// How often a shared file is looked at for commits of other processes.
const FOREIGN_COMMITS: Duration = Duration::from_millis(50);

/// One caller's work and the way back to the caller.
pub(super) trait Job: Send {
    /// Does the work; whether its changes are to be kept. Never panics.
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, bool>;
    /// Tells the caller: the result of the work if its batch was committed or needed no commit.
    fn answer(self: Box<Self>, batch: Result<(), Error>);
}

pub(super) struct Pending<F, T, E> {
    work: Option<F>,
    /// Until its turn comes, or it is given up before.
    waiting: Option<Counted>,
    result: Option<Result<T, E>>,
    caller: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Pending<F, T, E> {
    pub(super) fn new(work: F, waiting: Counted, caller: oneshot::Sender<Result<T, E>>) -> Self {
        Self { work: Some(work), waiting: Some(waiting), result: None, caller }
    }
}

impl<F, T, E> Job for Pending<F, T, E>
where
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, E>> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, bool> {
        Box::pin(async move {
            self.waiting = None;
            let Some(work) = self.work.take() else {
                return false;
            };
            // A connection is fit for use after an unwind: statements that were under way are reset, and the
            // caller of `run` rolls the rest back.
            let result = AssertUnwindSafe(async move { work(connection).await })
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Err(Error::defect("the work panicked").into()));
            let keep = result.is_ok();
            self.result = Some(result);
            keep
        })
    }

    fn answer(self: Box<Self>, batch: Result<(), Error>) {
        let result = match (batch, self.result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(Error::defect("the batch was closed before the work was done").into()),
            (Err(error), _) => Err(error.into()),
        };
        // The caller may be gone, which is its right.
        let _ = self.caller.send(result);
    }
}

/// What is told of the writes to a file.
#[derive(Debug)]
pub(super) struct Counts {
    /// Those whose turn has not come.
    pub(super) waiting: Gauge,
    writes: Counter,
    batches: Counter,
}

impl Counts {
    /// Those of the store of this name.
    pub(super) fn new(metrics: &Metrics, store: &str) -> Self {
        let labels = [("store", store)];
        let counter = |name, help| metrics.counter(name, help, &labels);
        Self {
            waiting: metrics.gauge(
                "oxcart_writes_waiting",
                "Writes to an embedded store that wait for their turn.",
                &labels,
            ),
            writes: counter("oxcart_writes_total", "Writes to an embedded store that had their turn."),
            batches: counter(
                "oxcart_write_batches_total",
                "Transactions of an embedded store, each of which has what was waiting.",
            ),
        }
    }
}

pub(super) struct Writer {
    pub(super) options: SqliteConnectOptions,
    /// Absent after a failure, until the next batch.
    pub(super) connection: Option<SqliteConnection>,
    pub(super) queue: mpsc::Receiver<Box<dyn Job>>,
    pub(super) revision: watch::Sender<u64>,
    pub(super) sharing: Sharing,
    pub(super) counts: Counts,
    /// Held for as long as this task may write.
    pub(super) lock: File,
}

impl Writer {
    /// Works until every [`super::Database`] is dropped, or `closing` is cancelled, and the queue is empty.
    pub(super) async fn run(mut self, closing: CancellationToken) {
        let shared = self.sharing == Sharing::Shared;
        let mut foreign_commits = interval(FOREIGN_COMMITS);
        foreign_commits.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut version = None;
        loop {
            tokio::select! {
                biased;
                () = closing.cancelled(), if !self.queue.is_closed() => self.queue.close(),
                _ = foreign_commits.tick(), if shared => version = self.look(version).await,
                job = self.queue.recv() => match job {
                    Some(job) => self.batch(job).await,
                    None => break,
                },
            }
        }
        self.disconnect().await;
        drop(self.lock);
    }

    async fn batch(&mut self, first: Box<dyn Job>) {
        let mut batch = vec![first];
        let outcome = self.transaction(&mut batch).await;
        self.counts.batches.increment(1);
        self.counts.writes.increment(batch.len() as u64);
        if let Err(error) = &outcome {
            tracing::warn!(file = ?self.options.get_filename(), jobs = batch.len(), error = describe(error), "batch failed");
            self.disconnect().await;
        }
        // Failed work is answered this late too: what it saw may have been someone's uncommitted change.
        for job in batch {
            job.answer(outcome.clone());
        }
    }

    /// Runs the first job and whatever is waiting, then commits. An error holds for the whole batch.
    async fn transaction(&mut self, batch: &mut Vec<Box<dyn Job>>) -> Result<(), Error> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            absent => absent.insert(self.options.connect().await?),
        };
        if fill(connection, batch, &mut self.queue).await.map_err(Error::unavailable)? == Filled::Nothing {
            return Ok(());
        }
        execute(connection, "COMMIT").await.map_err(error::of_commit)?;
        self.revision.send_modify(|revision| *revision += 1);
        Ok(())
    }

    /// Looks whether another process has committed since `before`, which SQLite tells by a number.
    async fn look(&mut self, before: Option<i64>) -> Option<i64> {
        let connection = self.connection.as_mut()?;
        let now = sqlx::query_scalar("PRAGMA data_version").fetch_one(connection).await.ok();
        if now.is_some() && now != before {
            self.revision.send_modify(|revision| *revision += 1);
        }
        now
    }

    /// Gives the connection up, and with it a transaction that may be open. Anything but a new connection
    /// would have to be sure of the state that the failure left behind.
    async fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(file = ?self.options.get_filename(), %error, "connection closed badly");
        }
    }
}

#[derive(PartialEq, Eq)]
enum Filled {
    /// The transaction is over.
    Nothing,
    /// The transaction is open and has changes to commit.
    Some,
}

/// Begins a transaction and runs jobs in it. An error means that nothing of the batch will be committed.
async fn fill(
    connection: &mut SqliteConnection,
    batch: &mut Vec<Box<dyn Job>>,
    queue: &mut mpsc::Receiver<Box<dyn Job>>,
) -> Result<Filled, sqlx::Error> {
    execute(connection, "BEGIN IMMEDIATE").await?;
    // The first job needs no savepoint, and a lone caller, the usual case, need not wait for one.
    if !run_last(connection, batch).await {
        execute(connection, "ROLLBACK").await?;
        return Ok(Filled::Nothing);
    }
    while batch.len() < BATCH
        && let Ok(job) = queue.try_recv()
    {
        batch.push(job);
        // One savepoint at a time: SQLite's work per changed page grows with the number of open ones.
        let savepoint = if batch.len() == 2 { "SAVEPOINT job" } else { "RELEASE job; SAVEPOINT job" };
        execute(connection, savepoint).await?;
        if !run_last(connection, batch).await {
            execute(connection, "ROLLBACK TO job").await?;
        }
    }
    Ok(Filled::Some)
}

async fn run_last(connection: &mut SqliteConnection, batch: &mut [Box<dyn Job>]) -> bool {
    match batch.last_mut() {
        Some(job) => job.run(connection).await,
        None => false,
    }
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(statement).execute(connection).await.map(drop)
}

/// The error with its cause, on one line.
fn describe(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
