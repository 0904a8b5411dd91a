//! Why a call was refused or failed, and the only place where that becomes a gRPC status.

use proto::{Invalid, Reason, Rejection};
use tokio::task::JoinError;
use tonic::{Code, Status};

use crate::cart::{InvalidQuantity, Refusal};
use crate::{catalogue, store};

/// Why a call was refused or failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The rules say no. Nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Others changed the cart at each attempt. Nothing was changed; the same call may be repeated.
    #[error("the cart was changed by others, try again")]
    Contended,
    /// The cart has another version than the caller expects. Nothing was changed.
    #[error("the cart does not have the expected version any more")]
    Stale,
    /// The catalogue said nothing of use. Nothing was changed.
    #[error("the cart can't be priced")]
    Catalogue(#[from] catalogue::Error),
    /// The store did not do as asked.
    #[error("the cart can't be read or changed")]
    Store(#[from] store::Error),
    /// A write ended before it was answered; it may have been made.
    #[error("a change of the cart broke off")]
    BrokenOff(#[source] JoinError),
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Refused(refusal) => return refused(*refusal),
            Error::Contended => {
                return Rejection::new(Code::Aborted, Reason::CartChanged, error.to_string()).into();
            }
            Error::Stale => {
                return Rejection::new(Code::Aborted, Reason::StaleVersion, error.to_string()).into();
            }
            Error::Catalogue(catalogue::Error::Unavailable(cause)) => match cause.code() {
                Code::DeadlineExceeded => Self::deadline_exceeded("the catalogue did not answer in time"),
                _ => proto::status::not_now("the catalogue is not available"),
            },
            Error::Store(store::Error::Unavailable(_)) => Self::unavailable("carts are not available"),
            Error::Store(store::Error::Unknown(_)) => {
                Self::unavailable("whether the cart was changed is not known: look before repeating it")
            }
            Error::Catalogue(catalogue::Error::Nonsense(_))
            | Error::Store(store::Error::Defect(_))
            | Error::BrokenOff(_) => Self::internal("internal error"),
        };
        match status.code() {
            // Circumstances, which pass; anything else is for somebody to look at.
            Code::Unavailable | Code::DeadlineExceeded => {
                tracing::warn!(error = in_full(&error), "call failed");
            }
            _ => tracing::error!(error = in_full(&error), "call failed"),
        }
        status
    }
}

fn refused(refusal: Refusal) -> Status {
    let text = refusal.to_string();
    let (code, reason) = match refusal {
        Refusal::Quantity => {
            return Invalid::new("quantity", InvalidQuantity).because(Reason::InvalidQuantity).into();
        }
        Refusal::TotalOutOfRange => return Invalid::new("total", "is out of range").into(),
        Refusal::ProductNotFound(_) => (Code::NotFound, Reason::ProductNotFound),
        Refusal::NotInCart(_) => (Code::NotFound, Reason::ItemNotInCart),
        Refusal::Full => (Code::FailedPrecondition, Reason::CartFull),
        Refusal::CurrencyMismatch => (Code::FailedPrecondition, Reason::CurrencyMismatch),
    };
    Rejection::new(code, reason, text).into()
}

/// The error with all its causes, on one line.
fn in_full(error: &Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
