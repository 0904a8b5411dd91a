//! Opening a file: the lock, the settings, the schema.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::sync::{mpsc, watch};

use super::Sharing;
use super::readers::Readers;
use super::writer::{self, Job, Writer};
use crate::error::is_busy;

/// How long a statement waits for the writer of another process, and a caller for a reader.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a file can't be opened. Each is told in one line that a user can act on.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the file open, or this one has it open elsewhere, and one of them exclusively.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file has migrations that this program does not know.
    #[error(
        "{} was written by a newer version of this program (its schema is {found}, the newest known here is {known})",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The unknown migration.
        found: i64,
        /// The newest migration of this program.
        known: i64,
    },
    /// The directory or the lock file can't be made.
    #[error("{} can't be made", path.display())]
    Files {
        /// The directory or the lock file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The schema can't be brought up to date.
    #[error("the schema of {} can't be brought up to date", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// The migration that fails, and why.
        source: MigrateError,
    },
    /// SQLite can't open the file, as when it is missing, not a database or not ours to read.
    #[error("{} can't be opened", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: sqlx::Error,
    },
}

/// An open file on its way to a [`Writer`].
pub(super) struct Opened {
    options: SqliteConnectOptions,
    connection: SqliteConnection,
    lock: File,
}

impl Opened {
    pub(super) fn writer(
        self,
        queue: mpsc::Receiver<Box<dyn Job>>,
        revision: watch::Sender<u64>,
        sharing: Sharing,
        counts: writer::Counts,
    ) -> Writer {
        let Self { options, connection, lock } = self;
        Writer { options, connection: Some(connection), queue, revision, sharing, counts, lock }
    }
}

pub(super) async fn read_write(
    path: &Path,
    migrations: &'static Migrator,
    sharing: Sharing,
) -> Result<Opened, OpenError> {
    let lock = lock(path, sharing)?;
    let options = settings(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", "-2048");
    let mut connection =
        connect(&options).await.map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    migrate(&mut connection, migrations).await.map_err(|source| unfit(path, migrations, source))?;
    Ok(Opened { options, connection, lock })
}

/// Readers come into being when they are needed and stay: a handful of threads for the whole shop.
pub(super) fn readers() -> SqlitePoolOptions {
    let count = thread::available_parallelism().map_or(2, usize::from).clamp(2, 4);
    SqlitePoolOptions::new()
        .max_connections(u32::try_from(count).unwrap_or(2))
        .acquire_timeout(PATIENCE)
        // A ping would double the cost of a read, and a file does not hang up.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// What each of them is like.
pub(super) fn reader(path: &Path) -> SqliteConnectOptions {
    settings(path).read_only(true).pragma("cache_size", "-1024")
}

/// Finds out whether a file that is only to be read can be read.
pub(super) async fn probe(path: &Path, readers: &Readers) -> Result<(), OpenError> {
    let failed = |source| OpenError::File { path: path.to_owned(), source };
    let mut connection = readers.take(None).await.map_err(failed)?;
    sqlx::query("SELECT count(*) FROM sqlite_schema").execute(&mut *connection).await.map_err(failed)?;
    Ok(())
}

/// What writer and readers have in common.
fn settings(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        .disable_statement_logging()
}

/// Takes the lock, on a file beside the database: SQLite's own locks on the database are lost as soon as
/// this process closes any other descriptor of it.
fn lock(path: &Path, sharing: Sharing) -> Result<File, OpenError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|source| OpenError::Files { path: parent.to_owned(), source })?;
    }
    let mut name = OsString::from(path);
    name.push(".lock");
    let failed = |source| OpenError::Files { path: PathBuf::from(&name), source };
    let file = File::options().create(true).truncate(false).write(true).open(&name).map_err(failed)?;
    let locked = match sharing {
        Sharing::Exclusive => file.try_lock(),
        Sharing::Shared => file.try_lock_shared(),
    };
    match locked {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Connects. The switch of a new file to WAL can't wait for another process that does the same, so that
/// waiting is done here.
async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let start = Instant::now();
    loop {
        match options.connect().await {
            Err(error) if is_busy(&error) && start.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            outcome => return outcome,
        }
    }
}

/// Applies what is missing, in one transaction: one sync for a new file, all or nothing, and two processes
/// that start at once do it one after the other.
async fn migrate(connection: &mut SqliteConnection, migrations: &Migrator) -> Result<(), MigrateError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    migrations.run_direct(None, &mut *transaction, false).await?;
    transaction.commit().await?;
    Ok(())
}

fn unfit(path: &Path, migrations: &Migrator, source: MigrateError) -> OpenError {
    let known = migrations.iter().map(|migration| migration.version).max().unwrap_or(0);
    let path = path.to_owned();
    match source {
        MigrateError::VersionMissing(found) | MigrateError::VersionTooNew(found, _) if found > known => {
            OpenError::Newer { path, found, known }
        }
        source => OpenError::Schema { path, source },
    }
}
