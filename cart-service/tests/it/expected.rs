//! Changes that are made only on the cart that their maker has seen.

use proto::Reason;
use proto::cart::{AddItemRequest, Cart, ClearCartRequest, RemoveItemRequest, UpdateQuantityRequest};
use proto::status::reason;
use tonic::{Code, Response, Status};

use crate::shop::Shop;

fn stale(answer: Result<Response<Cart>, Status>) {
    let refused = answer.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::Aborted, Some(Reason::StaleVersion)));
}

#[tokio::test]
async fn a_change_is_made_on_the_version_that_is_expected_and_on_no_other() {
    let shop = Shop::open().await;
    let mut carts = shop.carts();
    let (user_id, product_id) = (1, 1);
    let add = |expected_version| AddItemRequest { user_id, product_id, quantity: 2, expected_version };
    let set = |expected_version| UpdateQuantityRequest { user_id, product_id, quantity: 3, expected_version };
    let remove = |expected_version| RemoveItemRequest { user_id, product_id, expected_version };
    let clear = |expected_version| ClearCartRequest { user_id, expected_version };

    stale(carts.add_item(add(Some(7))).await);
    let first = carts.add_item(add(Some(0))).await.expect("where there is no cart").into_inner();
    for old in [0, first.version - 1, first.version + 1, -1] {
        stale(carts.add_item(add(Some(old))).await);
        stale(carts.update_quantity(set(Some(old))).await);
        stale(carts.remove_item(remove(Some(old))).await);
        stale(carts.clear_cart(clear(Some(old))).await);
    }
    let second = carts.update_quantity(set(Some(first.version))).await.unwrap().into_inner();
    assert_eq!((second.total_items, second.version > first.version), (3, true), "and nothing else was done");
    stale(carts.update_quantity(set(Some(first.version))).await);
    let third = carts.remove_item(remove(Some(second.version))).await.unwrap().into_inner();
    let fourth = carts.clear_cart(clear(Some(third.version))).await.unwrap().into_inner();
    assert_eq!(fourth.version, third.version, "an empty cart is not changed by being emptied");
    stale(carts.clear_cart(clear(Some(second.version))).await);
}

#[tokio::test]
async fn of_many_who_saw_one_cart_one_changes_it() {
    let shop = Shop::open().await;
    let changes = (0..20).map(|_| {
        let mut carts = shop.carts();
        let expected_version = Some(0);
        async move {
            carts.add_item(AddItemRequest { user_id: 1, product_id: 1, quantity: 1, expected_version }).await
        }
    });
    let answers = futures::future::join_all(changes).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (1, 19));
    refused.into_iter().for_each(stale);
}
