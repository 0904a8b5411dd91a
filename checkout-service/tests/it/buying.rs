//! What a client sees: ends, refusals, keys.

use std::time::Duration;

use futures::StreamExt as _;
use platform::World;
use proto::checkout::{CheckoutStatus, GetCheckoutRequest, InitiateCheckoutRequest, WatchCheckoutRequest};
use proto::{Reason, common, status};
use tonic::{Code, Status};

use crate::faults::Fault;
use crate::participants::PRICE;
use crate::shop::{Around, declined, laptop, request};

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, reason: Reason) -> Status {
    let status = result.unwrap_err();
    assert_eq!((status.code(), status::reason(&status)), (code, Some(reason)), "{status:?}");
    status
}

#[tokio::test]
async fn a_cart_is_bought() {
    let shop = Around::new(3, World::real()).start().await;
    let reply = shop.buy(request(1, "a")).await.unwrap();
    let checkout = reply.checkout.unwrap();
    assert!(!reply.replayed);
    assert_eq!(checkout.status(), CheckoutStatus::Completed);
    assert_eq!(checkout.total, laptop());
    assert!(checkout.completed_at.is_some() && checkout.failure.is_none());
    let stays: Vec<_> =
        checkout.timeline.iter().map(|e| (e.state.as_str(), e.attempt, e.outcome.as_str())).collect();
    assert_eq!(
        stays,
        [
            ("RESERVING", 1, "ok"),
            ("AUTHORIZING", 1, "ok"),
            ("COMMITTING", 1, "ok"),
            ("CAPTURING", 1, "ok"),
            ("COMPLETED", 0, "")
        ]
    );
    shop.around.check(3, &shop.log).await;
    shop.stop().await;
}

#[tokio::test]
async fn a_decline_gives_the_stock_back() {
    let shop = Around::new(3, World::real()).start().await;
    let checkout = shop.buy(declined(1, "a")).await.unwrap().checkout.unwrap();
    let failure = checkout.failure.clone().unwrap();
    assert_eq!(checkout.status(), CheckoutStatus::Failed);
    assert_eq!((failure.code.as_str(), failure.decline_code.as_str()), ("payment_declined", "card_declined"));
    assert_eq!(shop.around.payment.faults.calls("void"), 0, "there is nothing to void");
    shop.around.check(3, &shop.log).await;
    // The cart was not bought: another key may buy it.
    let again = shop.buy(request(1, "b")).await.unwrap().checkout.unwrap();
    assert_eq!(again.status(), CheckoutStatus::Completed);
}

#[tokio::test]
async fn an_unknown_payment_method_is_a_decline() {
    let shop = Around::new(3, World::real()).start().await;
    let bogus = InitiateCheckoutRequest { payment_method: "pm_bogus".into(), ..request(1, "a") };
    let failure = shop.buy(bogus).await.unwrap().checkout.unwrap().failure.unwrap();
    assert_eq!(
        (failure.code.as_str(), failure.decline_code.as_str()),
        ("payment_declined", "invalid_payment_method")
    );
    shop.around.check(3, &shop.log).await;
}

#[tokio::test]
async fn missing_stock_names_the_products() {
    let shop = Around::new(0, World::real()).start().await;
    let failure = shop.buy(request(1, "a")).await.unwrap().checkout.unwrap().failure.unwrap();
    assert_eq!(
        (failure.code.as_str(), failure.product_ids.as_slice()),
        ("insufficient_stock", [1].as_slice())
    );
    assert_eq!(failure.message, "there is not enough stock of product 1");
    shop.around.check(0, &shop.log).await;
}

#[tokio::test]
async fn a_confirm_that_is_refused_gives_the_money_back() {
    let shop = Around::new(3, World::real()).start().await;
    *shop.around.inventory.refuse_confirm.lock().unwrap() = true;
    let checkout = shop.buy(request(1, "a")).await.unwrap().checkout.unwrap();
    assert_eq!(checkout.failure.unwrap().code, "insufficient_stock");
    shop.around.check(3, &shop.log).await;
}

#[tokio::test]
async fn a_capture_that_is_refused_gives_sold_stock_back() {
    let shop = Around::new(3, World::real()).start().await;
    *shop.around.payment.refuse_capture.lock().unwrap() = true;
    let checkout = shop.buy(request(1, "a")).await.unwrap().checkout.unwrap();
    let states: Vec<&str> = checkout.timeline.iter().map(|entry| entry.state.as_str()).collect();
    assert_eq!(
        states,
        ["RESERVING", "AUTHORIZING", "COMMITTING", "CAPTURING", "VOIDING", "RELEASING", "FAILED"]
    );
    assert_eq!(checkout.failure.unwrap().code, "checkout_refused");
    shop.around.check(3, &shop.log).await;
}

