//! The saga as a pure function: where a checkout stands, what came of the call that this place names, and
//! where it stands then. The executor and recovery run the same function.

use types::ProductId;

use serde::{Deserialize, Serialize};

/// Where a checkout stands. Each state but the last two names the one call to make next; the call carries
/// the checkout id as its key, so making it again has no second effect.
///
/// ```text
/// RESERVING -> AUTHORIZING -> COMMITTING -> CAPTURING -> COMPLETED
///     |             |              |            |
///     |             |              +------------+--> VOIDING --> (REFUNDING)
///     v             v                                   |             |
/// RELEASING <-------+-----------------------------------+-------------+
///     |
///     v
///   FAILED
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// inventory.Reserve: hold the stock.
    Reserving,
    /// payment.Authorize: put the money aside.
    Authorizing,
    /// inventory.Confirm: the held stock is sold.
    Committing,
    /// payment.Capture: take the money. The pivot: nothing before it is irreversible, nothing after it can
    /// fail for a business reason.
    Capturing,
    /// payment.Void: give the authorisation back.
    Voiding(Failure),
    /// payment.Refund: give captured money back.
    Refunding(Failure),
    /// inventory.Release: give the stock back.
    Releasing(Failure),
    /// Money taken, stock sold.
    Completed,
    /// Nothing taken, nothing held.
    Failed(Failure),
}

/// Why a checkout backs out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum Failure {
    /// Not enough of these products.
    InsufficientStock {
        /// The products that lack stock.
        product_ids: Vec<ProductId>,
    },
    /// The payment provider said no.
    PaymentDeclined {
        /// Why, in the provider's words: `card_declined`.
        decline_code: String,
    },
    /// The provider can't be paid with that. It says so before it looks at what it stored under the key.
    InvalidPaymentMethod,
    /// Not done before its deadline.
    CheckoutExpired,
    /// A participant refused for a reason that the saga does not expect.
    CheckoutRefused {
        /// The participant's reason.
        reason: String,
    },
}

impl Failure {
    /// Stable text for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InsufficientStock { .. } => "insufficient_stock",
            // To the buyer the one is as good as the other.
            Self::PaymentDeclined { .. } | Self::InvalidPaymentMethod => "payment_declined",
            Self::CheckoutExpired => "checkout_expired",
            Self::CheckoutRefused { .. } => "checkout_refused",
        }
    }
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The participant did it, now or before.
    Done,
    /// The participant will never do it.
    Refused(Failure),
    /// The answer to a void: the money was taken already.
    AlreadyCaptured,
    /// No answer, or none that is definite. Never a failure: it may have been done.
    Unknown,
    /// The checkout's deadline was over, so the call was not made.
    Expired,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Stand there, and make its call.
    Enter(State),
    /// Make the same call again, later, with the same key.
    Repeat,
}

