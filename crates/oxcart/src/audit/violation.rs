//! What an audit finds.

use std::fmt;

use types::{CheckoutId, OrderId, ProductId, ReservationId, UserId};
use uuid::Uuid;

/// What must hold in a shop. M is about money, S about stock, O about orders, C about carts, E about events,
/// H about what clients were told, L about how long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// Per checkout: captured is 0 or the total; at most one authorisation and one capture take effect;
    /// refunded is at most captured.
    M1,
    /// Completed: captured is the total.
    M2,
    /// Failed: captured is refunded, and nothing stays authorised.
    M3,
    /// At rest: captured less refunded is the sum of the completed totals whose order is not cancelled, a cancelled
    /// order has captured what it refunded, and the payments agree with the provider.
    M4,
    /// Per product: what came in is available, held or sold, none negative.
    S1,
    /// Held is the sum of the held reservations, sold that of the committed ones.
    S2,
    /// No oversell: what a completed checkout bought was set aside for it, and is sold until its order is cancelled.
    S3,
    /// No undersell: a failed checkout keeps no stock from others.
    S5,
    /// No undersell: none fails for want of stock that was there, by the clocks of checkout and of inventory. Where
    /// those are apart, it says nothing.
    S6,
    /// Every order has exactly one completed checkout and equals it line by line.
    O1,
    /// Every completed checkout gets exactly one order.
    O2,
    /// One key of one user makes at most one checkout, and gets equal replies.
    O3,
    /// One version of a cart has at most one checkout that is not failed.
    O4,
    /// A completed checkout is taken out of the cart, once.
    C4,
    /// A checkout has exactly one event if it has ended and none before, an order exactly one that it is cancelled if
    /// it is, and the log has no other events.
    E1,
    /// Each event reaches the log, and has its effect on each consumer exactly once.
    E2,
    /// What was acknowledged is there.
    H1,
    /// No checkout runs for ever, and no order is being cancelled for ever.
    L1,
}

impl Invariant {
    /// The name of the invariant: `M1`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::M1 => "M1",
            Self::M2 => "M2",
            Self::M3 => "M3",
            Self::M4 => "M4",
            Self::S1 => "S1",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::S5 => "S5",
            Self::S6 => "S6",
            Self::O1 => "O1",
            Self::O2 => "O2",
            Self::O3 => "O3",
            Self::O4 => "O4",
            Self::C4 => "C4",
            Self::E1 => "E1",
            Self::E2 => "E2",
            Self::H1 => "H1",
            Self::L1 => "L1",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What a violation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A checkout, or a payment made by hand under such an id.
    Checkout(CheckoutId),
    /// An order.
    Order(OrderId),
    /// A product's stock.
    Product(ProductId),
    /// A reservation of stock.
    Reservation(ReservationId),
    /// A user: cart, keys.
    User(UserId),
    /// An event.
    Event(Uuid),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkout(id) => write!(f, "checkout {id}"),
            Self::Order(id) => write!(f, "order {id}"),
            Self::Product(id) => write!(f, "product {id}"),
            Self::Reservation(id) => write!(f, "reservation {id}"),
            Self::User(id) => write!(f, "user {id}"),
            Self::Event(id) => write!(f, "event {id}"),
        }
    }
}

/// An invariant that does not hold. As text: `M2 checkout 0198...: nothing was captured, the total is 9.99 USD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub invariant: Invariant,
    /// For whom or what.
    pub subject: Subject,
    /// How, for people.
    pub text: String,
    /// Whether a shop that is at work may still put it right: it is behind, not wrong.
    pub may_pass: bool,
}

impl Violation {
    /// Something that will not come right by itself.
    pub(super) fn new(invariant: Invariant, subject: Subject, text: impl Into<String>) -> Self {
        Self { invariant, subject, text: text.into(), may_pass: false }
    }

    /// The same, but a shop that is at work may still put it right.
    pub(super) fn that_may_pass(self) -> Self {
        Self { may_pass: true, ..self }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant, subject, text, may_pass: _ } = self;
        write!(f, "{invariant} {subject}: {text}")
    }
}
