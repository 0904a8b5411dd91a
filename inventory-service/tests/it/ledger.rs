//! Stock as an administrator sees and sets it.

use proto::Reason;
use proto::inventory::{Movement, MovementKind, Stock};
use proto::status::violations;
use tonic::Code;

use crate::shop::{Shop, key, refusal};

#[tokio::test]
async fn the_first_catalogue_is_in_stock() {
    let shop = Shop::open().await;
    for (product_id, available) in [(1, 50), (2, 200), (3, 100), (4, 75), (5, 150)] {
        let stock = shop.client.stock(product_id).await.unwrap();
        assert_eq!(stock, Stock { product_id, available, reserved: 0 });
    }
}

#[tokio::test]
async fn a_product_without_stock_is_not_found() {
    let shop = Shop::open().await;
    let status = shop.client.stock(9).await.unwrap_err();
    assert_eq!(status.message(), "no stock is kept for product 9");
    assert_eq!(refusal::<()>(Err(status)), (Code::NotFound, Some(Reason::ProductNotFound)));
    let invalid = (Code::InvalidArgument, Some(Reason::InvalidProductId));
    assert_eq!(refusal(shop.client.stock(0).await), invalid);
    assert_eq!(refusal(shop.client.set_stock(-1, 5).await), invalid);
    assert_eq!(refusal(shop.client.movements(0, 0, "").await), invalid);
    assert_eq!(shop.client.movements(9, 0, "").await.unwrap().movements, []);
}

#[tokio::test]
async fn on_hand_is_set_not_added() {
    let shop = Shop::open().await;
    let client = &shop.client;
    let stock = |product_id, available, reserved| Stock { product_id, available, reserved };
    assert_eq!(client.set_stock(9, 5).await.unwrap(), stock(9, 5, 0));
    assert_eq!(client.set_stock(9, 5).await.unwrap(), stock(9, 5, 0));
    client.reserve(&key(1), &[(9, 3)]).await.unwrap();
    assert_eq!(client.set_stock(9, 10).await.unwrap(), stock(9, 7, 3));
    assert_eq!(client.set_stock(9, 3).await.unwrap(), stock(9, 0, 3));

    let status = client.set_stock(9, 2).await.unwrap_err();
    assert_eq!(status.message(), "3 of product 9 are held by reservations: on hand can't be less");
    assert_eq!(refusal::<()>(Err(status)), (Code::FailedPrecondition, Some(Reason::InsufficientStock)));
    for on_hand in [-1, 1_000_000_001] {
        let status = client.set_stock(9, on_hand).await.unwrap_err();
        let violation = ("on_hand".to_owned(), "must be between 0 and 1000000000".to_owned());
        assert_eq!(violations(&status), [violation]);
        assert_eq!(refusal::<()>(Err(status)), (Code::InvalidArgument, Some(Reason::InvalidQuantity)));
    }
    assert_eq!(client.stock(9).await.unwrap(), stock(9, 0, 3));

    client.confirm(&key(1)).await.unwrap();
    assert_eq!(client.set_stock(9, 0).await.unwrap(), stock(9, 0, 0), "what is sold is not on hand");
    let kinds = client.movements(9, 0, "").await.unwrap().movements;
    let kinds: Vec<(MovementKind, i64)> = kinds.iter().map(|one| (one.kind(), one.quantity)).collect();
    use MovementKind::{Adjust, Commit, Reserve};
    assert_eq!(kinds, [(Commit, 3), (Adjust, -7), (Adjust, 5), (Reserve, 3), (Adjust, 5)]);
    shop.assert_sound().await;
}

#[tokio::test]
async fn the_ledger_comes_in_pages_newest_first() {
    let shop = Shop::open().await;
    let client = &shop.client;
    for number in 1..=2 {
        client.reserve(&key(number), &[(1, 1), (2, 1)]).await.unwrap();
        client.confirm(&key(number)).await.unwrap();
    }
    client.release(&key(2)).await.unwrap();

    let (mut token, mut pages) = (String::new(), Vec::new());
    loop {
        let page = client.movements(1, 2, &token).await.unwrap();
        token = page.next_page_token;
        pages.push(page.movements);
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2], "no empty page at the end");
    let movements: Vec<Movement> = pages.concat();
    use MovementKind::{Adjust, Commit, Reserve, Restock};
    let said: Vec<(MovementKind, i64, String)> =
        (movements.iter()).map(|one| (one.kind(), one.quantity, one.reservation_id.clone())).collect();
    assert_eq!(
        said,
        [
            (Restock, 1, key(2)),
            (Commit, 1, key(2)),
            (Reserve, 1, key(2)),
            (Commit, 1, key(1)),
            (Reserve, 1, key(1)),
            (Adjust, 50, String::new()),
        ]
    );
    assert!(movements.iter().all(|one| one.product_id == 1 && one.at.is_some()));

    let token = client.movements(1, 2, "").await.unwrap().next_page_token;
    let invalid = (Code::InvalidArgument, Some(Reason::InvalidArgument));
    assert_eq!(refusal(client.movements(2, 2, &token).await), invalid, "a token of another product");
    assert_eq!(refusal(client.movements(1, 2, "x").await), invalid);
    assert_eq!(refusal(client.movements(1, 101, "").await), invalid);
}
