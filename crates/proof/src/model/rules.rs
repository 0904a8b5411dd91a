//! What decides, handed in: the shop's own functions, or changed ones that a search must find out.

use checkout_service::saga::state::{self, Next, Outcome, State};
use inventory_service::reservation::{self, Command, Decision, Reservation};
use payment_service::payment::{self, Payment, Refusal, Status, Step, Terms};
use payment_service::provider::Standing;
use payment_service::provider::simulated::{Effect, rules};
use types::{ReservationId, Timestamp};

/// Everything that decides.
#[derive(Clone, Copy)]
pub struct Rules {
    /// Where a checkout goes.
    pub next: fn(&State, Outcome) -> Next,
    /// Where its deadline counts.
    pub can_expire: fn(&State) -> bool,
    /// What a command makes of a reservation.
    pub inventory: fn(ReservationId, Option<Reservation>, Command, Timestamp) -> Decision,
    /// How a payment begins.
    pub begin: fn(&payment::Command) -> Result<Beginning, Refusal>,
    /// The next step of a payment.
    pub decide: fn(&Payment, &payment::Command) -> Result<Step, Refusal>,
    /// What the provider does with a key that stands there; the effect is its verdict on a first
    /// authorisation.
    pub provider: fn(Asked, Option<&Standing>, Effect) -> Option<Effect>,
    /// What a write of a worker asks of the row.
    pub guard: Guard,
    /// When a worker makes the next call.
    pub intent: Intent,
    /// How many payment handlers can be at work at the same moment, 1 to 3.
    pub handlers: usize,
}

/// The terms and the status of a payment that begins.
pub type Beginning = (Option<Terms>, Status);

/// A call to the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asked {
    /// Put the amount aside.
    Authorize,
    /// Take it.
    Capture,
    /// Forget it.
    Void,
    /// Give it back.
    Refund,
}

/// What a write of a worker asks of the row: what the worker read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// As the stores do.
    FenceAndState,
    /// The state may be another one.
    Fence,
    /// The owner may be another one.
    State,
    /// The last one who writes is right.
    Nothing,
}

/// When a worker makes the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// After it is written that it will be made.
    Written,
    /// Maybe before.
    Unwritten,
}

impl Rules {
    /// Those of the shop.
    pub fn real() -> Self {
        Self {
            next: state::next,
            can_expire: State::can_expire,
            inventory: reservation::decide,
            begin: payment::begin,
            decide: payment::decide,
            provider,
            guard: Guard::FenceAndState,
            intent: Intent::Written,
            handlers: 2,
        }
    }
}

impl Asked {
    /// Every one, in its own order.
    pub const ALL: [Self; 4] = [Self::Authorize, Self::Capture, Self::Void, Self::Refund];

    /// Its place in a set.
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// What a step of a payment asks.
    pub fn of(call: &payment::Call) -> Self {
        match call {
            payment::Call::Authorize(_) => Self::Authorize,
            payment::Call::Capture => Self::Capture,
            payment::Call::Void => Self::Void,
            payment::Call::Refund => Self::Refund,
        }
    }
}

impl Guard {
    /// Whether a write goes through.
    pub(super) const fn lets(self, fence: bool, state: bool) -> bool {
        match self {
            Self::FenceAndState => fence && state,
            Self::Fence => fence,
            Self::State => state,
            Self::Nothing => true,
        }
    }
}

/// The simulated provider: an authorisation opens a key, the rest are rules.
fn provider(asked: Asked, standing: Option<&Standing>, verdict: Effect) -> Option<Effect> {
    match asked {
        Asked::Authorize => standing.is_none().then_some(verdict),
        Asked::Capture => rules::capture(standing),
        Asked::Void => rules::void(standing),
        Asked::Refund => rules::refund(standing),
    }
}
