use proto::cart::AddItemRequest;
use proto::convert;

use crate::shop::{Shop, cents, quantities};

#[tokio::test]
async fn a_user_without_a_cart_gets_an_empty_one() {
    let shop = Shop::open().await;
    let cart = shop.cart(1).await;
    assert_eq!((cart.user_id, cart.version, cart.bought_version, cart.total_items), (1, 0, 0, 0));
    assert_eq!((cart.items.len(), cents(&cart.total), cart.updated_at), (0, 0, None));
    assert!(shop.products.calls().is_empty(), "an empty cart asks nobody");
}

#[tokio::test]
async fn what_is_added_is_shown_with_its_price() {
    let shop = Shop::open().await;
    let cart = shop.add(1, 7, 2).await.unwrap();
    assert_eq!((cart.version, cart.bought_version), (1_763_842_530_000, 1_763_842_529_999));
    let item = &cart.items[0];
    assert_eq!(
        (item.product_id, item.name.as_str(), item.quantity, item.available),
        (7, "product 7", 2, true)
    );
    assert_eq!((cents(&item.unit_price), cents(&item.line_total), cents(&cart.total)), (700, 1400, 1400));
    assert_eq!(convert::moment(cart.updated_at).unwrap().to_string(), "2025-11-22T20:15:30.000Z");
    assert_eq!(item.added_at, cart.updated_at);

    let request = AddItemRequest { user_id: 1, product_id: 3, quantity: 1, expected_version: None };
    let both = shop.add_by_its_other_name(request).await.unwrap();
    assert_eq!((quantities(&both), cents(&both.total), both.total_items), (vec![(7, 2), (3, 1)], 1700, 3));
    assert_eq!(both.version, cart.version + 1);
    assert_eq!(shop.cart(1).await, both);
    assert_eq!(shop.cart(2).await.items, [], "another user's cart is another");
}

#[tokio::test]
async fn lines_are_set_removed_and_cleared() {
    let shop = Shop::open().await;
    for id in 1..=3 {
        shop.add(1, id, 1).await.unwrap();
    }
    let first = shop.cart(1).await.version;
    assert_eq!(quantities(&shop.update(1, 2, 99).await.unwrap()), [(1, 1), (2, 99), (3, 1)]);
    assert_eq!(quantities(&shop.remove(1, 1).await.unwrap()), [(2, 99), (3, 1)]);
    let removed_again = shop.remove(1, 1).await.unwrap();
    assert_eq!((quantities(&removed_again), removed_again.version), (vec![(2, 99), (3, 1)], first + 2));
    for _ in 0..2 {
        let empty = shop.clear(1).await.unwrap();
        assert_eq!((empty.items.len(), empty.total_items, cents(&empty.total)), (0, 0, 0));
        assert_eq!(empty.version, first + 3);
    }
    assert_eq!(shop.clear(9).await.unwrap().version, 0);
    assert_eq!(shop.remove(9, 1).await.unwrap().version, 0);
}

#[tokio::test]
async fn the_catalogue_is_asked_once_for_all_lines() {
    let shop = Shop::open().await;
    for id in [5, 1, 3] {
        shop.add(1, id, 1).await.unwrap();
    }
    assert_eq!(shop.products.calls(), [vec![5], vec![1, 5], vec![1, 3, 5]]);
    shop.update(1, 1, 2).await.unwrap();
    shop.remove(1, 3).await.unwrap();
    shop.cart(1).await;
    assert_eq!(shop.products.calls(), [vec![1, 3, 5], vec![1, 5], vec![1, 5], vec![1, 5]]);
    shop.clear(1).await.unwrap();
    shop.cart(1).await;
    assert!(shop.products.calls().is_empty());
}

#[tokio::test]
async fn prices_are_those_of_the_moment() {
    let shop = Shop::open().await;
    shop.add(1, 1, 3).await.unwrap();
    shop.products.price(1, 250, "USD");
    let cart = shop.cart(1).await;
    assert_eq!((cents(&cart.items[0].unit_price), cents(&cart.total)), (250, 750));
}

#[tokio::test]
async fn a_deleted_product_stays_in_the_list_and_out_of_the_total() {
    let shop = Shop::open().await;
    shop.add(1, 1, 2).await.unwrap();
    shop.add(1, 2, 1).await.unwrap();
    shop.products.delete(1);
    let cart = shop.cart(1).await;
    let gone = &cart.items[0];
    assert_eq!(
        (gone.product_id, gone.name.as_str(), gone.quantity, gone.available),
        (1, "product 1", 2, false)
    );
    assert_eq!((cart.total_items, cents(&cart.total)), (3, 200));
    assert!(cart.items[1].available);
    // It can be changed and removed, not added.
    let more = shop.update(1, 1, 5).await.unwrap();
    assert_eq!((more.items[0].available, more.total_items, cents(&more.total)), (false, 6, 200));
    assert_eq!(quantities(&shop.remove(1, 1).await.unwrap()), [(2, 1)]);
}