/// The decision. Only a definite outcome moves a checkout.
pub fn next(state: &State, outcome: Outcome) -> Next {
    use Next::{Enter, Repeat};
    use Outcome::{AlreadyCaptured, Done, Expired, Refused, Unknown};

    match (state, outcome) {
        (_, Unknown) => Repeat,

        (State::Reserving, Done) => Enter(State::Authorizing),
        (State::Reserving, Refused(failure)) => Enter(State::Releasing(failure)),
        (State::Reserving, Expired) => Enter(State::Releasing(Failure::CheckoutExpired)),

        (State::Authorizing, Done) => Enter(State::Committing),
        // A decline is the provider's last word: there is nothing to void.
        (State::Authorizing, Refused(failure @ Failure::PaymentDeclined { .. })) => {
            Enter(State::Releasing(failure))
        }
        // What is not stored under the key says nothing of an earlier attempt, which may have been done.
        (State::Authorizing, Refused(failure)) => Enter(State::Voiding(failure)),
        (State::Authorizing, Expired) => Enter(State::Voiding(Failure::CheckoutExpired)),

        (State::Committing, Done) => Enter(State::Capturing),
        (State::Committing, Refused(failure)) => Enter(State::Voiding(failure)),
        (State::Committing, Expired) => Enter(State::Voiding(Failure::CheckoutExpired)),

        (State::Capturing, Done) => Enter(State::Completed),
        (State::Capturing, Refused(failure)) => Enter(State::Voiding(failure)),
        // Past the pivot there is no deadline: the money may be on its way.
        (State::Capturing, Expired) => Repeat,

        (State::Voiding(failure), Done) => Enter(State::Releasing(failure.clone())),
        (State::Voiding(failure), AlreadyCaptured) => Enter(State::Refunding(failure.clone())),
        (State::Refunding(failure), Done) => Enter(State::Releasing(failure.clone())),
        (State::Releasing(failure), Done) => Enter(State::Failed(failure.clone())),
        // An undo has no last attempt.
        (State::Voiding(_) | State::Refunding(_) | State::Releasing(_), Refused(_) | Expired) => Repeat,

        // Only a void can be answered so.
        (
            State::Reserving
            | State::Authorizing
            | State::Committing
            | State::Capturing
            | State::Refunding(_)
            | State::Releasing(_),
            AlreadyCaptured,
        ) => Repeat,
        // An end has no call, so nothing can come of it.
        (State::Completed | State::Failed(_), Done | Refused(_) | AlreadyCaptured | Expired) => Repeat,
    }
}

