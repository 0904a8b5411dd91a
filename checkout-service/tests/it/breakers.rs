//! A participant that is seen to be broken is not called any more: to a checkout no answer like any other.

use std::time::Duration;

use checkout_service::checkout::DEADLINE;
use proto::checkout::{Checkout, CheckoutStatus, InitiateCheckoutRequest};
use proto::payment::PaymentStatus;
use testkit::ManualClock;

use crate::faults::Fault;
use crate::shop::{Around, Shop, request};

/// Failures in a row that open the breaker.
const OPENS: usize = 5;
/// More than the breaker stays open for.
const OPEN_FOR: Duration = Duration::from_secs(11);

/// A checkout that asked an authorisation so often that the breaker is open, and twice after that.
async fn begin(shop: &Shop, clock: &ManualClock) -> Checkout {
    shop.around.payment.faults.plan("authorize", &[Fault::Down; 50]);
    let hasty = InitiateCheckoutRequest { wait_ms: Some(0), ..request(1, "a") };
    let id = shop.buy(hasty).await.unwrap().checkout.unwrap().checkout_id;
    let checkout =
        until(shop, clock, &id, |checkout| attempts(checkout) >= i32::try_from(OPENS + 2).unwrap()).await;
    assert_eq!(shop.around.payment.faults.calls("authorize"), OPENS, "the breaker is open");
    checkout
}

fn attempts(checkout: &Checkout) -> i32 {
    checkout.timeline.last().unwrap().attempt
}

async fn until(shop: &Shop, clock: &ManualClock, id: &str, done: impl Fn(&Checkout) -> bool) -> Checkout {
    testkit::eventually("the checkout moves", Duration::from_secs(20), async || {
        clock.advance(Duration::from_millis(100));
        Some(shop.get(id).await).filter(|checkout| done(checkout))
    })
    .await
}

/// Breakers live by the time of the runtime.
async fn the_breaker_lets_through_again() {
    tokio::time::pause();
    tokio::time::advance(OPEN_FOR).await;
    tokio::time::resume();
}

#[tokio::test]
async fn an_open_breaker_delays_a_checkout_and_fails_none() {
    let (world, clock) = testkit::world();
    let shop = Around::new(3, world).start().await;
    let checkout = begin(&shop, &clock).await;
    assert_eq!(checkout.status(), CheckoutStatus::InventoryReserved);
    shop.around.payment.faults.heal("authorize");
    the_breaker_lets_through_again().await;
    let end = until(&shop, &clock, &checkout.checkout_id, |c| c.completed_at.is_some()).await;
    assert_eq!(end.status(), CheckoutStatus::Completed, "{end:?}");
    shop.around.check(3, &shop.log).await;
}

/// Past its deadline it backs out, and ends only once the payment is known to be void.
#[tokio::test]
async fn an_open_breaker_ends_nothing_past_the_deadline_either() {
    let (world, clock) = testkit::world();
    let shop = Around::new(3, world).start().await;
    let id = begin(&shop, &clock).await.checkout_id;
    clock.advance(DEADLINE);
    let open = until(&shop, &clock, &id, |checkout| {
        checkout.status() == CheckoutStatus::Compensating && attempts(checkout) >= 3
    })
    .await;
    assert_eq!(open.failure.unwrap().code, "checkout_expired");
    assert_eq!(shop.around.payment.faults.calls("void"), 0);
    assert_eq!(shop.around.inventory.faults.calls("release"), 0);
    the_breaker_lets_through_again().await;
    let end = until(&shop, &clock, &id, |c| c.completed_at.is_some()).await;
    assert_eq!(end.status(), CheckoutStatus::Failed, "{end:?}");
    let payment = shop.around.payment.payments.lock().unwrap()[&id].0;
    assert_eq!(payment, PaymentStatus::Voided, "whatever comes late is refused");
    shop.around.check(3, &shop.log).await;
}
