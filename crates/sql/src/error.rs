//! Errors, sorted by what the caller can do.

use std::sync::Arc;

use sqlx::error::ErrorKind;
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

    /// Whether a unique index or a primary key refused the change: someone else was first.
    pub fn is_unique_violation(&self) -> bool {
        match self {
            Self::Conflict(cause) => cause.as_database_error().is_some_and(|e| e.is_unique_violation()),
            Self::Unavailable(_) | Self::Unknown(_) | Self::Defect(_) => false,
        }
    }
}

impl From<sqlx::Error> for Error {
    /// For a statement inside of a write job, or a read: whatever it did is undone when the job fails, so
    /// [`Error::Unknown`] never comes from here.
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Database(database) => match database.kind() {
                ErrorKind::UniqueViolation | ErrorKind::ForeignKeyViolation | ErrorKind::CheckViolation => {
                    Self::Conflict(Arc::new(error))
                }
                _ if sqlite_code(&error).is_some_and(is_circumstance) => Self::unavailable(error),
                _ => Self::defect(error),
            },
            E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed | E::BeginFailed => {
                Self::unavailable(error)
            }
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

/// Whether another connection stood in the way.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(sqlite_code(error), Some(code::BUSY | code::LOCKED))
}

/// The primary result code of SQLite, without the extension in the higher bits.
fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    let sqlite = error.as_database_error()?.try_downcast_ref::<SqliteError>()?;
    let extended: u32 = sqlx::error::DatabaseError::code(sqlite)?.parse().ok()?;
    Some(extended & 0xff)
}

/// Whether the circumstances are to blame, not the statement.
fn is_circumstance(code: u32) -> bool {
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
