//! Every test token, through the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use payment_service::provider::{Provider as _, Standing};
use proto::payment::PaymentStatus;
use testkit::eventually;

use crate::books::{check_at_rest, effects_of};
use crate::till::{Ask, PATIENCE, Till, ask, checkout, declined, in_process, terms, unknown};

#[tokio::test]
async fn good_cards_pay() {
    let till = Till::new();
    let client = in_process(&till.open().await);
    for (number, token) in (1..).zip(["pm_card_visa", "pm_card_mastercard"]) {
        let id = checkout(number);
        for _ in 0..2 {
            assert_eq!(ask(&client, id, Ask::Authorize(token)).await, Ok(PaymentStatus::Authorized));
        }
        for _ in 0..2 {
            assert_eq!(ask(&client, id, Ask::Capture).await, Ok(PaymentStatus::Captured));
            assert_eq!(ask(&client, id, Ask::Authorize(token)).await, Ok(PaymentStatus::Captured));
        }
        for _ in 0..2 {
            assert_eq!(ask(&client, id, Ask::Refund).await, Ok(PaymentStatus::Refunded));
            assert_eq!(ask(&client, id, Ask::Get).await, Ok(PaymentStatus::Refunded));
        }
        assert_eq!(effects_of(id, &till.ledger().await), ["authorize", "capture", "refund"]);
    }
    check_at_rest(&till.payments().await, &till.ledger().await);
}

#[tokio::test]
async fn bad_cards_are_declined_for_good() {
    let till = Till::new();
    let client = in_process(&till.open().await);
    let cards = [
        ("pm_card_chargeDeclined", "card_declined"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error"),
    ];
    for (number, (token, code)) in (1..).zip(cards) {
        let id = checkout(number);
        for asked in [Ask::Authorize(token), Ask::Authorize(token), Ask::Charge(token)] {
            assert_eq!(ask(&client, id, asked).await, declined(code));
        }
        assert_eq!(ask(&client, id, Ask::Get).await, Ok(PaymentStatus::Declined));
        // There is nothing to give back.
        assert_eq!(ask(&client, id, Ask::Void).await, Ok(PaymentStatus::Declined));
        assert_eq!(effects_of(id, &till.ledger().await), ["decline"]);
    }
    check_at_rest(&till.payments().await, &till.ledger().await);
}

#[tokio::test]
async fn a_slow_provider_answers_after_three_seconds_and_not_before() {
    let till = Till::new();
    let client = in_process(&till.open().await);
    let id = checkout(1);
    let mut asked = Box::pin(ask(&client, id, Ask::Authorize("pm_sim_slow")));
    let asleep = async || {
        assert_eq!(asked.as_mut().now_or_never(), None);
        till.clock.sleepers() == 1
    };
    eventually("the provider to take its time", PATIENCE, asleep).await;
    assert_eq!(effects_of(id, &till.ledger().await), ["authorize"]);
    till.clock.advance(Duration::from_millis(2999));
    assert_eq!(asked.as_mut().now_or_never(), None);
    till.clock.advance(Duration::from_millis(1));
    assert_eq!(asked.await, Ok(PaymentStatus::Authorized));
}

#[tokio::test]
async fn who_does_not_wait_for_a_slow_provider_finds_the_payment_made() {
    let till = Till::new();
    let client = in_process(&till.open().await);
    let id = checkout(1);
    let mut asked = Box::pin(ask(&client, id, Ask::Authorize("pm_sim_slow")));
    let booked = async || asked.as_mut().now_or_never().is_none() && !till.ledger().await.is_empty();
    eventually("the authorisation", PATIENCE, booked).await;
    drop(asked);
    assert_eq!(ask(&client, id, Ask::Get).await, Ok(PaymentStatus::Authorized));
    assert_eq!(ask(&client, id, Ask::Charge("pm_sim_slow")).await, Ok(PaymentStatus::Captured));
    assert_eq!(effects_of(id, &till.ledger().await), ["authorize", "capture"]);
}

#[tokio::test]
async fn lost_replies_are_found_by_asking_again() {
    let till = Till::new();
    let client = in_process(&till.open().await);
    let token = "pm_sim_lost_reply";
    let id = checkout(1);
    assert_eq!(ask(&client, id, Ask::Authorize(token)).await, unknown());
    assert_eq!(effects_of(id, &till.ledger().await), ["authorize"]);
    assert_eq!(ask(&client, id, Ask::Authorize(token)).await, Ok(PaymentStatus::Authorized));
    assert_eq!(ask(&client, id, Ask::Capture).await, unknown());
    assert_eq!(effects_of(id, &till.ledger().await), ["authorize", "capture"]);
    assert_eq!(ask(&client, id, Ask::Capture).await, Ok(PaymentStatus::Captured));

    // By a look as well.
    let id = checkout(2);
    assert_eq!(ask(&client, id, Ask::Authorize(token)).await, unknown());
    assert_eq!(ask(&client, id, Ask::Get).await, Ok(PaymentStatus::Authorized));
    assert_eq!(ask(&client, id, Ask::Capture).await, unknown());
    assert_eq!(ask(&client, id, Ask::Get).await, Ok(PaymentStatus::Captured));

    // And by an undo.
    let id = checkout(3);
    assert_eq!(ask(&client, id, Ask::Authorize(token)).await, unknown());
    assert_eq!(ask(&client, id, Ask::Void).await, Ok(PaymentStatus::Voided));
    assert_eq!(effects_of(id, &till.ledger().await), ["authorize", "void"]);
    check_at_rest(&till.payments().await, &till.ledger().await);
}

#[tokio::test]
async fn an_unavailable_provider_fails_twice_without_effect_and_then_works() {
    let till = Till::new();
    let token = "pm_sim_unavailable";
    let (id, other) = (checkout(1), checkout(2));
    {
        let client = in_process(&till.open().await);
        assert_eq!(ask(&client, id, Ask::Authorize(token)).await, unknown());
        assert_eq!(ask(&client, id, Ask::Get).await, Ok(PaymentStatus::Pending));
    }
    // The provider has counted that, and does so for each payment.
    let client = in_process(&till.open().await);
    assert_eq!(ask(&client, id, Ask::Authorize(token)).await, unknown());
    assert_eq!(till.ledger().await, []);
    assert_eq!(ask(&client, id, Ask::Authorize(token)).await, Ok(PaymentStatus::Authorized));
    assert_eq!(ask(&client, other, Ask::Charge(token)).await, unknown());
    assert_eq!(ask(&client, other, Ask::Void).await, Ok(PaymentStatus::Voided));
    assert_eq!(effects_of(other, &till.ledger().await), ["tombstone"]);
    check_at_rest(&till.payments().await, &till.ledger().await);
}

#[tokio::test]
async fn luck_is_drawn_once_for_a_payment() {
    let till = Till::new();
    let lucky = Arc::new(AtomicBool::new(false));
    let draw = lucky.clone();
    let draw = Arc::new(move || if draw.load(Ordering::Relaxed) { 0.0 } else { 0.3 });
    let provider = till.provider_with(0.3, draw).await;
    let terms = terms("pm_card_visa");
    let authorize =
        async |number| provider.authorize(checkout(number), terms.amount, &terms.method).await.unwrap();
    let no = Standing::Declined { code: "processing_error".into() };
    assert_eq!(authorize(1).await, no);
    lucky.store(true, Ordering::Relaxed);
    assert_eq!(authorize(1).await, no);
    assert_eq!(authorize(2).await, Standing::Authorized);
    lucky.store(false, Ordering::Relaxed);
    assert_eq!(authorize(2).await, Standing::Authorized);
}
