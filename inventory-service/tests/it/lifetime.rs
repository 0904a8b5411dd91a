//! Holds that end, and services that do.

use std::time::Duration;

use proto::Reason;
use proto::inventory::MovementKind;
use proto::inventory::ReservationStatus::{Committed, Expired, Held, Released};
use testkit::eventually;
use tonic::Code;

use crate::shop::{PATIENCE, Shop, key, outcome, refusal};

const HOLD: Duration = Duration::from_secs(300);
const SECOND: Duration = Duration::from_secs(1);

impl Shop {
    async fn wait_for_units(&self, product_id: i64, units: (i64, i64)) {
        let what = format!("product {product_id} at {units:?}");
        eventually(&what, PATIENCE, async || self.client.units(product_id).await == units).await;
    }
}

#[tokio::test]
async fn holds_end_one_by_one_and_what_is_sold_never_does() {
    let shop = Shop::open().await;
    let client = &shop.client;
    let reserve = async |number| client.reserve(&key(number), &[(1, 2)]).await.unwrap();
    reserve(1).await;
    reserve(2).await;
    client.confirm(&key(2)).await.unwrap();
    shop.clock.advance(SECOND);
    reserve(3).await;
    assert_eq!(client.units(1).await, (44, 4));

    shop.clock.advance(HOLD - SECOND);
    shop.wait_for_units(1, (46, 2)).await;
    shop.clock.advance(SECOND);
    shop.wait_for_units(1, (48, 0)).await;

    let expired = reserve(1).await;
    assert_eq!(expired.status(), Expired);
    assert_eq!(expired.expires_at.unwrap().seconds, 1_763_842_830);
    assert_eq!(reserve(2).await.status(), Committed);
    let newest = client.movements(1, 1, "").await.unwrap().movements;
    assert_eq!((newest[0].kind(), newest[0].reservation_id.clone()), (MovementKind::Expire, key(3)));

    // The sweeper comes back for holds that are made after a pause without any.
    reserve(4).await;
    shop.clock.advance(HOLD);
    shop.wait_for_units(1, (48, 0)).await;
    shop.assert_sound().await;
}

#[tokio::test]
async fn more_holds_than_one_sweep_takes_all_end() {
    let shop = Shop::open().await;
    for number in 1..=120 {
        shop.client.reserve(&key(number), &[(2, 1)]).await.unwrap();
    }
    shop.clock.advance(HOLD);
    shop.wait_for_units(2, (200, 0)).await;
    shop.assert_sound().await;
}

#[tokio::test]
async fn an_expired_hold_is_confirmed_while_its_stock_is_there() {
    let shop = Shop::open().await;
    let client = &shop.client;
    for number in 1..=3 {
        client.reserve(&key(number), &[(1, 10)]).await.unwrap();
    }
    shop.clock.advance(HOLD);
    shop.wait_for_units(1, (50, 0)).await;

    assert_eq!(outcome(client.confirm(&key(1)).await), Ok(Committed));
    client.set_stock(1, 9).await.unwrap();
    let status = client.confirm(&key(2)).await.unwrap_err();
    assert_eq!(proto::status::metadata(&status, "product_ids").as_deref(), Some("1"));
    assert_eq!(refusal::<()>(Err(status)), (Code::FailedPrecondition, Some(Reason::InsufficientStock)));
    assert_eq!(outcome(client.reserve(&key(2), &[(1, 10)]).await), Ok(Expired));
    client.set_stock(1, 10).await.unwrap();
    assert_eq!(outcome(client.confirm(&key(2)).await), Ok(Committed));
    assert_eq!(outcome(client.release(&key(3)).await), Ok(Released));
    assert_eq!(client.units(1).await, (0, 0));
    shop.assert_sound().await;
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let shop = Shop::open().await;
    let client = &shop.client;
    client.reserve(&key(1), &[(1, 2)]).await.unwrap();
    client.reserve(&key(2), &[(1, 3)]).await.unwrap();
    client.confirm(&key(2)).await.unwrap();
    client.release(&key(3)).await.unwrap();
    assert!(client.reserve(&key(4), &[(9, 1)]).await.is_err());
    let before = shop.service.store().snapshot().await.unwrap();

    let shop = shop.restart_after(Duration::ZERO).await;
    assert_eq!(shop.service.store().snapshot().await.unwrap(), before);
    let client = &shop.client;
    assert_eq!(outcome(client.reserve(&key(1), &[(1, 2)]).await), Ok(Held));
    assert_eq!(outcome(client.confirm(&key(2)).await), Ok(Committed));
    let released = Err((Code::Aborted, Some(Reason::ReservationReleased)));
    assert_eq!(outcome(client.reserve(&key(3), &[(1, 1)]).await), released);
    let short = Err((Code::FailedPrecondition, Some(Reason::InsufficientStock)));
    assert_eq!(outcome(client.reserve(&key(4), &[(9, 1)]).await), short);
}

#[tokio::test]
async fn holds_that_ended_while_nobody_was_there_go_back_at_the_start() {
    let shop = Shop::open().await;
    shop.client.reserve(&key(1), &[(1, 2)]).await.unwrap();
    shop.clock.advance(SECOND);
    shop.client.reserve(&key(2), &[(1, 1)]).await.unwrap();
    let shop = shop.restart_after(HOLD - SECOND).await;
    shop.wait_for_units(1, (49, 1)).await;
    shop.clock.advance(SECOND);
    shop.wait_for_units(1, (50, 0)).await;
    shop.assert_sound().await;
}
