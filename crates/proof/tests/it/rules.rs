//! The rules of the shop.

use checkout_service::saga::state::{Failure, Next, Outcome, State, next};
use proof::model::{Guard, Heard, Rules, Stand, check};
use types::ProductId;

#[test]
fn keep_every_promise_whatever_happens() {
    match check(&Rules { handlers: 3, ..Rules::real() }) {
        Ok(counts) => testkit::figures::tell("model", counts),
        Err(violation) => panic!("{violation}"),
    }
}

/// No state is entered twice, so each of the two tells a late writer from the owner; a store looks at both.
#[test]
fn keep_every_promise_by_the_fence_alone_and_by_the_state_alone() {
    for guard in [Guard::Fence, Guard::State] {
        match check(&Rules { guard, ..Rules::real() }) {
            Ok(counts) => testkit::figures::tell(&format!("model, by the {guard:?} alone"), counts),
            Err(violation) => panic!("{guard:?}: {violation}"),
        }
    }
}

/// The model has one failure for all: where a checkout goes follows from the kind of refusal, and a failure is
/// carried along as it is.
#[test]
fn a_failure_says_why_and_decides_nothing() {
    let failures = [
        Failure::InsufficientStock { product_ids: vec![ProductId::try_from(1).unwrap()] },
        Failure::PaymentDeclined { decline_code: "card_declined".into() },
        Failure::InvalidPaymentMethod,
        Failure::CheckoutExpired,
        Failure::CheckoutRefused { reason: "RATE_LIMITED".into() },
    ];
    let refusals = failures.iter().cloned().map(Outcome::Refused);
    let others = [Outcome::Done, Outcome::AlreadyCaptured, Outcome::Unknown, Outcome::Expired];
    for outcome in refusals.chain(others) {
        for stand in Stand::ALL {
            let modelled = match next(&stand.state(), Heard::of(&outcome).outcome()) {
                Next::Enter(state) => Some(Stand::of(&state)),
                Next::Repeat => None,
            };
            for state in states(stand, &failures) {
                match next(&state, outcome.clone()) {
                    Next::Enter(to) => {
                        assert_eq!(Some(Stand::of(&to)), modelled, "{state:?} on {outcome:?}");
                        let carried = state.failure().is_none_or(|failure| to.failure() == Some(failure));
                        assert!(carried, "{state:?} on {outcome:?} forgets why");
                    }
                    Next::Repeat => assert_eq!(modelled, None, "{state:?} on {outcome:?}"),
                }
            }
        }
    }
}

fn states(stand: Stand, failures: &[Failure]) -> Vec<State> {
    let name = stand.state().name();
    let with = failures.iter().map(|failure| State::from_parts(name, Some(failure.clone())));
    with.chain([State::from_parts(name, None)]).flatten().collect()
}
