//! What a call is refused with.

use proto::{Invalid, Reason, Rejection};
use tonic::{Code, Status};

use crate::order::InvalidTransition;

/// Why a call was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field can't be used.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There is no such order, or it is another user's.
    #[error("no such order")]
    NotFound,
    /// The lifecycle has no such step.
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
    /// The store did not do as asked.
    #[error("the orders can't be reached")]
    Store(#[from] sql::Error),
}

impl From<Error> for Status {
    /// Definite answers carry a [`Reason`]; the store's failures carry none, since a change may have been
    /// made. They are logged here: the client is told nothing of them.
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Invalid(invalid) => invalid.into(),
            Error::NotFound => Rejection::new(Code::NotFound, Reason::OrderNotFound, text).into_status(),
            Error::Transition(_) => {
                Rejection::new(Code::FailedPrecondition, Reason::InvalidTransition, text).into_status()
            }
            Error::Store(cause) => of_store(cause, text),
        }
    }
}

fn of_store(error: sql::Error, text: String) -> Status {
    let error = anyhow::Error::new(error);
    tracing::error!(error = format!("{error:#}"), "store failed");
    match error.downcast_ref() {
        Some(sql::Error::Unavailable(_) | sql::Error::Unknown(_)) => Status::unavailable(text),
        Some(sql::Error::Conflict(_) | sql::Error::Defect(_)) | None => Status::internal("internal error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Status as OrderStatus, advance};

    #[test]
    fn definite_answers_have_a_reason_and_the_others_none() {
        let transition = advance(OrderStatus::Shipped, OrderStatus::Confirmed).unwrap_err();
        let answers: [(Error, Code, Option<Reason>, &str); 6] = [
            (
                Invalid::new("status", "is odd").into(),
                Code::InvalidArgument,
                Some(Reason::InvalidArgument),
                "status is odd",
            ),
            (Error::NotFound, Code::NotFound, Some(Reason::OrderNotFound), "no such order"),
            (
                transition.into(),
                Code::FailedPrecondition,
                Some(Reason::InvalidTransition),
                "an order that is SHIPPED can't become CONFIRMED",
            ),
            (
                sql::Error::unavailable("secret").into(),
                Code::Unavailable,
                None,
                "the orders can't be reached",
            ),
            (sql::Error::unknown("secret").into(), Code::Unavailable, None, "the orders can't be reached"),
            (sql::Error::defect("secret").into(), Code::Internal, None, "internal error"),
        ];
        for (error, code, reason, message) in answers {
            let status = Status::from(error);
            assert_eq!((status.code(), status.message()), (code, message));
            assert_eq!(proto::status::reason(&status), reason);
        }
    }
}
