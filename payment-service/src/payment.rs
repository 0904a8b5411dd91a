//! What a payment is, and which step may follow which: pure rules, no I/O.
//!
//! A payment only ever moves forward. The words in `-ING` are intents: they are committed before the
//! provider is asked, so that whoever comes later, after a crash too, knows what may have happened there.
//!
//! ```text
//! PENDING ---> AUTHORIZED ---> CAPTURING ---> CAPTURED ---> REFUNDING ---> REFUNDED
//!    |  |          |               |             ^
//!    |  |          +------+--------+             | the provider had captured before
//!    |  +--> DECLINED     v                      |
//!    +----------------> VOIDING -----------------+
//!   nothing ------------->+----> VOIDED
//! ```
//!
//! Two calls that meet are settled twice, each time by one compare-and-set: here, on the status of the row,
//! and at the provider, which is the one to say whether a void or a capture came first.

use types::{CheckoutId, Money, PaymentId, Timestamp, UserId};

use crate::provider::{Method, Standing};

#[cfg(test)]
mod table;

/// The payment of one checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Its own id.
    pub id: PaymentId,
    /// What is paid; the idempotency key of every call, here and at the provider.
    pub checkout_id: CheckoutId,
    /// What is to be paid, by whom and how. `None`: voided before anyone asked for it.
    pub terms: Option<Terms>,
    /// How far it has come.
    pub status: Status,
    /// When it was first heard of.
    pub created_at: Timestamp,
    /// When its status changed last.
    pub updated_at: Timestamp,
}

/// What one payment is about. The same checkout never gets other terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Who pays.
    pub user_id: UserId,
    /// How much, more than nothing.
    pub amount: Money,
    /// With what.
    pub method: Method,
}

/// How far a payment has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// The provider is asked to put the amount aside; its answer is not known.
    Pending,
    /// The amount is put aside.
    Authorized,
    /// The provider said no, for good.
    Declined {
        /// Why, in the provider's words: "card_declined".
        code: String,
    },
    /// The provider is asked to take the money; its answer is not known.
    Capturing,
    /// The money is taken.
    Captured,
    /// The provider is asked to forget the payment; its answer is not known.
    Voiding,
    /// Nothing was taken, and nothing ever will be.
    Voided,
    /// The provider is asked to give the money back; its answer is not known.
    Refunding,
    /// The money was taken and given back.
    Refunded,
}

impl Status {
    /// Whether the provider's answer to the last call is known.
    pub fn is_settled(&self) -> bool {
        match self {
            Self::Pending | Self::Capturing | Self::Voiding | Self::Refunding => false,
            Self::Authorized | Self::Declined { .. } | Self::Captured | Self::Voided | Self::Refunded => true,
        }
    }

    /// The status once the provider has told where it stands. What it tells may be old news, since answers
    /// overtake each other, so a status never moves back.
    #[must_use]
    pub fn after(&self, standing: Standing) -> Self {
        let told = match standing {
            Standing::Authorized => Self::Authorized,
            Standing::Declined { code } => Self::Declined { code },
            Standing::Captured => Self::Captured,
            Standing::Voided => Self::Voided,
            Standing::Refunded => Self::Refunded,
        };
        if told.rank() > self.rank() { told } else { self.clone() }
    }

    /// Every step goes to a higher rank; of two ends with the same rank the first one stays.
    fn rank(&self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Authorized => 1,
            Self::Capturing => 2,
            Self::Voiding => 3,
            Self::Declined { .. } | Self::Captured | Self::Voided => 4,
            Self::Refunding => 5,
            Self::Refunded => 6,
        }
    }
}

/// What a caller wants done to the payment of a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Put the amount aside.
    Authorize(Terms),
    /// Take what was put aside.
    Capture,
    /// Give back what was put aside, and refuse whatever comes late.
    Void,
    /// Give back what was taken.
    Refund,
}

/// What is to be done next for a [`Command`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It is done: the payment as it is, is the answer.
    Answer,
    /// Commit this intent, if the status is still the one decided on, then decide again.
    Intend(Status),
    /// The intent is committed: ask the provider, store what it says, then decide again.
    Ask(Call),
}

