//! Why a call was refused or failed, and the only place where that becomes a gRPC status. Fields that can't be
//! used are refused before, as [`proto::Invalid`].

use proto::{Reason, Rejection};
use tokio::task::JoinError;
use tonic::{Code, Status};
use types::ProductId;

/// Why a call was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such product.
    #[error("product {0} does not exist")]
    Absent(ProductId),
    /// The product has another version than the caller expects.
    #[error("product {id} does not have the expected version, it has version {current}")]
    Stale {
        /// The product.
        id: ProductId,
        /// The version it has.
        current: i64,
    },
    /// The store has not been reached since the start.
    #[error("the catalogue has not been read yet")]
    Unread,
    /// The store did not do as asked.
    #[error("the catalogue can't be changed")]
    Store(#[from] sql::Error),
    /// A change ended before it was answered; it may have been made.
    #[error("a change of the catalogue broke off")]
    BrokenOff(#[source] JoinError),
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Absent(_) => Rejection::new(Code::NotFound, Reason::ProductNotFound, text).into(),
            Error::Stale { current, .. } => Rejection::new(Code::Aborted, Reason::StaleVersion, text)
                .with_metadata("current_version", current.to_string())
                .into(),
            // The health of the server says so in the log, once and not for each call.
            Error::Unread => proto::status::not_now("the catalogue is not there yet, try again"),
            Error::Store(cause) => failed(&cause),
            Error::BrokenOff(cause) => {
                tracing::error!(error = %cause, "change broke off");
                Self::internal("internal error")
            }
        }
    }
}

/// Says what the caller can do about it; what went wrong is for the log.
fn failed(error: &sql::Error) -> Status {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, cause, "store failed");
    match error {
        sql::Error::Unavailable(_) => proto::status::not_now("the catalogue can't be changed at this moment"),
        sql::Error::Unknown(_) => {
            proto::status::not_now("whether the change was made is not known: look before repeating it")
        }
        sql::Error::Conflict(_) | sql::Error::Defect(_) => Status::internal("internal error"),
    }
}
