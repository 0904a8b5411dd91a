use std::time::Duration;

use cart_service::store::{Sqlite, Store as _};
use testkit::eventually;

use crate::shop::{SOON, Shop, quantities};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn a_cart_is_gone_after_ninety_days_without_a_change() {
    let shop = Shop::open().await;
    shop.add(1, 1, 2).await.unwrap();
    shop.clock.advance(DAY * 89);
    let kept = shop.update(1, 1, 3).await.unwrap();
    shop.clock.advance(DAY * 90 - Duration::from_micros(1));
    assert_eq!(shop.cart(1).await, kept, "a change begins the ninety days anew");
    shop.clock.advance(Duration::from_micros(1));
    let gone = shop.cart(1).await;
    assert_eq!((gone.version, gone.items.len(), gone.bought_version, gone.updated_at), (0, 0, 0, None));
}

#[tokio::test]
async fn the_next_cart_begins_above_all_versions_of_the_one_that_expired() {
    let shop = Shop::open().await;
    let old = shop.add(1, 1, 2).await.unwrap();
    let event = shop.bought(1, old.version, &[(1, 2)]);
    shop.clock.advance(DAY * 90);
    let next = shop.add(1, 1, 5).await.unwrap();
    let ninety_days_later = old.version + 90 * 24 * 60 * 60 * 1000;
    assert_eq!((next.version, next.bought_version), (ninety_days_later, ninety_days_later - 1));
    assert_eq!(quantities(&next), [(1, 5)]);
    // What the old cart sold is not taken from the new one, even if the event comes as late as this.
    shop.deliver(event).await;
    assert_eq!(shop.cart(1).await, next);
}

#[tokio::test]
async fn expired_carts_are_swept_from_the_store() {
    let shop = Shop::open().await;
    for user in 1..=3 {
        shop.add(user, 1, 1).await.unwrap();
    }
    shop.clock.advance(DAY);
    shop.add(3, 1, 1).await.unwrap();
    let audit = Sqlite::open_read_only(&shop.directory().join("cart.db")).await.unwrap();
    let users =
        async || -> Vec<i64> { audit.snapshot().await.unwrap().iter().map(|cart| cart.user.get()).collect() };
    assert_eq!(users().await, [1, 2, 3]);
    shop.clock.advance(DAY * 89);
    eventually("the sweep", SOON, async || users().await == [3]).await;
    let begun = shop.add(1, 2, 1).await.unwrap();
    assert_eq!(quantities(&begun), [(2, 1)]);
    assert_eq!(quantities(&shop.cart(3).await), [(1, 2)]);
}

#[tokio::test]
async fn carts_survive_a_restart() {
    let shop = Shop::open().await;
    let first = shop.add(1, 1, 2).await.unwrap();
    shop.deliver(shop.bought(1, first.version, &[(1, 1)])).await;
    shop.add(2, 5, 9).await.unwrap();
    let before = [shop.cart(1).await, shop.cart(2).await];
    let shop = shop.restart().await;
    assert_eq!([shop.cart(1).await, shop.cart(2).await], before);
    assert_eq!(shop.add(1, 1, 1).await.unwrap().version, before[0].version + 1);
}