/// What the provider can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Put the amount of these terms aside.
    Authorize(Terms),
    /// Take it.
    Capture,
    /// Forget it.
    Void,
    /// Give it back.
    Refund,
}

/// A definite no: the same call gets it again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The checkout has a payment with other terms.
    #[error("this checkout is being paid with another amount, user or payment method")]
    OtherTerms,
    /// The provider said no.
    #[error("the payment was declined")]
    Declined {
        /// Why, in the provider's words.
        code: String,
    },
    /// The payment was voided.
    #[error("the payment was voided")]
    Voided,
    /// The money was taken; it can be refunded, not voided.
    #[error("the payment was captured, it can only be refunded")]
    Captured,
    /// Nothing is put aside that could be taken.
    #[error("nothing is authorized that could be captured")]
    NotCapturable,
    /// Nothing was taken that could be given back.
    #[error("nothing was captured that could be refunded")]
    NotRefundable,
    /// Nothing is known of a payment.
    #[error("this checkout has no payment")]
    NotFound,
}

/// How the payment of a checkout begins that has none.
///
/// # Errors
/// [`Refusal::NotFound`] where there must be one.
pub fn begin(command: &Command) -> Result<(Option<Terms>, Status), Refusal> {
    match command {
        Command::Authorize(terms) => Ok((Some(terms.clone()), Status::Pending)),
        Command::Void => Ok((None, Status::Voiding)),
        Command::Capture | Command::Refund => Err(Refusal::NotFound),
    }
}

/// The next step towards what a command asks for.
///
/// An intent that is already committed is carried to its end before anything else is decided, with one
/// exception: a void may overtake a capture that nobody knows the outcome of, for the provider will tell.
///
/// # Errors
/// A [`Refusal`], once it is certain.
pub fn decide(payment: &Payment, command: &Command) -> Result<Step, Refusal> {
    match command {
        Command::Authorize(terms) => authorize(payment, terms),
        Command::Capture => capture(&payment.status),
        Command::Void => void(&payment.status),
        Command::Refund => refund(&payment.status),
    }
}

fn authorize(payment: &Payment, terms: &Terms) -> Result<Step, Refusal> {
    if payment.terms.as_ref().is_some_and(|known| known != terms) {
        return Err(Refusal::OtherTerms);
    }
    match &payment.status {
        Status::Pending => Ok(Step::Ask(Call::Authorize(terms.clone()))),
        Status::Voiding => Ok(Step::Ask(Call::Void)),
        Status::Authorized | Status::Capturing | Status::Captured | Status::Refunding | Status::Refunded => {
            Ok(Step::Answer)
        }
        Status::Declined { code } => Err(Refusal::Declined { code: code.clone() }),
        Status::Voided => Err(Refusal::Voided),
    }
}

fn capture(status: &Status) -> Result<Step, Refusal> {
    match status {
        Status::Authorized => Ok(Step::Intend(Status::Capturing)),
        Status::Capturing => Ok(Step::Ask(Call::Capture)),
        Status::Voiding => Ok(Step::Ask(Call::Void)),
        Status::Captured | Status::Refunding | Status::Refunded => Ok(Step::Answer),
        Status::Pending | Status::Declined { .. } => Err(Refusal::NotCapturable),
        Status::Voided => Err(Refusal::Voided),
    }
}

fn void(status: &Status) -> Result<Step, Refusal> {
    match status {
        Status::Pending | Status::Authorized | Status::Capturing => Ok(Step::Intend(Status::Voiding)),
        Status::Voiding => Ok(Step::Ask(Call::Void)),
        Status::Voided | Status::Declined { .. } => Ok(Step::Answer),
        Status::Captured | Status::Refunding | Status::Refunded => Err(Refusal::Captured),
    }
}

fn refund(status: &Status) -> Result<Step, Refusal> {
    match status {
        Status::Captured => Ok(Step::Intend(Status::Refunding)),
        Status::Refunding => Ok(Step::Ask(Call::Refund)),
        Status::Refunded => Ok(Step::Answer),
        Status::Capturing => Ok(Step::Ask(Call::Capture)),
        Status::Voiding => Ok(Step::Ask(Call::Void)),
        Status::Pending | Status::Authorized | Status::Declined { .. } => Err(Refusal::NotRefundable),
        Status::Voided => Err(Refusal::Voided),
    }
}
