//! Calls that meet on one payment.

use std::collections::BTreeSet;
use std::sync::Arc;

use payment_service::payment::{Refusal, Status};
use payment_service::{Cashier, Error};
use proto::payment::PaymentStatus;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;

use crate::books::{check_at_rest, effects_of};
use crate::till::{Ask, Till, ask, asking, checkout, in_process, terms};
use crate::unreliable::{Fault, Unreliable, Weather};

/// Payments in each race; enough to see both outcomes.
const ROUNDS: u128 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_authorizations_are_one() {
    for till in Till::everywhere().await {
        let client = in_process(&till.open().await);
        let mut calls = JoinSet::new();
        for _ in 0..50 {
            let mut client = client.clone();
            calls.spawn(async move { client.authorize(asking(checkout(1), "pm_card_visa")).await });
        }
        let mut ids = BTreeSet::new();
        for reply in calls.join_all().await {
            let payment = reply.unwrap().into_inner();
            assert_eq!(payment.status(), PaymentStatus::Authorized);
            ids.insert(payment.payment_id);
        }
        assert_eq!(ids.len(), 1);
        assert_eq!(effects_of(checkout(1), &till.ledger().await), ["authorize"]);
        till.done().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_of_every_call_are_one_each() {
    for till in Till::everywhere().await {
        let client = in_process(&till.open().await);
        for (call, status, effects) in [
            (Ask::Charge("pm_card_visa"), PaymentStatus::Captured, &["authorize", "capture"][..]),
            (Ask::Capture, PaymentStatus::Captured, &["authorize", "capture"]),
            (Ask::Refund, PaymentStatus::Refunded, &["authorize", "capture", "refund"]),
        ] {
            let mut calls = JoinSet::new();
            for _ in 0..50 {
                let client = client.clone();
                calls.spawn(async move { ask(&client, checkout(1), call).await });
            }
            assert!(calls.join_all().await.into_iter().all(|reply| reply == Ok(status)));
            assert_eq!(effects_of(checkout(1), &till.ledger().await), effects);
        }
        till.done().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_void_beats_an_authorization_whichever_comes_first() {
    for till in Till::everywhere().await {
        let cashier = squally(&till, 1).await;
        let mut races = JoinSet::new();
        for number in 0..till.rounds(ROUNDS) {
            let (one, other) = (cashier.clone(), cashier.clone());
            races.spawn(async move {
                let key = checkout(number);
                tokio::join!(one.authorize(key, terms("pm_card_visa")), other.void(key))
            });
        }
        for (authorize, void) in races.join_all().await {
            assert_eq!(void.unwrap().status, Status::Voided);
            match authorize {
                Ok(payment) => assert_eq!(payment.status, Status::Authorized),
                Err(Error::Refused(Refusal::Voided)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }

        let (payments, ledger) = (till.payments().await, till.ledger().await);
        check_at_rest(&payments, &ledger);
        assert!(payments.iter().all(|payment| payment.status == Status::Voided));
        let tombstones =
            payments.iter().filter(|payment| effects_of(payment.checkout_id, &ledger) == ["tombstone"]);
        let late = tombstones.count();
        assert!((1..payments.len()).contains(&late), "{late} came late: that was no race");
        till.done().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_capture_and_a_void_one_wins_and_both_say_so() {
    for till in Till::everywhere().await {
        let cashier = squally(&till, 2).await;
        let mut races = JoinSet::new();
        for number in 0..till.rounds(ROUNDS) {
            let (one, other) = (cashier.clone(), cashier.clone());
            races.spawn(async move {
                let key = checkout(number);
                one.authorize(key, terms("pm_card_visa")).await.unwrap();
                let (capture, void) = if number % 2 == 0 {
                    tokio::join!(one.capture(key), other.void(key))
                } else {
                    let (void, capture) = tokio::join!(other.void(key), one.capture(key));
                    (capture, void)
                };
                (key, capture, void)
            });
        }
        let mut captured = 0;
        let outcomes = races.join_all().await;
        let ledger = till.ledger().await;
        for (key, capture, void) in outcomes {
            match (capture, void) {
                (Ok(payment), Err(Error::Refused(Refusal::Captured))) => {
                    assert_eq!(payment.status, Status::Captured);
                    assert_eq!(effects_of(key, &ledger), ["authorize", "capture"]);
                    captured += 1;
                }
                (Err(Error::Refused(Refusal::Voided)), Ok(payment)) => {
                    assert_eq!(payment.status, Status::Voided);
                    assert_eq!(effects_of(key, &ledger), ["authorize", "void"]);
                }
                other => panic!("{other:?}"),
            }
        }
        assert!((1..till.rounds(ROUNDS)).contains(&captured), "{captured} captured: that was no race");
        check_at_rest(&till.payments().await, &ledger);
        till.done().await;
    }
}

/// A cashier whose calls to the provider take a different number of turns each.
async fn squally(till: &Till, seed: u64) -> Cashier {
    let line = Unreliable::new(Arc::new(till.provider().await));
    let mut dice = StdRng::seed_from_u64(seed);
    line.set(move || Weather {
        fault: Fault::None,
        before: dice.random_range(0..16),
        after: dice.random_range(0..16),
    });
    till.cashier(line).await
}
