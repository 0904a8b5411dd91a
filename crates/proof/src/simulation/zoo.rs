//! Shops that are wrong, each in one way that a programmer may well think right. If the simulation does not find one
//! out, it would not find the same mistake in the shop either.

use std::fmt;

/// What is wrong. The mistakes sit where a program meets its stores and its peers; mistakes in the decisions
/// themselves are the [`crate::model`]'s to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Bug {
    /// A checkout is saved over whatever stands there: no fence.
    NoFence,
    /// The key of a checkout is not kept.
    KeyForgotten,
    /// The end of a checkout is saved without its event.
    EndWithoutEvent,
    /// What a dead instance left behind is not taken over.
    NobodyTakesOver,
    /// The relay marks rows before it publishes them.
    MarkedBeforePublished,
    /// The relay takes every publication for done.
    PublishedAnyway,
    /// The relay remembers how far it came instead of looking for what has no mark.
    RelayByPosition,
    /// The consumer's offset is stored before the effect.
    OffsetBeforeEffect,
    /// The consumer's offset is one too far.
    OffsetTooFar,
    /// An event that can't be handled right now is given up.
    OutageIsPoison,
    /// A cart forgets which purchases it has seen.
    PurchasesForgotten,
    /// A cart is read from a cache that hears of no change.
    StaleCart,
    /// A release of what was never reserved leaves nothing behind.
    NoTombstoneOfStock,
    /// A void of what was never authorised leaves nothing behind.
    NoTombstoneOfPayment,
    /// Of several lines, all but the last are reserved.
    PartialReservation,
    /// A release is answered and not carried out.
    ReleaseForgotten,
    /// A restock is answered and not carried out.
    RestockForgotten,
    /// A confirmation is answered before it is durable, and lost with the program.
    ConfirmedInMemory,
    /// Every attempt at an authorisation goes to the provider under a key of its own.
    KeyPerAttempt,
    /// A capture that is repeated takes the money again.
    CapturedAgain,
    /// A void is answered and not carried out by the provider.
    VoidForgotten,
    /// A refund is answered and not carried out by the provider.
    RefundForgotten,
    /// A payment is moved on from whatever status it has.
    PaymentWithoutCompare,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::NoFence,
        Self::KeyForgotten,
        Self::EndWithoutEvent,
        Self::NobodyTakesOver,
        Self::MarkedBeforePublished,
        Self::PublishedAnyway,
        Self::RelayByPosition,
        Self::OffsetBeforeEffect,
        Self::OffsetTooFar,
        Self::OutageIsPoison,
        Self::PurchasesForgotten,
        Self::StaleCart,
        Self::NoTombstoneOfStock,
        Self::NoTombstoneOfPayment,
        Self::PartialReservation,
        Self::ReleaseForgotten,
        Self::RestockForgotten,
        Self::ConfirmedInMemory,
        Self::KeyPerAttempt,
        Self::CapturedAgain,
        Self::VoidForgotten,
        Self::RefundForgotten,
        Self::PaymentWithoutCompare,
    ];
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoFence => "checkouts are saved without a fence",
            Self::KeyForgotten => "the idempotency key is not kept",
            Self::EndWithoutEvent => "an end is saved without its event",
            Self::NobodyTakesOver => "nobody takes over what the dead left",
            Self::MarkedBeforePublished => "rows are marked before they are published",
            Self::PublishedAnyway => "every publication is taken for done",
            Self::RelayByPosition => "the relay goes by position",
            Self::OffsetBeforeEffect => "the offset is stored before the effect",
            Self::OffsetTooFar => "the offset is one too far",
            Self::OutageIsPoison => "an outage is taken for a poisonous event",
            Self::PurchasesForgotten => "carts forget what they have seen bought",
            Self::StaleCart => "carts come from a cache that hears of no change",
            Self::NoTombstoneOfStock => "a release of nothing leaves no tombstone",
            Self::NoTombstoneOfPayment => "a void of nothing leaves no tombstone",
            Self::PartialReservation => "the last line is not reserved",
            Self::ReleaseForgotten => "a release is answered and not done",
            Self::RestockForgotten => "a restock is answered and not done",
            Self::ConfirmedInMemory => "a confirmation is answered before it is durable",
            Self::KeyPerAttempt => "each attempt to authorise has a new key",
            Self::CapturedAgain => "a repeated capture takes the money again",
            Self::VoidForgotten => "a void is answered and not done",
            Self::RefundForgotten => "a refund is answered and not done",
            Self::PaymentWithoutCompare => "payments move on from whatever status",
        })
    }
}
