//! The process dies between intent and outcome, before or after the effect at the provider, and starts again
//! on the same files.

use std::sync::Arc;

use payment_service::payment::{Payment, Refusal, Status};
use payment_service::{Cashier, Error};
use proto::payment::PaymentStatus;
use types::CheckoutId;

use crate::books::{check, check_at_rest, effects_of};
use crate::till::{Ask, Till, ask, checkout, in_process, terms};
use crate::unreliable::{Fault, Unreliable};

#[derive(Debug, Clone, Copy)]
enum Call {
    Authorize,
    Capture,
    Void,
    Refund,
}

/// A call that the process dies in, and what is known and done after it.
struct Crash {
    call: Call,
    fault: Fault,
    /// What a look finds.
    seen: Status,
    /// What the same call comes to.
    again: Status,
    /// What a void comes to, after the look.
    undone: Result<Status, Refusal>,
    /// What the provider did in the end: after the same call, and after the void.
    effects: [&'static [&'static str]; 2],
}

const AUTHORIZED: &[&str] = &["authorize"];
const CAPTURED: &[&str] = &["authorize", "capture"];
const VOIDED: &[&str] = &["authorize", "void"];
const TOMBSTONE: &[&str] = &["tombstone"];
const REFUNDED: &[&str] = &["authorize", "capture", "refund"];

fn crashes() -> [Crash; 8] {
    use Status::*;
    let crash =
        |call, fault, seen, again, undone, effects| Crash { call, fault, seen, again, undone, effects };
    let (before, after) = (Fault::HangBefore, Fault::HangAfter);
    let taken = || Err(Refusal::Captured);
    [
        crash(Call::Authorize, before, Pending, Authorized, Ok(Voided), [AUTHORIZED, TOMBSTONE]),
        crash(Call::Authorize, after, Authorized, Authorized, Ok(Voided), [AUTHORIZED, VOIDED]),
        crash(Call::Capture, before, Capturing, Captured, Ok(Voided), [CAPTURED, VOIDED]),
        crash(Call::Capture, after, Captured, Captured, taken(), [CAPTURED, CAPTURED]),
        crash(Call::Void, before, Voiding, Voided, Ok(Voided), [VOIDED, VOIDED]),
        crash(Call::Void, after, Voided, Voided, Ok(Voided), [VOIDED, VOIDED]),
        crash(Call::Refund, before, Refunding, Refunded, taken(), [REFUNDED, CAPTURED]),
        crash(Call::Refund, after, Refunded, Refunded, taken(), [REFUNDED, REFUNDED]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_call_again_finishes_what_a_crash_cut_off() {
    for crash in crashes() {
        for till in Till::everywhere().await {
            let key = checkout(1);
            crash_in(&till, key, &crash).await;
            let cashier = restart(&till).await;
            for _ in 0..2 {
                assert_eq!(carry_out(&cashier, key, crash.call).await.unwrap().status, crash.again);
            }
            let (payments, ledger) = (till.payments().await, till.ledger().await);
            check_at_rest(&payments, &ledger);
            assert_eq!(effects_of(key, &ledger), crash.effects[0], "{:?} {:?}", crash.call, crash.fault);
            till.done().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_a_look_finds_the_truth_and_a_void_ends_it() {
    for crash in crashes() {
        for till in Till::everywhere().await {
            let key = checkout(1);
            crash_in(&till, key, &crash).await;
            let cashier = restart(&till).await;
            assert_eq!(cashier.find(key).await.unwrap().status, crash.seen);
            let undone = match cashier.void(key).await {
                Ok(payment) => Ok(payment.status),
                Err(Error::Refused(refusal)) => Err(refusal),
                Err(error) => panic!("{error:?}"),
            };
            assert_eq!(undone, crash.undone, "{:?} {:?}", crash.call, crash.fault);
            let (payments, ledger) = (till.payments().await, till.ledger().await);
            check(&payments, &ledger);
            assert_eq!(effects_of(key, &ledger), crash.effects[1], "{:?} {:?}", crash.call, crash.fault);
            till.done().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_of_nothing_that_is_cut_off_refuses_the_authorization_all_the_same() {
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        for till in Till::everywhere().await {
            let key = checkout(1);
            {
                let (cashier, line) = unreliable(&till).await;
                die_in(&cashier, &line, key, Call::Void, fault).await;
            }
            let cashier = restart(&till).await;
            let late = cashier.authorize(key, terms("pm_card_visa")).await;
            assert!(matches!(late, Err(Error::Refused(Refusal::Voided))), "{late:?}");
            assert_eq!(effects_of(key, &till.ledger().await), TOMBSTONE);
            check_at_rest(&till.payments().await, &till.ledger().await);
            till.done().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_restart() {
    for till in Till::everywhere().await {
        let visa = Ask::Authorize("pm_card_visa");
        let calls: [(&[Ask], _); 4] = [
            (&[visa], PaymentStatus::Authorized),
            (&[visa, Ask::Capture], PaymentStatus::Captured),
            (&[visa, Ask::Void], PaymentStatus::Voided),
            (&[visa, Ask::Capture, Ask::Refund], PaymentStatus::Refunded),
        ];
        {
            let client = in_process(&till.open().await);
            for (number, (calls, status)) in (1..).zip(calls) {
                let mut last = None;
                for call in calls {
                    last = ask(&client, checkout(number), *call).await.ok();
                }
                assert_eq!(last, Some(status));
            }
        }
        let before = till.payments().await;
        let service = till.open().await;
        assert_eq!(service.store().snapshot().await.unwrap(), before);
        let client = in_process(&service);
        for (number, (calls, status)) in (1..).zip(calls) {
            assert_eq!(ask(&client, checkout(number), Ask::Get).await, Ok(status));
            assert_eq!(ask(&client, checkout(number), calls[calls.len() - 1]).await, Ok(status));
        }
        check_at_rest(&before, &till.ledger().await);
        till.done().await;
    }
}

async fn crash_in(till: &Till, key: CheckoutId, crash: &Crash) {
    let (cashier, line) = unreliable(till).await;
    let before: &[Call] = match crash.call {
        Call::Authorize => &[],
        Call::Capture | Call::Void => &[Call::Authorize],
        Call::Refund => &[Call::Authorize, Call::Capture],
    };
    for call in before {
        carry_out(&cashier, key, *call).await.unwrap();
    }
    die_in(&cashier, &line, key, crash.call, crash.fault).await;
    check(&till.payments().await, &till.ledger().await);
}

async fn die_in(cashier: &Cashier, line: &Unreliable, key: CheckoutId, call: Call, fault: Fault) {
    line.once(fault);
    tokio::select! {
        reply = carry_out(cashier, key, call) => panic!("answered {reply:?}"),
        () = line.hangs.notified() => {}
    }
}

async fn carry_out(cashier: &Cashier, key: CheckoutId, call: Call) -> Result<Payment, Error> {
    match call {
        Call::Authorize => cashier.authorize(key, terms("pm_card_visa")).await,
        Call::Capture => cashier.capture(key).await,
        Call::Void => cashier.void(key).await,
        Call::Refund => cashier.refund(key).await,
    }
}

async fn unreliable(till: &Till) -> (Cashier, Arc<Unreliable>) {
    let line = Unreliable::new(Arc::new(till.provider().await));
    (till.cashier(line.clone()).await, line)
}

async fn restart(till: &Till) -> Cashier {
    let provider = Arc::new(till.provider().await);
    till.cashier(provider).await
}
