//! Why a call was not carried out, and the only way from there to a gRPC status.

use proto::{Reason, Rejection};
use tonic::{Code, Status};

use crate::payment::Refusal;
use crate::provider;

/// Why a call was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A definite no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The payments can't be read or written; a change may have been made.
    #[error("the payments can't be reached")]
    Store(#[from] sql::Error),
    /// The provider was asked, and what came of it is unknown.
    #[error("the payment provider gave no answer")]
    NoAnswer(#[source] provider::Cause),
    /// The provider does not know a payment that it said it made.
    #[error("the payment provider does not know the payment")]
    Lost,
    /// The provider's answers lead nowhere.
    #[error("the payment does not come to rest")]
    Unsettled,
}

impl From<provider::Error> for Error {
    fn from(error: provider::Error) -> Self {
        match error {
            provider::Error::NoAnswer(cause) => Self::NoAnswer(cause),
            provider::Error::OtherTerms => Self::Refused(Refusal::OtherTerms),
            provider::Error::UnknownKey => Self::Lost,
        }
    }
}

impl From<Error> for Status {
    /// Only a definite no carries a [`Reason`]; whatever carries none is to be asked again. That is logged
    /// here: the client is told nothing of it.
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Refused(refusal) => rejection(refusal, text).into_status(),
            Error::NoAnswer(cause) => {
                tracing::warn!(cause = chain(cause.as_ref()), "payment provider gave no answer");
                proto::status::not_now(text)
            }
            Error::Store(cause) => {
                tracing::error!(cause = chain(&cause), "store failed");
                match cause {
                    sql::Error::Unavailable(_) | sql::Error::Unknown(_) => Self::unavailable(text),
                    sql::Error::Conflict(_) | sql::Error::Defect(_) => Self::internal("internal error"),
                }
            }
            Error::Lost | Error::Unsettled => {
                tracing::error!(cause = text, "payment provider contradicts itself");
                Self::internal("internal error")
            }
        }
    }
}

fn rejection(refusal: Refusal, text: String) -> Rejection {
    match refusal {
        Refusal::OtherTerms => Rejection::new(Code::InvalidArgument, Reason::IdempotencyKeyReused, text),
        Refusal::Declined { code } => Rejection::new(Code::FailedPrecondition, Reason::PaymentDeclined, text)
            .with_metadata("decline_code", code),
        Refusal::Voided => Rejection::new(Code::Aborted, Reason::PaymentVoided, text),
        Refusal::Captured => Rejection::new(Code::Aborted, Reason::PaymentCaptured, text),
        Refusal::NotCapturable | Refusal::NotRefundable => {
            Rejection::new(Code::FailedPrecondition, Reason::PaymentNotCapturable, text)
        }
        Refusal::NotFound => Rejection::new(Code::NotFound, Reason::PaymentNotFound, text),
    }
}

/// An error with all that lies beneath it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_definite_no_has_a_reason() {
        let refusals = [
            (Refusal::OtherTerms, Code::InvalidArgument, Reason::IdempotencyKeyReused),
            (Refusal::Declined { code: "x".into() }, Code::FailedPrecondition, Reason::PaymentDeclined),
            (Refusal::Voided, Code::Aborted, Reason::PaymentVoided),
            (Refusal::Captured, Code::Aborted, Reason::PaymentCaptured),
            (Refusal::NotCapturable, Code::FailedPrecondition, Reason::PaymentNotCapturable),
            (Refusal::NotRefundable, Code::FailedPrecondition, Reason::PaymentNotCapturable),
            (Refusal::NotFound, Code::NotFound, Reason::PaymentNotFound),
        ];
        for (refusal, code, reason) in refusals {
            let status = Status::from(Error::from(refusal));
            assert_eq!((status.code(), proto::status::reason(&status)), (code, Some(reason)));
        }
        let unknown: [(Error, Code, &str); 7] = [
            (Error::NoAnswer("secret".into()), Code::Unavailable, "the payment provider gave no answer"),
            (sql::Error::unavailable("secret").into(), Code::Unavailable, "the payments can't be reached"),
            (sql::Error::unknown("secret").into(), Code::Unavailable, "the payments can't be reached"),
            (sql::Error::defect("secret").into(), Code::Internal, "internal error"),
            (
                provider::Error::NoAnswer("secret".into()).into(),
                Code::Unavailable,
                "the payment provider gave no answer",
            ),
            (provider::Error::UnknownKey.into(), Code::Internal, "internal error"),
            (Error::Unsettled, Code::Internal, "internal error"),
        ];
        for (error, code, message) in unknown {
            let status = Status::from(error);
            assert_eq!((status.code(), status.message()), (code, message));
            assert_eq!(proto::status::reason(&status), None);
        }
    }

    #[test]
    fn a_chain_says_everything_once() {
        let error = Error::from(sql::Error::unavailable("disk full"));
        assert_eq!(chain(&error), "the payments can't be reached: the database is unavailable: disk full");
    }
}
