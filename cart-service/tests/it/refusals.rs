use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use proto::cart::{AddItemRequest, GetCartRequest};
use proto::{Reason, status};
use tonic::{Code, Request, Status};

use crate::shop::{Shop, quantities};

/// Code, reason and the field that can't be used.
fn seen<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, Option<Reason>, Option<String>) {
    let refusal = answer.unwrap_err();
    let field = status::violations(&refusal).into_iter().next().map(|(field, _)| field);
    (refusal.code(), status::reason(&refusal), field)
}

fn invalid(reason: Reason, field: &str) -> (Code, Option<Reason>, Option<String>) {
    (Code::InvalidArgument, Some(reason), Some(field.to_owned()))
}

#[tokio::test]
async fn fields_that_can_not_be_used_are_named() {
    let shop = Shop::open().await;
    shop.add(1, 1, 1).await.unwrap();
    for wrong in [i32::MIN, -1, 0, 100, i32::MAX] {
        assert_eq!(seen(shop.add(1, 1, wrong).await), invalid(Reason::InvalidQuantity, "quantity"));
        assert_eq!(seen(shop.update(1, 1, wrong).await), invalid(Reason::InvalidQuantity, "quantity"));
    }
    for wrong in [i64::MIN, -1, 0] {
        assert_eq!(seen(shop.add(1, wrong, 1).await), invalid(Reason::InvalidProductId, "product_id"));
        assert_eq!(seen(shop.update(1, wrong, 1).await), invalid(Reason::InvalidProductId, "product_id"));
        assert_eq!(seen(shop.remove(1, wrong).await), invalid(Reason::InvalidProductId, "product_id"));
        assert_eq!(seen(shop.add(wrong, 1, 1).await), invalid(Reason::InvalidArgument, "user_id"));
        assert_eq!(seen(shop.update(wrong, 1, 1).await), invalid(Reason::InvalidArgument, "user_id"));
        assert_eq!(seen(shop.remove(wrong, 1).await), invalid(Reason::InvalidArgument, "user_id"));
        assert_eq!(seen(shop.clear(wrong).await), invalid(Reason::InvalidArgument, "user_id"));
        let request = GetCartRequest { user_id: wrong, fresh: true };
        assert_eq!(seen(shop.carts().get_cart(request).await), invalid(Reason::InvalidArgument, "user_id"));
    }
    let other_name = shop
        .add_by_its_other_name(AddItemRequest {
            user_id: 1,
            product_id: 1,
            quantity: 0,
            expected_version: None,
        })
        .await;
    assert_eq!(status::violations(&other_name.clone().unwrap_err())[0].1, "must be between 1 and 99");
    assert_eq!(seen(other_name), invalid(Reason::InvalidQuantity, "quantity"));
    assert_eq!(quantities(&shop.cart(1).await), [(1, 1)]);
}

#[tokio::test]
async fn n1_a_line_has_at_most_ninety_nine_units() {
    let shop = Shop::open().await;
    shop.add(1, 1, 60).await.unwrap();
    let refusal = shop.add(1, 1, 40).await;
    assert_eq!(refusal.as_ref().unwrap_err().message(), "quantity must be between 1 and 99");
    assert_eq!(seen(refusal), invalid(Reason::InvalidQuantity, "quantity"));
    assert_eq!(quantities(&shop.add(1, 1, 39).await.unwrap()), [(1, 99)]);
}

#[tokio::test]
async fn a_cart_has_at_most_fifty_lines() {
    let shop = Shop::open().await;
    for id in 1..=50 {
        shop.add(1, id, 1).await.unwrap();
    }
    let full = (Code::FailedPrecondition, Some(Reason::CartFull), None);
    assert_eq!(seen(shop.add(1, 51, 1).await), full);
    shop.add(1, 50, 1).await.unwrap();
    shop.remove(1, 1).await.unwrap();
    assert_eq!(shop.add(1, 51, 1).await.unwrap().items.len(), 50);
}

#[tokio::test]
async fn products_must_exist_and_lines_too() {
    let shop = Shop::open().await;
    let absent = (Code::NotFound, Some(Reason::ProductNotFound), None);
    assert_eq!(seen(shop.add(1, 999, 1).await), absent);
    assert_eq!(shop.cart(1).await.version, 0, "a refused addition begins no cart");
    let no_line = (Code::NotFound, Some(Reason::ItemNotInCart), None);
    assert_eq!(seen(shop.update(1, 2, 1).await), no_line);
    shop.add(1, 1, 1).await.unwrap();
    assert_eq!(seen(shop.update(1, 2, 1).await), no_line);
    shop.products.delete(1);
    assert_eq!(seen(shop.add(1, 1, 1).await), absent);
}

#[tokio::test]
async fn n2_currencies_do_not_mix() {
    let shop = Shop::open().await;
    shop.products.price(2, 500, "EUR");
    shop.add(1, 1, 1).await.unwrap();
    let mixed = (Code::FailedPrecondition, Some(Reason::CurrencyMismatch), None);
    assert_eq!(seen(shop.add(1, 2, 1).await), mixed);
    let euros = shop.add(2, 2, 3).await.unwrap().total.unwrap();
    assert_eq!((euros.currency_code.as_str(), euros.minor_units), ("EUR", 1500));
}

#[tokio::test]
async fn n1_a_total_out_of_range_is_refused_and_nothing_is_changed() {
    let shop = Shop::open().await;
    shop.products.price(1, i64::MAX, "USD");
    shop.add(1, 1, 1).await.unwrap();
    let before = shop.cart(1).await;
    for refusal in [shop.add(1, 1, 1).await, shop.update(1, 1, 2).await, shop.add(1, 2, 1).await] {
        assert_eq!(seen(refusal), invalid(Reason::InvalidArgument, "total"));
    }
    assert_eq!(shop.cart(1).await, before);
}

#[tokio::test]
async fn without_the_catalogue_nothing_is_changed() {
    let shop = Shop::open().await;
    shop.add(1, 1, 1).await.unwrap();
    let before = shop.cart(1).await;
    shop.products.down.store(true, Ordering::SeqCst);
    for refusal in [shop.add(1, 2, 1).await, shop.update(1, 1, 5).await] {
        assert_eq!(refusal.as_ref().unwrap_err().message(), "the catalogue is not available");
        assert_eq!(seen(refusal), (Code::Unavailable, None, None));
    }
    let read = shop.carts().get_cart(GetCartRequest { user_id: 1, fresh: false }).await;
    assert_eq!(seen(read), (Code::Unavailable, None, None));
    assert_eq!(shop.cart(2).await.version, 0, "an empty cart needs no catalogue");
    shop.products.down.store(false, Ordering::SeqCst);
    assert_eq!(shop.cart(1).await, before);
}

#[tokio::test]
async fn a_silent_catalogue_is_waited_for_until_the_deadline_of_the_call() {
    let shop = Shop::open().await;
    shop.products.silent.store(true, Ordering::SeqCst);
    let mut request =
        Request::new(AddItemRequest { user_id: 1, product_id: 1, quantity: 1, expected_version: None });
    request.set_timeout(Duration::from_millis(200));
    let asked = Instant::now();
    assert_eq!(seen(shop.carts().add_item(request).await), (Code::DeadlineExceeded, None, None));
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert_eq!(shop.cart(1).await.version, 0);
}
