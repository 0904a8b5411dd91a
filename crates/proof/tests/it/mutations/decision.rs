//! Of the decision, and of how a worker writes.

use checkout_service::saga::state::{Failure, Next, Outcome, State, next};
use proof::model::{Guard, Intent, Rules};

use super::find_out;

#[test]
fn are_found_out() {
    let real = Rules::real;
    find_out(&[
        ("a timeout is taken for a failure", "M3: nothing stays authorised", {
            Rules { next: timeout_is_failure, ..real() }
        }),
        ("the money is taken before the stock is sold", "pivot: money is there only", {
            Rules { next: capture_first, ..real() }
        }),
        ("the void is skipped", "M3: nothing stays authorised", Rules { next: no_void, ..real() }),
        ("the void after a refused capture is skipped", "M3: nothing stays authorised", {
            Rules { next: no_void_after_capture, ..real() }
        }),
        ("the stock is released before the refund", "pivot: money is there only", {
            Rules { next: release_before_refund, ..real() }
        }),
        ("a release gives up", "S: the stock of an end", Rules { next: release_gives_up, ..real() }),
        ("a void gives up", "M3: nothing stays authorised", Rules { next: void_gives_up, ..real() }),
        ("a refund gives up", "pivot: money is there only", Rules { next: refund_gives_up, ..real() }),
        ("the deadline counts past the pivot", "pivot: money that was taken is given back", {
            Rules { next: capture_expires, can_expire, ..real() }
        }),
        ("a refused capture is tried for ever", "L1", Rules { next: capture_insists, ..real() }),
        ("no write looks at fence and state", "E1", Rules { guard: Guard::Nothing, ..real() }),
        ("calls are made before they are written down", "M3", Rules { intent: Intent::Unwritten, ..real() }),
    ]);
}

fn timeout_is_failure(state: &State, outcome: Outcome) -> Next {
    match (state, outcome) {
        (State::Authorizing, Outcome::Unknown) => Next::Enter(State::Releasing(Failure::CheckoutExpired)),
        (state, outcome) => next(state, outcome),
    }
}

fn capture_first(state: &State, outcome: Outcome) -> Next {
    match (state, outcome) {
        (State::Authorizing, Outcome::Done) => Next::Enter(State::Capturing),
        (State::Capturing, Outcome::Done) => Next::Enter(State::Committing),
        (State::Committing, Outcome::Done) => Next::Enter(State::Completed),
        (state, outcome) => next(state, outcome),
    }
}

fn no_void(state: &State, outcome: Outcome) -> Next {
    match (state, outcome) {
        (State::Committing, Outcome::Refused(failure)) => Next::Enter(State::Releasing(failure)),
        (state, outcome) => next(state, outcome),
    }
}

fn no_void_after_capture(state: &State, outcome: Outcome) -> Next {
    match (state, outcome) {
        (State::Capturing, Outcome::Refused(failure)) => Next::Enter(State::Releasing(failure)),
        (state, outcome) => next(state, outcome),
    }
}

fn release_before_refund(state: &State, outcome: Outcome) -> Next {
    match (state, outcome) {
        (State::Voiding(failure), Outcome::AlreadyCaptured) => Next::Enter(State::Releasing(failure.clone())),
        (State::Releasing(failure), Outcome::Done) => Next::Enter(State::Refunding(failure.clone())),
        (State::Refunding(failure), Outcome::Done | Outcome::Refused(_)) => {
            Next::Enter(State::Failed(failure.clone()))
        }
        (state, outcome) => next(state, outcome),
    }
}

fn release_gives_up(state: &State, outcome: Outcome) -> Next {
    match (state, outcome) {
        (State::Releasing(failure), Outcome::Unknown) => Next::Enter(State::Failed(failure.clone())),
        (state, outcome) => next(state, outcome),
    }
}

fn void_gives_up(state: &State, outcome: Outcome) -> Next {
    match (state, outcome) {
        (State::Voiding(failure), Outcome::Unknown) => Next::Enter(State::Releasing(failure.clone())),
        (state, outcome) => next(state, outcome),
    }
}

fn refund_gives_up(state: &State, outcome: Outcome) -> Next {
    match (state, outcome) {
        (State::Refunding(failure), Outcome::Unknown) => Next::Enter(State::Releasing(failure.clone())),
        (state, outcome) => next(state, outcome),
    }
}

fn can_expire(state: &State) -> bool {
    state.can_expire() || *state == State::Capturing
}

fn capture_expires(state: &State, outcome: Outcome) -> Next {
    match (state, outcome) {
        (State::Capturing, Outcome::Expired) => Next::Enter(State::Voiding(Failure::CheckoutExpired)),
        (state, outcome) => next(state, outcome),
    }
}

fn capture_insists(state: &State, outcome: Outcome) -> Next {
    match (state, outcome) {
        (State::Capturing, Outcome::Refused(_)) => Next::Repeat,
        (state, outcome) => next(state, outcome),
    }
}
