//! What a caller can be told.

use proto::{Invalid, Reason, Rejection};
use tonic::{Code, Status};
use types::ProductId;

use crate::reservation::{Refusal, comma_separated};
use crate::stock::BelowHeld;

/// Why a call was not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A field can't be used.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A definite no to a command on a reservation.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Reservations hold more than shall be on hand.
    #[error(transparent)]
    BelowHeld(#[from] BelowHeld),
    /// Nothing is known of the product.
    #[error("no stock is kept for product {0}")]
    UnknownProduct(ProductId),
    /// The store did not do as asked.
    #[error("the stock can't be reached")]
    Store(#[from] sql::Error),
}

impl From<Error> for Status {
    /// The only place where a status is chosen. What the store could not do carries no reason: whether it took
    /// effect is unknown to the caller, who repeats the call.
    fn from(error: Error) -> Self {
        let text = error.to_string();
        let reject = |code, reason| Rejection::new(code, reason, &text).into_status();
        match error {
            Error::Invalid(invalid) => invalid.into(),
            Error::Refused(Refusal::InsufficientStock(products)) => {
                Rejection::new(Code::FailedPrecondition, Reason::InsufficientStock, text)
                    .with_metadata("product_ids", comma_separated(&products))
                    .into_status()
            }
            Error::Refused(Refusal::KeyReused) => reject(Code::InvalidArgument, Reason::IdempotencyKeyReused),
            Error::Refused(Refusal::Released) => reject(Code::Aborted, Reason::ReservationReleased),
            Error::Refused(Refusal::NotFound) => reject(Code::NotFound, Reason::ReservationNotFound),
            Error::Refused(Refusal::NotCommitted) => {
                reject(Code::FailedPrecondition, Reason::ReservationNotCommitted)
            }
            Error::BelowHeld(_) => reject(Code::FailedPrecondition, Reason::InsufficientStock),
            Error::UnknownProduct(_) => reject(Code::NotFound, Reason::ProductNotFound),
            Error::Store(cause @ (sql::Error::Unavailable(_) | sql::Error::Unknown(_))) => {
                tracing::warn!(error = chain(&cause), "store unavailable");
                proto::status::not_now("the stock can't be reached, try again")
            }
            Error::Store(cause @ (sql::Error::Conflict(_) | sql::Error::Defect(_))) => {
                tracing::error!(error = chain(&cause), "store used in a wrong way");
                Self::internal("internal error")
            }
        }
    }
}

/// The error with all that lies beneath it, on one line.
pub(crate) fn chain(error: &sql::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_store_could_not_do_is_no_definite_answer() {
        for (error, code) in [
            (sql::Error::unavailable("disk full"), Code::Unavailable),
            (sql::Error::unknown("disk gone"), Code::Unavailable),
            (sql::Error::defect("no such table"), Code::Internal),
        ] {
            let status = Status::from(Error::from(error));
            assert_eq!((status.code(), proto::status::reason(&status)), (code, None));
            assert!(!status.message().contains("disk") && !status.message().contains("table"));
        }
    }
}
