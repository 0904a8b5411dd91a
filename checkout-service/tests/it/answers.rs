//! Answers that a participant did not give when it was asked first.

use platform::World;
use proto::checkout::{CheckoutStatus, InitiateCheckoutRequest};

use crate::faults::Fault;
use crate::shop::{Around, Shop, request};

async fn states(shop: &Shop, request: InitiateCheckoutRequest) -> Vec<String> {
    let checkout = shop.buy(request).await.unwrap().checkout.unwrap();
    assert_eq!(checkout.status(), CheckoutStatus::Failed);
    checkout.timeline.into_iter().map(|entry| entry.state).skip(1).collect()
}

/// That a method is none is not stored under the key: an authorisation made before, or still on its way,
/// stands all the same.
#[tokio::test]
async fn a_method_that_is_none_any_more_leaves_nothing_authorized() {
    let shop = Around::new(3, World::real()).start().await;
    shop.around.payment.faults.plan("authorize", &[Fault::ReplyLost]);
    let retired = InitiateCheckoutRequest { payment_method: "pm_retired".into(), ..request(1, "a") };
    let wanted = ["AUTHORIZING", "VOIDING", "RELEASING", "FAILED"];
    assert_eq!(states(&shop, retired).await, wanted);
    shop.around.check(3, &shop.log).await;
    shop.stop().await;
}

/// The reply to the capture got lost, and somebody gave the money back before it was asked again.
#[tokio::test]
async fn money_that_somebody_gave_back_buys_nothing() {
    let shop = Around::new(3, World::real()).start().await;
    let payment = shop.around.payment.clone();
    payment.faults.plan("capture", &[Fault::ReplyLost]);
    *payment.refund_at_once.lock().unwrap() = true;
    let wanted = ["AUTHORIZING", "COMMITTING", "CAPTURING", "VOIDING", "REFUNDING", "RELEASING", "FAILED"];
    assert_eq!(states(&shop, request(1, "a")).await, wanted);
    shop.around.check(3, &shop.log).await;
    shop.stop().await;
}
