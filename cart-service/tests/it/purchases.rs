use event_log::EventLog as _;
use proto::events::{CHECKOUT_EVENTS, CheckoutCompleted, CheckoutFailed};

use crate::shop::{Shop, cents, quantities};

#[tokio::test]
async fn what_was_bought_is_taken_out_once_and_what_was_added_stays() {
    let shop = Shop::open().await;
    shop.add(1, 1, 2).await.unwrap();
    let bought = shop.add(1, 2, 1).await.unwrap();
    shop.add(1, 1, 3).await.unwrap();
    let since = shop.add(1, 3, 1).await.unwrap();
    let event = shop.bought(1, bought.version, &[(1, 2), (2, 1)]);
    for _ in 0..2 {
        shop.deliver(event.clone()).await;
        let cart = shop.cart(1).await;
        assert_eq!((quantities(&cart), cents(&cart.total)), (vec![(1, 3), (3, 1)], 600));
        assert_eq!((cart.bought_version, cart.version), (bought.version, since.version + 1));
    }
}

#[tokio::test]
async fn an_event_that_comes_again_after_a_restart_takes_nothing_from_a_refilled_cart() {
    let shop = Shop::open().await;
    let bought = shop.add(1, 1, 2).await.unwrap();
    let event = shop.bought(1, bought.version, &[(1, 2)]);
    shop.deliver(event.clone()).await;
    shop.clear(1).await.unwrap();
    let refilled = shop.add(1, 1, 5).await.unwrap();
    let shop = shop.restart().await;
    shop.deliver(event).await;
    assert_eq!(shop.cart(1).await, refilled);
    assert_eq!(refilled.bought_version, bought.version);
}

#[tokio::test]
async fn an_emptied_cart_remembers_what_was_bought() {
    let shop = Shop::open().await;
    let bought = shop.add(1, 1, 2).await.unwrap();
    shop.clear(1).await.unwrap();
    shop.deliver(shop.bought(1, bought.version, &[(1, 2)])).await;
    let cart = shop.cart(1).await;
    assert_eq!((cart.items.len(), cart.bought_version), (0, bought.version));
}

#[tokio::test]
async fn a_purchase_of_a_user_without_a_cart_does_no_harm() {
    let shop = Shop::open().await;
    let version = shop.add(2, 1, 1).await.unwrap().version;
    let event = shop.bought(1, version - 1000, &[(1, 2)]);
    shop.deliver(event.clone()).await;
    assert_eq!(shop.cart(1).await.version, 0);
    let first = shop.add(1, 1, 5).await.unwrap();
    shop.deliver(event).await;
    assert_eq!(shop.cart(1).await, first);
    assert!(shop.given_up().await.is_empty());
}

#[tokio::test]
async fn purchases_that_come_in_the_wrong_order_are_all_taken_out() {
    let shop = Shop::open().await;
    let version = shop.add(1, 1, 10).await.unwrap().version;
    let later = shop.bought(1, version + 5, &[(1, 4)]);
    let earlier = shop.bought(1, version, &[(1, 3)]);
    for event in [&later, &earlier, &later, &earlier] {
        shop.deliver(event.clone()).await;
    }
    let cart = shop.cart(1).await;
    assert_eq!((quantities(&cart), cart.bought_version), (vec![(1, 3)], version + 5));
}

#[tokio::test]
async fn other_events_are_skipped_and_unreadable_ones_given_up() {
    let shop = Shop::open().await;
    let cart = shop.add(1, 1, 2).await.unwrap();
    let skipped = [
        shop.event(CheckoutFailed::TYPE, "checkout", b"{}"),
        shop.event("checkout.invented.v9", "checkout", b"not even JSON"),
    ];
    let unreadable = [
        shop.event(CheckoutCompleted::TYPE, "checkout", b"{}"),
        shop.event(CheckoutCompleted::TYPE, "checkout", b"\xff"),
    ];
    shop.log.publish(CHECKOUT_EVENTS, &[&skipped[..], &unreadable[..]].concat()).await.unwrap();
    shop.deliver(shop.bought(1, cart.version, &[(1, 1)])).await;
    assert_eq!(quantities(&shop.cart(1).await), [(1, 1)], "later events are not held up");
    let given_up = shop.given_up().await;
    assert_eq!(
        given_up.iter().map(|letter| letter.delivery.event.id).collect::<Vec<_>>(),
        unreadable.map(|e| e.id)
    );
    assert!(given_up.iter().all(|letter| letter.reason.starts_with("unreadable JSON:")), "{given_up:?}");
}