#[tokio::test]
async fn money_that_was_taken_after_all_is_refunded() {
    let shop = Around::new(3, World::real()).start().await;
    *shop.around.payment.refuse_capture.lock().unwrap() = true;
    *shop.around.payment.captured_meanwhile.lock().unwrap() = true;
    let checkout = shop.buy(request(1, "a")).await.unwrap().checkout.unwrap();
    assert!(checkout.timeline.iter().any(|entry| entry.state == "REFUNDING"));
    assert_eq!(shop.around.payment.faults.calls("refund"), 1);
    shop.around.check(3, &shop.log).await;
}

#[tokio::test]
async fn a_key_stands_for_one_request() {
    let shop = Around::new(3, World::real()).start().await;
    let first = shop.buy(request(1, "a")).await.unwrap();
    let again = shop.buy(request(1, "a")).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.checkout, first.checkout);
    refused(shop.buy(declined(1, "a")).await, Code::InvalidArgument, Reason::IdempotencyKeyReused);
    let explicit = InitiateCheckoutRequest { payment_method: "pm_card_visa".into(), ..request(1, "a") };
    assert!(shop.buy(explicit).await.unwrap().replayed, "the default said aloud is the same request");
    let other = shop.buy(request(2, "a")).await.unwrap();
    assert!(!other.replayed, "another user's key is unrelated");
    shop.around.check(3, &shop.log).await;
}

#[tokio::test]
async fn twenty_at_once_with_one_key_are_one_checkout() {
    let shop = Around::new(3, World::real()).start().await;
    let replies = futures::future::join_all((0..20).map(|_| shop.buy(request(1, "a")))).await;
    let replies: Vec<_> = replies.into_iter().map(Result::unwrap).collect();
    assert_eq!(replies.iter().filter(|reply| !reply.replayed).count(), 1);
    assert!(replies.iter().all(|reply| reply.checkout == replies[0].checkout));
    shop.around.check(3, &shop.log).await;
    assert_eq!(shop.around.inventory.stock.lock().unwrap()[&1], 2);
}

#[tokio::test]
async fn ten_keys_on_one_cart_buy_it_once() {
    let shop = Around::new(30, World::real()).start().await;
    let keys: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let replies = futures::future::join_all(keys.iter().map(|key| shop.buy(request(1, key)))).await;
    let bought: Vec<_> = replies.iter().filter_map(|reply| reply.as_ref().ok()).collect();
    assert_eq!(bought.len(), 1);
    let id = &bought[0].checkout.as_ref().unwrap().checkout_id;
    for reply in replies.iter().filter(|reply| reply.is_err()) {
        let status = refused(reply.clone(), Code::Aborted, Reason::CheckoutInProgress);
        assert_eq!(status::metadata(&status, "checkout_id").as_ref(), Some(id));
    }
    assert_eq!(shop.around.inventory.stock.lock().unwrap()[&1], 29);
}

#[tokio::test]
async fn a_cart_that_still_contains_a_purchase_is_not_bought_again() {
    let shop = Around::new(30, World::real()).start().await;
    shop.buy(request(1, "a")).await.unwrap();
    // Something was added before the cart heard of the purchase.
    shop.around.carts.change(1, |cart| cart.version = 6);
    refused(shop.buy(request(1, "b")).await, Code::Aborted, Reason::CheckoutInProgress);
    shop.around.carts.change(1, |cart| (cart.version, cart.bought_version) = (7, 5));
    assert_eq!(
        shop.buy(request(1, "b")).await.unwrap().checkout.unwrap().status(),
        CheckoutStatus::Completed
    );
}

#[tokio::test]
async fn a_cart_that_can_not_be_bought_uses_up_no_key() {
    let shop = Around::new(3, World::real()).start().await;
    shop.around.carts.change(1, |cart| cart.items.clear());
    refused(shop.buy(request(1, "a")).await, Code::FailedPrecondition, Reason::CartEmpty);
    shop.around.carts.change(1, |cart| {
        *cart = crate::participants::Carts::with_laptop(1, 6);
        cart.items[0].available = false;
    });
    let gone = refused(shop.buy(request(1, "a")).await, Code::FailedPrecondition, Reason::ProductUnavailable);
    assert_eq!(status::metadata(&gone, "product_ids").as_deref(), Some("1"));
    shop.around.carts.change(1, |cart| cart.items[0].available = true);
    let cheaper = common::Money { currency_code: "USD".into(), minor_units: PRICE - 1 };
    let expecting = InitiateCheckoutRequest { expected_total: Some(cheaper), ..request(1, "a") };
    let changed = refused(shop.buy(expecting).await, Code::Aborted, Reason::PriceChanged);
    assert_eq!(status::metadata(&changed, "amount").as_deref(), Some("1299.99"));
    shop.around.carts.faults.plan("get_cart", &[Fault::Lost]);
    let unread = shop.buy(request(1, "a")).await.unwrap_err();
    assert_eq!((unread.code(), status::reason(&unread)), (Code::Unavailable, None));
    let expecting = InitiateCheckoutRequest { expected_total: laptop(), ..request(1, "a") };
    assert!(!shop.buy(expecting).await.unwrap().replayed);
}

