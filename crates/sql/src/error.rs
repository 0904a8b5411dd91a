//! Errors, sorted by what the caller can do.

use std::sync::Arc;

use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

/// What lies beneath an [`Error`]; for logs, not for decisions.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a database did not do as asked. Cloned freely: the callers of one batch share one cause.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Busy, full, closed or out of reach. Certainly nothing was applied: the same call may be repeated.
    #[error("the database is unavailable")]
    Unavailable(#[source] Cause),
    /// The connection or the disk failed while committing. The change may have been applied: read it back
    /// by its key before repeating it.
    #[error("the database did not say whether the change was applied")]
    Unknown(#[source] Cause),
    /// A unique, check or foreign key constraint refuses the change. Nothing was applied, and repeating it
    /// is of no use.
    #[error("the change conflicts with a constraint of the database")]
    Conflict(#[source] Arc<sqlx::Error>),
    /// Our own fault: wrong SQL, a row that can't be decoded, a job that panicked. Nothing was applied.
    #[error("the database was used in a wrong way")]
    Defect(#[source] Cause),
}

impl Error {
    /// An [`Error::Unavailable`] for this reason.
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(Arc::from(cause.into()))
    }

    /// An [`Error::Unknown`] for this reason.
    pub fn unknown(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unknown(Arc::from(cause.into()))
    }

    /// An [`Error::Defect`] for this reason, as for a stored value that its type does not accept.
    pub fn defect(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Defect(Arc::from(cause.into()))
    }

    /// For a statement that changes something and commits by itself: if the connection broke under it, it may
    /// have been done.
    pub fn of_autocommit(error: sqlx::Error) -> Self {
        if is_broken_connection(&error) { Self::unknown(error) } else { error.into() }
    }

    /// Whether a unique index or a primary key refused the change: someone else was first.
    pub fn is_unique_violation(&self) -> bool {
        match self {
            Self::Conflict(cause) => cause.as_database_error().is_some_and(|e| e.is_unique_violation()),
            Self::Unavailable(_) | Self::Unknown(_) | Self::Defect(_) => false,
        }
    }
}

impl From<sqlx::Error> for Error {
    /// For a statement inside of a transaction, or a read: whatever it did is undone when the transaction fails,
    /// so [`Error::Unknown`] never comes from here.
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Database(database) => match database.kind() {
                ErrorKind::UniqueViolation | ErrorKind::ForeignKeyViolation | ErrorKind::CheckViolation => {
                    Self::Conflict(Arc::new(error))
                }
                _ if is_circumstance(database.as_ref()) => Self::unavailable(error),
                _ => Self::defect(error),
            },
            // A server that dies in the middle of a message leaves one that can't be read.
            E::Io(_)
            | E::Protocol(_)
            | E::Tls(_)
            | E::PoolTimedOut
            | E::PoolClosed
            | E::WorkerCrashed
            | E::BeginFailed => Self::unavailable(error),
            _ => Self::defect(error),
        }
    }
}

/// For a COMMIT. Only where SQLite refuses before it writes the commit record is the outcome certain; a
/// failed write or sync may leave a record that a recovery would honour.
pub(crate) fn of_commit(error: sqlx::Error) -> Error {
    match sqlite_code(&error) {
        Some(code::BUSY | code::LOCKED | code::CONSTRAINT) => Error::unavailable(error),
        _ => Error::unknown(error),
    }
}

/// For a COMMIT of PostgreSQL. Where the server answers, it has undone the transaction.
pub(crate) fn of_postgres_commit(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(database) if !is_shutdown(database.as_ref()) => error.into(),
        _ => Error::unknown(error),
    }
}

fn is_broken_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(database) => is_shutdown(database.as_ref()),
        _ => false,
    }
}

/// Whether the server says that it goes away, in the middle of whatever it was doing.
fn is_shutdown(error: &dyn DatabaseError) -> bool {
    let code = error.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::code);
    code.is_some_and(|code| matches!(code, "57P01" | "57P02" | "57P05"))
}

/// Whether another connection stood in the way.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(sqlite_code(error), Some(code::BUSY | code::LOCKED))
}

/// The primary result code of SQLite, without the extension in the higher bits.
fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    primary_code(error.as_database_error()?)
}

fn primary_code(error: &dyn DatabaseError) -> Option<u32> {
    let extended: u32 = DatabaseError::code(error.try_downcast_ref::<SqliteError>()?)?.parse().ok()?;
    Some(extended & 0xff)
}

/// Whether the circumstances are to blame, not the statement.
fn is_circumstance(error: &dyn DatabaseError) -> bool {
    match error.try_downcast_ref::<PgDatabaseError>() {
        Some(postgres) => is_postgres_circumstance(postgres.code()),
        None => primary_code(error).is_some_and(is_sqlite_circumstance),
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>: connection, invalid transaction state after
/// a failover to a standby, rollback (deadlock), resources, operator (a statement that took too long, a
/// shutdown), system; and a lock that was not to be had in time.
fn is_postgres_circumstance(code: &str) -> bool {
    ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class))
        || matches!(code, "25006" | "25P03" | "55P03")
}

fn is_sqlite_circumstance(code: u32) -> bool {
    matches!(
        code,
        code::BUSY
            | code::LOCKED
            | code::NOMEM
            | code::READONLY
            | code::INTERRUPT
            | code::IOERR
            | code::FULL
            | code::CANTOPEN
            | code::PROTOCOL
    )
}

/// <https://www.sqlite.org/rescode.html>
mod code {
    pub(super) const BUSY: u32 = 5;
    pub(super) const LOCKED: u32 = 6;
    pub(super) const NOMEM: u32 = 7;
    pub(super) const READONLY: u32 = 8;
    pub(super) const INTERRUPT: u32 = 9;
    pub(super) const IOERR: u32 = 10;
    pub(super) const FULL: u32 = 13;
    pub(super) const CANTOPEN: u32 = 14;
    pub(super) const PROTOCOL: u32 = 15;
    pub(super) const CONSTRAINT: u32 = 19;
}
