//! Of the payment service and its provider.

use checkout_service::saga::state::{self, Next, Outcome, State};
use payment_service::payment::{self, Payment, Refusal, Status, Step, Terms};
use payment_service::provider::Standing;
use payment_service::provider::simulated::Effect;
use proof::model::{Asked, Rules};

use super::find_out;

#[test]
fn are_found_out() {
    let real = Rules::real;
    find_out(&[
        ("a void leaves no tombstone", "M3: nothing stays authorised", {
            Rules { begin: void_of_nothing, next: nothing_to_void, ..real() }
        }),
        ("the provider leaves no tombstone", "P4", Rules { provider: no_tombstone, ..real() }),
        ("an authorisation rises from its tombstone", "M1: at most one authorisation", {
            Rules { provider: authorize_over_tombstone, ..real() }
        }),
        ("a declined card is asked again", "P1", {
            Rules { provider: asks_again, decide: decline_is_open, ..real() }
        }),
        (
            "each capture takes the money",
            "M1: at most one capture",
            Rules { provider: takes_twice, ..real() },
        ),
        ("each refund gives the money", "M1: no more is refunded", Rules { provider: gives_twice, ..real() }),
        ("a capture is believed before it is made", "P1", Rules { decide: believes, ..real() }),
        ("a void is believed before it is made", "P1", Rules { decide: believes_void, ..real() }),
    ]);
}

fn void_of_nothing(command: &payment::Command) -> Result<(Option<Terms>, Status), Refusal> {
    match command {
        payment::Command::Void => Err(Refusal::NotFound),
        command => payment::begin(command),
    }
}

fn no_tombstone(asked: Asked, standing: Option<&Standing>, verdict: Effect) -> Option<Effect> {
    match (asked, standing) {
        (Asked::Void, None) => None,
        _ => (Rules::real().provider)(asked, standing, verdict),
    }
}

fn authorize_over_tombstone(asked: Asked, standing: Option<&Standing>, verdict: Effect) -> Option<Effect> {
    match (asked, standing) {
        (Asked::Authorize, Some(Standing::Voided)) => Some(verdict),
        _ => (Rules::real().provider)(asked, standing, verdict),
    }
}

fn asks_again(asked: Asked, standing: Option<&Standing>, verdict: Effect) -> Option<Effect> {
    match (asked, standing) {
        (Asked::Authorize, Some(Standing::Declined { .. })) => Some(verdict),
        _ => (Rules::real().provider)(asked, standing, verdict),
    }
}

fn takes_twice(asked: Asked, standing: Option<&Standing>, verdict: Effect) -> Option<Effect> {
    match (asked, standing) {
        (Asked::Capture, Some(Standing::Captured)) => Some(Effect::Capture),
        _ => (Rules::real().provider)(asked, standing, verdict),
    }
}

fn gives_twice(asked: Asked, standing: Option<&Standing>, verdict: Effect) -> Option<Effect> {
    match (asked, standing) {
        (Asked::Refund, Some(Standing::Refunded)) => Some(Effect::Refund),
        _ => (Rules::real().provider)(asked, standing, verdict),
    }
}

fn decline_is_open(payment: &Payment, command: &payment::Command) -> Result<Step, Refusal> {
    match (&payment.status, command) {
        (Status::Declined { .. }, payment::Command::Authorize(terms)) => {
            Ok(Step::Ask(payment::Call::Authorize(terms.clone())))
        }
        (_, command) => payment::decide(payment, command),
    }
}

fn believes(payment: &Payment, command: &payment::Command) -> Result<Step, Refusal> {
    match (&payment.status, command) {
        (Status::Authorized, payment::Command::Capture) => Ok(Step::Intend(Status::Captured)),
        (_, command) => payment::decide(payment, command),
    }
}

fn believes_void(payment: &Payment, command: &payment::Command) -> Result<Step, Refusal> {
    match (&payment.status, command) {
        (Status::Authorized, payment::Command::Void) => Ok(Step::Intend(Status::Voided)),
        (_, command) => payment::decide(payment, command),
    }
}

fn nothing_to_void(state: &State, outcome: Outcome) -> Next {
    match (state, outcome) {
        (State::Voiding(failure), Outcome::Refused(_)) => Next::Enter(State::Releasing(failure.clone())),
        (state, outcome) => state::next(state, outcome),
    }
}