#[tokio::test]
async fn bad_input_is_named() {
    let shop = Around::new(3, World::real()).start().await;
    let fields = async |request: InitiateCheckoutRequest, reason| {
        let status = refused(shop.buy(request).await, Code::InvalidArgument, reason);
        status::violations(&status).into_iter().map(|(field, _)| field).collect::<Vec<_>>()
    };
    for key in ["", "a\nb", &"k".repeat(256)] {
        assert_eq!(fields(request(1, key), Reason::InvalidIdempotencyKey).await, ["idempotency_key"]);
    }
    for user in [0, -1] {
        assert_eq!(fields(request(user, "a"), Reason::InvalidArgument).await, ["user_id"]);
    }
    let odd = InitiateCheckoutRequest { payment_method: "pm card".into(), ..request(1, "a") };
    assert_eq!(fields(odd, Reason::InvalidArgument).await, ["payment_method"]);
    let patient = InitiateCheckoutRequest { wait_ms: Some(60_001), ..request(1, "a") };
    assert_eq!(fields(patient, Reason::InvalidArgument).await, ["wait_ms"]);
    let nowhere = common::Address { name: "Ada".into(), ..Default::default() };
    let nowhere = InitiateCheckoutRequest { shipping_address: Some(nowhere), ..request(1, "a") };
    assert_eq!(fields(nowhere, Reason::InvalidArgument).await, ["shipping_address.line1"]);
    assert!(!shop.buy(request(1, &"é".repeat(255))).await.unwrap().replayed);
}

#[tokio::test]
async fn z1_another_users_checkout_is_not_there() {
    let shop = Around::new(3, World::real()).start().await;
    let id = shop.buy(request(1, "a")).await.unwrap().checkout.unwrap().checkout_id;
    let get = async |checkout_id: &str, user_id| {
        let request = GetCheckoutRequest { checkout_id: checkout_id.to_owned(), user_id };
        shop.client().get_checkout(request).await
    };
    assert_eq!(get(&id, 1).await.unwrap().into_inner().checkout_id, id);
    refused(get(&id, 2).await, Code::NotFound, Reason::CheckoutNotFound);
    refused(get("01890a5d-ac96-774b-bcce-b302099a8057", 1).await, Code::NotFound, Reason::CheckoutNotFound);
    refused(get("7", 1).await, Code::InvalidArgument, Reason::InvalidArgument);
}

#[tokio::test]
async fn who_does_not_wait_gets_the_checkout_as_it_stands() {
    let shop = Around::new(3, World::real()).start().await;
    shop.around.payment.faults.plan("authorize", &[Fault::Lost; 3]);
    let hasty = InitiateCheckoutRequest { wait_ms: Some(0), ..request(1, "a") };
    let checkout = shop.buy(hasty).await.unwrap().checkout.unwrap();
    assert!(!matches!(checkout.status(), CheckoutStatus::Completed | CheckoutStatus::Failed));
    let watch = WatchCheckoutRequest { checkout_id: checkout.checkout_id.clone(), user_id: 1 };
    let changes = shop.client().watch_checkout(watch).await.unwrap().into_inner();
    let seen: Vec<_> = changes.map(|change| change.unwrap()).collect().await;
    assert_eq!(seen.last().unwrap().status(), CheckoutStatus::Completed);
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]));
    assert_eq!(shop.end(&checkout.checkout_id).await.timeline[1].attempt, 4);
}

#[tokio::test]
async fn a_client_that_goes_away_stops_nothing() {
    let shop = Around::new(3, World::real()).start().await;
    let impatient = tokio::time::timeout(Duration::ZERO, shop.buy(request(1, "a"))).await;
    // Gone at once, or after so little that the checkout can't have ended.
    drop(impatient);
    shop.around.payment.faults.plan("capture", &[Fault::Lost]);
    let reply = shop.buy(request(1, "a")).await.unwrap();
    assert_eq!(reply.checkout.unwrap().status(), CheckoutStatus::Completed);
    shop.around.check(3, &shop.log).await;
}
