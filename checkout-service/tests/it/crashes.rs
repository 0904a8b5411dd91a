//! Killed at every step, before and after its effect, and started again on the same store.

use std::time::Duration;

use checkout_service::checkout::DEADLINE;
use platform::World;
use proto::checkout::{CheckoutStatus, InitiateCheckoutRequest};
use testkit::ManualClock;

use crate::faults::{Fault, Faults};
use crate::shop::{Around, Shop, declined, request};

/// Starts a shop, runs it into a call that hangs, kills it there, and returns the shop started again.
pub(crate) fn kill_at(around: &Around, rpc: &'static str, fault: Fault, request: InitiateCheckoutRequest) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let shop = around.start().await;
        faults(around, rpc).plan(rpc, &[fault]);
        let bought = shop.buy(request);
        tokio::select! {
            _ = bought => panic!("{rpc} did not hang"),
            () = faults(around, rpc).hung() => {}
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
}

fn faults<'a>(around: &'a Around, rpc: &str) -> &'a Faults {
    match rpc {
        "reserve" | "confirm" | "release" => &around.inventory.faults,
        _ => &around.payment.faults,
    }
}

pub(crate) fn after_restart<T>(around: &Around, test: impl AsyncFnOnce(&Shop) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let shop = around.start().await;
        let result = test(&shop).await;
        shop.stop().await;
        result
    })
}

/// The same key after the restart leads to the same checkout, at its end.
pub(crate) fn ends_as(around: &Around, wanted: CheckoutStatus, request: InitiateCheckoutRequest, what: &str) {
    after_restart(around, async |shop| {
        let reply = shop.buy(request).await.unwrap();
        assert!(reply.replayed, "{what}: the accepted checkout is still there");
        let checkout = reply.checkout.unwrap();
        assert_eq!(checkout.status(), wanted, "{what}");
        around.check(9, &shop.log).await;
    });
}

#[test]
fn a_purchase_survives_a_kill_at_each_step() {
    for rpc in ["reserve", "authorize", "confirm", "capture"] {
        for fault in [Fault::Hang, Fault::HangAfter] {
            let around = Around::new(9, World::real());
            kill_at(&around, rpc, fault, request(1, "a"));
            ends_as(&around, CheckoutStatus::Completed, request(1, "a"), &format!("{fault:?} in {rpc}"));
        }
    }
}

#[test]
fn a_way_back_survives_a_kill_at_each_step() {
    for rpc in ["void", "refund", "release"] {
        for fault in [Fault::Hang, Fault::HangAfter] {
            let around = Around::new(9, World::real());
            *around.payment.refuse_capture.lock().unwrap() = true;
            *around.payment.captured_meanwhile.lock().unwrap() = rpc == "refund";
            kill_at(&around, rpc, fault, request(1, "a"));
            ends_as(&around, CheckoutStatus::Failed, request(1, "a"), &format!("{fault:?} in {rpc}"));
        }
    }
}

#[test]
fn a_decline_survives_a_kill() {
    for fault in [Fault::Hang, Fault::HangAfter] {
        let around = Around::new(9, World::real());
        kill_at(&around, "release", fault, declined(1, "a"));
        ends_as(&around, CheckoutStatus::Failed, declined(1, "a"), &format!("{fault:?}"));
    }
}

/// Found again after its deadline, a checkout backs out of what it may have done; past the pivot it goes on.
#[test]
fn a_deadline_that_passed_in_between_turns_back_only_before_the_pivot() {
    let expectations = [
        ("reserve", Fault::HangAfter, CheckoutStatus::Failed),
        ("authorize", Fault::HangAfter, CheckoutStatus::Failed),
        ("confirm", Fault::HangAfter, CheckoutStatus::Failed),
        ("capture", Fault::Hang, CheckoutStatus::Completed),
        ("capture", Fault::HangAfter, CheckoutStatus::Completed),
    ];
    for (rpc, fault, wanted) in expectations {
        let (world, clock) = testkit::world();
        let around = Around::new(9, world);
        kill_at(&around, rpc, fault, request(1, "a"));
        clock.advance(DEADLINE);
        ends_as(&around, wanted, request(1, "a"), &format!("{fault:?} in {rpc}"));
    }
}

/// An undo is tried for ever, and is said to be stuck after twenty attempts.
#[test]
fn an_undo_has_no_last_attempt() {
    let (world, clock) = testkit::world();
    let around = Around::new(9, world);
    around.inventory.faults.plan("release", &[Fault::Lost; 25]);
    after_restart(&around, async |shop| {
        let hasty = InitiateCheckoutRequest { wait_ms: Some(0), ..declined(1, "a") };
        let id = shop.buy(hasty).await.unwrap().checkout.unwrap().checkout_id;
        wait(&clock, || around.inventory.faults.calls("release") >= 22).await;
        let stuck = shop.get(&id).await;
        assert!(stuck.stuck && stuck.status() == CheckoutStatus::Compensating, "{stuck:?}");
        wait(&clock, || around.inventory.faults.calls("release") >= 26).await;
        let failed = shop.end(&id).await;
        assert!(!failed.stuck && failed.status() == CheckoutStatus::Failed);
        around.check(9, &shop.log).await;
    });
}

async fn wait(clock: &ManualClock, done: impl Fn() -> bool) {
    testkit::eventually("the attempts", Duration::from_secs(20), async || {
        clock.advance(Duration::from_millis(500));
        done()
    })
    .await;
}

/// Two instances on one store file are refused: the file belongs to one process.
#[tokio::test]
async fn a_store_has_one_owner() {
    let around = Around::new(9, World::real());
    let shop = around.start().await;
    let file = around.path().join("checkout.db");
    let again = checkout_service::store::Sqlite::open(&file, &around.world);
    let error = again.await.err().unwrap();
    assert!(format!("{error:#}").contains("in use"), "{error:#}");
    shop.stop().await;
}
