//! The words of the model, without what they carry in the shop.

use checkout_service::saga::state::{Failure, Outcome, State};

/// Where a checkout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stand {
    /// See [`State::Reserving`], and so on.
    Reserving,
    /// Money is being put aside.
    Authorizing,
    /// Stock is being sold.
    Committing,
    /// Money is being taken.
    Capturing,
    /// The authorisation is being given back.
    Voiding,
    /// The money is being given back.
    Refunding,
    /// The stock is being given back.
    Releasing,
    /// Bought.
    Completed,
    /// Not bought.
    Failed,
}

/// A call of the saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// inventory.Reserve.
    Reserve,
    /// payment.Authorize.
    Authorize,
    /// inventory.Confirm.
    Confirm,
    /// payment.Capture.
    Capture,
    /// payment.Void.
    Void,
    /// payment.Refund.
    Refund,
    /// inventory.Release.
    Release,
}

/// What a worker makes of an answer, or of none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Heard {
    /// Done, now or before.
    Done,
    /// Refused: not enough stock.
    Short,
    /// Refused: the card is declined.
    Declined,
    /// Refused for another reason.
    Refused,
    /// The answer to a void: captured.
    AlreadyCaptured,
    /// Nothing definite.
    Unknown,
    /// The deadline was over before the call.
    Expired,
}

impl Stand {
    /// Every one, in its own order.
    pub const ALL: [Self; 9] = [
        Self::Reserving,
        Self::Authorizing,
        Self::Committing,
        Self::Capturing,
        Self::Voiding,
        Self::Refunding,
        Self::Releasing,
        Self::Completed,
        Self::Failed,
    ];

    /// The state of the saga, with any failure where it has one.
    pub fn state(self) -> State {
        let failure = Failure::CheckoutExpired;
        match self {
            Self::Reserving => State::Reserving,
            Self::Authorizing => State::Authorizing,
            Self::Committing => State::Committing,
            Self::Capturing => State::Capturing,
            Self::Voiding => State::Voiding(failure),
            Self::Refunding => State::Refunding(failure),
            Self::Releasing => State::Releasing(failure),
            Self::Completed => State::Completed,
            Self::Failed => State::Failed(failure),
        }
    }

    /// Where a state of the saga is in the model.
    pub fn of(state: &State) -> Self {
        match state {
            State::Reserving => Self::Reserving,
            State::Authorizing => Self::Authorizing,
            State::Committing => Self::Committing,
            State::Capturing => Self::Capturing,
            State::Voiding(_) => Self::Voiding,
            State::Refunding(_) => Self::Refunding,
            State::Releasing(_) => Self::Releasing,
            State::Completed => Self::Completed,
            State::Failed(_) => Self::Failed,
        }
    }

    /// The call that is made there; none at the ends.
    pub const fn call(self) -> Option<Call> {
        match self {
            Self::Reserving => Some(Call::Reserve),
            Self::Authorizing => Some(Call::Authorize),
            Self::Committing => Some(Call::Confirm),
            Self::Capturing => Some(Call::Capture),
            Self::Voiding => Some(Call::Void),
            Self::Refunding => Some(Call::Refund),
            Self::Releasing => Some(Call::Release),
            Self::Completed | Self::Failed => None,
        }
    }

    /// Whether it is an end.
    pub const fn is_end(self) -> bool {
        self.call().is_none()
    }
}

impl Call {
    /// Every one, in its own order.
    pub const ALL: [Self; 7] = [
        Self::Reserve,
        Self::Authorize,
        Self::Confirm,
        Self::Capture,
        Self::Void,
        Self::Refund,
        Self::Release,
    ];

    /// Its place in a set of calls.
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Whether the payment service answers it; else the inventory does.
    pub const fn is_of_payment(self) -> bool {
        match self {
            Self::Authorize | Self::Capture | Self::Void | Self::Refund => true,
            Self::Reserve | Self::Confirm | Self::Release => false,
        }
    }
}

impl Heard {
    /// Every one, in its own order.
    pub const ALL: [Self; 7] = [
        Self::Done,
        Self::Short,
        Self::Declined,
        Self::Refused,
        Self::AlreadyCaptured,
        Self::Unknown,
        Self::Expired,
    ];

    /// What the decision is told.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Done => Outcome::Done,
            Self::Short => Outcome::Refused(Failure::InsufficientStock { product_ids: Vec::new() }),
            Self::Declined => {
                Outcome::Refused(Failure::PaymentDeclined { decline_code: "card_declined".to_owned() })
            }
            Self::Refused => Outcome::Refused(Failure::CheckoutRefused { reason: "A_REASON".to_owned() }),
            Self::AlreadyCaptured => Outcome::AlreadyCaptured,
            Self::Unknown => Outcome::Unknown,
            Self::Expired => Outcome::Expired,
        }
    }

    /// What an outcome is in the model.
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::Refused(Failure::InsufficientStock { .. }) => Self::Short,
            Outcome::Refused(Failure::PaymentDeclined { .. }) => Self::Declined,
            Outcome::Refused(
                Failure::InvalidPaymentMethod | Failure::CheckoutExpired | Failure::CheckoutRefused { .. },
            ) => Self::Refused,
            Outcome::AlreadyCaptured => Self::AlreadyCaptured,
            Outcome::Unknown => Self::Unknown,
            Outcome::Expired => Self::Expired,
        }
    }

    /// Whether it is a refusal.
    pub const fn is_refusal(self) -> bool {
        match self {
            Self::Short | Self::Declined | Self::Refused => true,
            Self::Done | Self::AlreadyCaptured | Self::Unknown | Self::Expired => false,
        }
    }
}
