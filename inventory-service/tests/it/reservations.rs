//! What each call on a reservation answers, with code and reason.

use proto::Reason;
use proto::inventory::{Line, ReservationStatus};
use proto::status::{metadata, violations};
use tonic::Code;

use crate::shop::{Client, Shop, key, outcome, refusal};

const SHORT: (Code, Option<Reason>) = (Code::FailedPrecondition, Some(Reason::InsufficientStock));
const RELEASED: (Code, Option<Reason>) = (Code::Aborted, Some(Reason::ReservationReleased));
const REUSED: (Code, Option<Reason>) = (Code::InvalidArgument, Some(Reason::IdempotencyKeyReused));
const INVALID: (Code, Option<Reason>) = (Code::InvalidArgument, Some(Reason::InvalidArgument));
const BAD_QUANTITY: (Code, Option<Reason>) = (Code::InvalidArgument, Some(Reason::InvalidQuantity));

async fn lives_through(client: Client) {
    let one = key(1);
    let held = client.reserve(&one, &[(2, 1), (1, 2), (2, 2)]).await.unwrap();
    assert_eq!(held.reservation_id, one);
    assert_eq!(held.status(), ReservationStatus::Held);
    let line = |product_id, quantity| Line { product_id, quantity };
    assert_eq!(held.lines, [line(1, 2), line(2, 3)], "summed by product, in its order");
    // 2025-11-22T20:15:30Z and five minutes.
    assert_eq!(held.expires_at.unwrap().seconds, 1_763_842_830);
    assert_eq!((client.units(1).await, client.units(2).await), ((48, 2), (197, 3)));

    assert_eq!(client.reserve(&one, &[(1, 2), (2, 3)]).await.unwrap(), held);
    assert_eq!(refusal(client.reserve(&one, &[(1, 2), (2, 4)]).await), REUSED);

    let committed = client.confirm(&one).await.unwrap();
    assert_eq!((committed.status(), &committed.lines), (ReservationStatus::Committed, &held.lines));
    assert_eq!(client.confirm(&one).await.unwrap(), committed);
    assert_eq!(client.reserve(&one, &[(1, 2), (2, 3)]).await.unwrap(), committed);
    assert_eq!((client.units(1).await, client.units(2).await), ((48, 0), (197, 0)));

    let released = client.release(&one).await.unwrap();
    assert_eq!((released.status(), &released.lines), (ReservationStatus::Released, &held.lines));
    assert_eq!(client.release(&one).await.unwrap(), released);
    assert_eq!(refusal(client.confirm(&one).await), RELEASED);
    assert_eq!(refusal(client.reserve(&one, &[(1, 2), (2, 3)]).await), RELEASED);
    assert_eq!((client.units(1).await, client.units(2).await), ((50, 0), (200, 0)));
}

/// A sale that is given back.
async fn is_restocked(client: Client) {
    const NOT_COMMITTED: (Code, Option<Reason>) =
        (Code::FailedPrecondition, Some(Reason::ReservationNotCommitted));
    let two = key(2);
    let unknown = (Code::NotFound, Some(Reason::ReservationNotFound));
    assert_eq!(refusal(client.restock(&two).await), unknown);
    let held = client.reserve(&two, &[(1, 2)]).await.unwrap();
    assert_eq!(refusal(client.restock(&two).await), NOT_COMMITTED);
    client.confirm(&two).await.unwrap();
    let restocked = client.restock(&two).await.unwrap();
    assert_eq!((restocked.status(), &restocked.lines), (ReservationStatus::Restocked, &held.lines));
    assert_eq!(client.restock(&two).await.unwrap(), restocked);
    assert_eq!(client.release(&two).await.unwrap(), restocked);
    assert_eq!(refusal(client.confirm(&two).await), RELEASED);
    assert_eq!(refusal(client.reserve(&two, &[(1, 2)]).await), RELEASED);
    assert_eq!(client.units(1).await, (50, 0));
}