impl State {
    /// Stable text: what the store and the timeline say.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reserving => "RESERVING",
            Self::Authorizing => "AUTHORIZING",
            Self::Committing => "COMMITTING",
            Self::Capturing => "CAPTURING",
            Self::Voiding(_) => "VOIDING",
            Self::Refunding(_) => "REFUNDING",
            Self::Releasing(_) => "RELEASING",
            Self::Completed => "COMPLETED",
            Self::Failed(_) => "FAILED",
        }
    }

    /// The state that a store wrote as a name and, where it backs out, a failure. `None` for a name that
    /// this version does not know: such a checkout is left to a version that does.
    pub fn from_parts(name: &str, failure: Option<Failure>) -> Option<Self> {
        match (name, failure) {
            ("RESERVING", None) => Some(Self::Reserving),
            ("AUTHORIZING", None) => Some(Self::Authorizing),
            ("COMMITTING", None) => Some(Self::Committing),
            ("CAPTURING", None) => Some(Self::Capturing),
            ("VOIDING", Some(failure)) => Some(Self::Voiding(failure)),
            ("REFUNDING", Some(failure)) => Some(Self::Refunding(failure)),
            ("RELEASING", Some(failure)) => Some(Self::Releasing(failure)),
            ("COMPLETED", None) => Some(Self::Completed),
            ("FAILED", Some(failure)) => Some(Self::Failed(failure)),
            _ => None,
        }
    }

    /// Why it backs out, if it does.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Voiding(failure)
            | Self::Refunding(failure)
            | Self::Releasing(failure)
            | Self::Failed(failure) => Some(failure),
            Self::Reserving | Self::Authorizing | Self::Committing | Self::Capturing | Self::Completed => {
                None
            }
        }
    }

    /// True for the two ends.
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Completed | Self::Failed(_) => true,
            Self::Reserving
            | Self::Authorizing
            | Self::Committing
            | Self::Capturing
            | Self::Voiding(_)
            | Self::Refunding(_)
            | Self::Releasing(_) => false,
        }
    }

    /// True where the deadline counts: before the pivot, while going forward.
    pub fn can_expire(&self) -> bool {
        match self {
            Self::Reserving | Self::Authorizing | Self::Committing => true,
            Self::Capturing
            | Self::Voiding(_)
            | Self::Refunding(_)
            | Self::Releasing(_)
            | Self::Completed
            | Self::Failed(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn declined() -> Failure {
        Failure::PaymentDeclined { decline_code: "card_declined".into() }
    }

    fn short() -> Failure {
        Failure::InsufficientStock { product_ids: vec![ProductId::try_from(1).unwrap()] }
    }

    fn states() -> Vec<State> {
        vec![
            State::Reserving,
            State::Authorizing,
            State::Committing,
            State::Capturing,
            State::Voiding(short()),
            State::Refunding(short()),
            State::Releasing(short()),
            State::Completed,
            State::Failed(short()),
        ]
    }

    fn outcomes() -> Vec<Outcome> {
        vec![
            Outcome::Done,
            Outcome::Refused(short()),
            Outcome::Refused(declined()),
            Outcome::AlreadyCaptured,
            Outcome::Unknown,
            Outcome::Expired,
        ]
    }

    /// Every arrow of the saga, written out. Whatever is not here must stay where it is.
    #[test]
    fn the_table() {
        let expired = || Failure::CheckoutExpired;
        let arrows = vec![
            (State::Reserving, Outcome::Done, State::Authorizing),
            (State::Reserving, Outcome::Refused(short()), State::Releasing(short())),
            (State::Reserving, Outcome::Refused(declined()), State::Releasing(declined())),
            (State::Reserving, Outcome::Expired, State::Releasing(expired())),
            (State::Authorizing, Outcome::Done, State::Committing),
            (State::Authorizing, Outcome::Refused(declined()), State::Releasing(declined())),
            (State::Authorizing, Outcome::Refused(short()), State::Voiding(short())),
            (State::Authorizing, Outcome::Expired, State::Voiding(expired())),
            (State::Committing, Outcome::Done, State::Capturing),
            (State::Committing, Outcome::Refused(short()), State::Voiding(short())),
            (State::Committing, Outcome::Refused(declined()), State::Voiding(declined())),
            (State::Committing, Outcome::Expired, State::Voiding(expired())),
            (State::Capturing, Outcome::Done, State::Completed),
            (State::Capturing, Outcome::Refused(short()), State::Voiding(short())),
            (State::Capturing, Outcome::Refused(declined()), State::Voiding(declined())),
            (State::Voiding(short()), Outcome::Done, State::Releasing(short())),
            (State::Voiding(short()), Outcome::AlreadyCaptured, State::Refunding(short())),
            (State::Refunding(short()), Outcome::Done, State::Releasing(short())),
            (State::Releasing(short()), Outcome::Done, State::Failed(short())),
        ];
        for state in states() {
            for outcome in outcomes() {
                let wanted = arrows
                    .iter()
                    .find(|(from, on, _)| *from == state && *on == outcome)
                    .map_or(Next::Repeat, |(_, _, to)| Next::Enter(to.clone()));
                assert_eq!(next(&state, outcome.clone()), wanted, "{state:?} on {outcome:?}");
            }
        }
    }

    #[test]
    fn every_state_is_reached_and_can_end() {
        let mut reached = HashSet::from(["RESERVING"]);
        let mut open = vec![State::Reserving];
        while let Some(state) = open.pop() {
            let followers: Vec<State> = outcomes()
                .into_iter()
                .filter_map(|outcome| match next(&state, outcome) {
                    Next::Enter(state) => Some(state),
                    Next::Repeat => None,
                })
                .collect();
            assert_eq!(followers.is_empty(), state.is_terminal(), "{state:?}");
            open.extend(followers.into_iter().filter(|state| reached.insert(state.name())));
        }
        assert_eq!(reached.len(), states().len());
    }

    #[test]
    fn nothing_is_captured_before_its_stock_is_sold_and_nothing_expires_after_the_pivot() {
        for state in states() {
            for outcome in outcomes() {
                if next(&state, outcome) == Next::Enter(State::Capturing) {
                    assert_eq!(state, State::Committing);
                }
            }
            assert_eq!(state.can_expire(), matches!(next(&state, Outcome::Expired), Next::Enter(_)));
        }
    }

    #[test]
    fn a_state_survives_its_parts() {
        for state in states() {
            let failure = state.failure().map(|failure| serde_json::to_string(failure).unwrap());
            let failure = failure.map(|json| serde_json::from_str(&json).unwrap());
            assert_eq!(State::from_parts(state.name(), failure), Some(state));
        }
        assert_eq!(State::from_parts("TELEPORTING", None), None);
    }
}
