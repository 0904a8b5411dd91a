//! SQLite files: one writer per file that commits many callers at once, and a few readers.
//!
//! A commit that survives a power cut costs one sync of the disk, some hundred microseconds at best. The
//! callers that wait at the same moment share it: the writer takes what is queued into one transaction,
//! gives each job a savepoint of its own, commits, and only then answers all of them.

mod open;
mod readers;
mod writer;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use platform::metrics::{Counted, Gauge, Metrics};
use platform::trace::{Span, store};
use sqlx::SqliteConnection;
use sqlx::migrate::Migrator;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Error;
pub use open::OpenError;
use readers::Readers;
pub use readers::Reading;
use writer::{Counts, Job, Pending};

/// Who may have the file open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// This process alone.
    Exclusive,
    /// Several processes of this machine, all of them as `Shared`.
    Shared,
}

/// An open SQLite file. Clones share it. It is closed by [`Database::close`] or with the last clone; jobs
/// that are queued by then are still done.
#[derive(Debug, Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    sharing: Sharing,
    /// Absent where the file is only read.
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    /// Counts those that wait.
    waiting: Gauge,
    readers: Readers,
    /// Ends with the writer, which has the sender.
    revision: watch::Receiver<u64>,
    closing: CancellationToken,
    /// Owns the writer's task.
    tasks: TaskTracker,
}

impl Database {
    /// Opens the file, made together with its directory if it is not there, and brings its schema up to
    /// date. All missing migrations are applied in one transaction. `metrics` are told how it is used, under the name of
    /// the file without its ending.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(
        path: &Path,
        migrations: &'static Migrator,
        sharing: Sharing,
        metrics: &Metrics,
    ) -> Result<Self, OpenError> {
        let opened = open::read_write(path, migrations, sharing).await?;
        let (jobs, queue) = mpsc::channel(writer::QUEUE);
        let (commits, revision) = watch::channel(0);
        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        let counts = Counts::new(metrics, name(path));
        let (jobs, waiting) = (Some(jobs), counts.waiting.clone());
        tasks.spawn(opened.writer(queue, commits, sharing, counts).run(closing.clone()));
        tasks.close();
        let readers = Readers::new(path, metrics);
        let path = path.to_owned();
        let inner = Inner { path, sharing, jobs, waiting, readers, revision, closing, tasks };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens a file that exists for reading only, whether or not a shop is running on it: takes no lock and
    /// applies no migration.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        let readers = Readers::new(path, &Metrics::none());
        open::probe(path, &readers).await?;
        let (_, revision) = watch::channel(0);
        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.close();
        let (path, sharing) = (path.to_owned(), Sharing::Shared);
        let (jobs, waiting) = (None, Gauge::noop());
        let inner = Inner { path, sharing, jobs, waiting, readers, revision, closing, tasks };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs `work` in a transaction and answers once that is durable. Traces show it as `summary`, such as
    /// `UPDATE checkouts`, from the moment it is queued. What `work` returns as an error undoes
    /// its own changes only, and so does a panic, which becomes [`Error::Defect`].
    ///
    /// `work` shares its transaction with other callers' work: it must not begin or end one, and must not
    /// wait for anything but the connection it is given. Once queued it is done, even if the caller's future
    /// is dropped. While the queue is full the caller waits.
    ///
    /// # Errors
    /// What `work` returns, or any [`Error`], as an `E`.
    pub async fn write<T, E, F>(&self, summary: &'static str, work: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let span = self.span(summary);
        let written = self.queue(work).await;
        store::answered(span, &written);
        written
    }

    async fn queue<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let Some(jobs) = &self.inner.jobs else {
            return Err(Error::defect("the file was opened for reading only").into());
        };
        let (caller, answer) = oneshot::channel();
        let waiting = Counted::by(&self.inner.waiting);
        let job: Box<dyn Job> = Box::new(Pending::new(work, waiting, caller));
        jobs.send(job).await.map_err(|_| Error::unavailable("the file has been closed"))?;
        answer.await.unwrap_or_else(|_| Err(Error::unknown("the writer ended before it answered").into()))
    }

    /// A connection that can only read. It sees every write that was answered before, and waits up to 5 s
    /// for its turn. Traces show what is done with it as `summary`, such as `SELECT checkouts`, until it is given back.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no connection becomes free in time, or the file has been closed.
    pub async fn read(&self, summary: &'static str) -> Result<Reading, Error> {
        Ok(self.inner.readers.take(self.span(summary)).await?)
    }

    fn span(&self, summary: &'static str) -> Option<Span> {
        store::asked("sqlite", name(&self.inner.path), summary)
    }

    /// Whether the file can be read at this moment, and its writer is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when not.
    pub async fn ping(&self) -> Result<(), Error> {
        if self.inner.jobs.as_ref().is_some_and(mpsc::Sender::is_closed) {
            return Err(Error::unavailable("the writer has ended"));
        }
        let mut connection = self.inner.readers.take(None).await?;
        sqlx::query("SELECT 1").execute(&mut *connection).await?;
        Ok(())
    }

    /// Who else may have the file open.
    pub fn sharing(&self) -> Sharing {
        self.inner.sharing
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Tells of commits from now on: those of this process at once, those of other processes within 50 ms
    /// if the file is [`Sharing::Shared`].
    pub fn changes(&self) -> Changes {
        let mut changes = Changes(self.inner.revision.clone());
        changes.mark_seen();
        changes
    }

    /// How many commits [`Database::changes`] has told of. A batch counts as one.
    pub fn revision(&self) -> u64 {
        *self.inner.revision.borrow()
    }

    /// Finishes the queued jobs, then closes the file and gives its lock back. Later writes and reads are
    /// answered with [`Error::Unavailable`].
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.closing.cancel();
        self.inner.tasks.wait().await;
    }
}

/// What traces and metrics call a file.
fn name(path: &Path) -> &str {
    path.file_stem().and_then(OsStr::to_str).unwrap_or_default()
}

/// Told of commits by a [`Database`]. Several commits may be told as one, none is missed.
#[derive(Debug, Clone)]
pub struct Changes(watch::Receiver<u64>);

impl Changes {
    /// Waits for a commit that this value has not told of yet. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`] once the file has been closed, and where it was opened for reading only.
    pub async fn changed(&mut self) -> Result<(), Error> {
        self.0.changed().await.map_err(|_| Error::unavailable("the file has been closed"))
    }

    /// Forgets the commits so far: call it before looking, so that only what comes after the look wakes.
    pub fn mark_seen(&mut self) {
        self.0.borrow_and_update();
    }
}