#[tokio::test]
async fn a_life_in_process() {
    let shop = Shop::open().await;
    lives_through(shop.client.clone()).await;
    is_restocked(shop.client.clone()).await;
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_life_over_tcp() {
    let mut shop = Shop::open().await;
    let client = shop.over_tcp().await;
    lives_through(client.clone()).await;
    is_restocked(client).await;
    shop.assert_sound().await;
}

#[tokio::test]
async fn shortage_names_the_products_and_stays_the_answer() {
    let shop = Shop::open().await;
    let client = &shop.client;
    let greedy = [(1, 51), (2, 200), (4, 76), (99, 1)];
    let status = client.reserve(&key(1), &greedy).await.unwrap_err();
    assert_eq!(metadata(&status, "product_ids").as_deref(), Some("1,4,99"));
    assert_eq!(status.message(), "not enough stock of product 1,4,99");
    assert_eq!(refusal::<()>(Err(status)), SHORT);
    assert_eq!(client.units(2).await, (200, 0), "all or nothing");

    for (product, on_hand) in [(1, 100), (4, 100), (99, 100)] {
        client.set_stock(product, on_hand).await.unwrap();
    }
    let status = client.reserve(&key(1), &greedy).await.unwrap_err();
    assert_eq!(metadata(&status, "product_ids").as_deref(), Some("1,4,99"));
    assert_eq!(refusal::<()>(Err(status)), SHORT);
    assert_eq!(refusal(client.reserve(&key(1), &[(1, 1)]).await), REUSED);
    assert_eq!(refusal(client.confirm(&key(1)).await), RELEASED);
    assert_eq!(outcome(client.release(&key(1)).await), Ok(ReservationStatus::Rejected));
    assert_eq!(outcome(client.reserve(&key(2), &greedy).await), Ok(ReservationStatus::Held));
    shop.assert_sound().await;
}

#[tokio::test]
async fn an_undo_that_comes_first_wins() {
    let shop = Shop::open().await;
    let client = &shop.client;
    let tombstone = client.release(&key(1)).await.unwrap();
    assert_eq!((tombstone.status(), tombstone.lines.len()), (ReservationStatus::Released, 0));
    assert_eq!(tombstone.expires_at, None);
    assert_eq!(refusal(client.reserve(&key(1), &[(1, 1)]).await), RELEASED);
    assert_eq!(refusal(client.confirm(&key(1)).await), RELEASED);
    assert_eq!(client.release(&key(1)).await.unwrap(), tombstone);
    assert_eq!(client.units(1).await, (50, 0));
}

#[tokio::test]
async fn what_nobody_reserved_can_not_be_confirmed() {
    let shop = Shop::open().await;
    let unknown = (Code::NotFound, Some(Reason::ReservationNotFound));
    assert_eq!(refusal(shop.client.confirm(&key(1)).await), unknown);
    let held = shop.client.reserve(&key(1), &[(1, 1)]).await;
    assert_eq!(outcome(held), Ok(ReservationStatus::Held), "asking left no trace");
}

#[tokio::test]
async fn what_can_not_be_read_is_refused_by_field() {
    let shop = Shop::open().await;
    let client = &shop.client;
    let many: Vec<(i64, i64)> = (1..=101).map(|product| (product, 1)).collect();
    const MOST: i64 = 1_000_000_000;
    for (id, lines, refused, field) in [
        ("7", &[(1, 1)][..], INVALID, "reservation_id"),
        ("", &[(1, 1)], INVALID, "reservation_id"),
        (&key(1), &[], INVALID, "lines"),
        (&key(1), &many, INVALID, "lines"),
        (
            &key(1),
            &[(1, 1), (0, 1)],
            (Code::InvalidArgument, Some(Reason::InvalidProductId)),
            "lines[1].product_id",
        ),
        (&key(1), &[(1, 0)], BAD_QUANTITY, "lines[0].quantity"),
        (&key(1), &[(1, -1)], BAD_QUANTITY, "lines[0].quantity"),
        (&key(1), &[(1, i64::MAX)], BAD_QUANTITY, "lines[0].quantity"),
        (&key(1), &[(1, MOST), (2, 1), (1, 1)], BAD_QUANTITY, "lines[2].quantity"),
    ] {
        let status = client.reserve(id, lines).await.unwrap_err();
        let fields: Vec<String> = violations(&status).into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, [field]);
        assert_eq!(refusal::<()>(Err(status)), refused);
    }
    assert_eq!(refusal(client.confirm("7").await), INVALID);
    assert_eq!(refusal(client.release("7").await), INVALID);
    assert_eq!(refusal(client.restock("7").await), INVALID);

    let summed = client.reserve(&key(1), &many[..100]).await.unwrap_err();
    assert_eq!(refusal::<()>(Err(summed)), SHORT, "100 lines are as many as there may be");
    let short = client.reserve(&key(2), &[(1, MOST)]).await;
    assert_eq!(refusal(short), SHORT, "more than there can be is a shortage, not an overflow");
}
