//! Many callers at the same moment, through gRPC.

use proto::Reason;
use proto::inventory::ReservationStatus::{Committed, Held, Released};
use tokio::task::JoinSet;
use tonic::Code;

use crate::shop::{Client, Home, Shop, key, outcome};

/// Callers at once, each with its share of the calls: fewer than the calls that a server takes at once.
const CALLERS: u128 = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buyers_of_more_than_there_is() {
    let shop = Shop::open().await;
    buy_more_than_there_is([&shop, &shop]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buyers_of_more_than_there_is_at_two_instances() {
    let Some(home) = Home::database().await else { return };
    let one = Shop::on(home).await;
    let other = one.beside().await;
    buy_more_than_there_is([&one, &other]).await;
    other.close().await;
    one.close().await.end().await;
}

async fn buy_more_than_there_is(shops: [&Shop; 2]) {
    let shop = shops[0];
    shop.client.set_stock(1, 100).await.unwrap();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let client = shops[caller as usize % 2].client.insisting();
        callers.spawn(async move {
            let mut held = 0;
            for number in 0..20 {
                let id = key(caller * 20 + number);
                match outcome(client.reserve(&id, &[(1, 1)]).await) {
                    Ok(status) => {
                        assert_eq!(status, Held);
                        held += 1;
                    }
                    Err(refusal) => {
                        assert_eq!(refusal, (Code::FailedPrecondition, Some(Reason::InsufficientStock)));
                    }
                }
            }
            held
        });
    }
    assert_eq!(callers.join_all().await.into_iter().sum::<i64>(), 100);
    assert_eq!(shop.client.units(1).await, (0, 100));
    shop.assert_sound().await;
}

/// Each caller does, twice over and in disorder, what a saga that loses replies could do.
async fn buy_clumsily([here, there]: [Client; 2], number: u128) {
    let id = key(number);
    let (undo_first, sell) = (number.is_multiple_of(5), number.is_multiple_of(2));
    if undo_first {
        assert_eq!(outcome(here.release(&id).await), Ok(Released));
    }
    let lines = if sell { [(1, 1), (2, 2)] } else { [(2, 2), (1, 1)] };
    let (one, other) = tokio::join!(here.reserve(&id, &lines), there.reserve(&id, &lines));
    let reserved = outcome(one);
    assert_eq!(reserved, outcome(other), "a repeated call has the same answer");
    if undo_first {
        assert_eq!(reserved, Err((Code::Aborted, Some(Reason::ReservationReleased))));
        return;
    }
    assert_eq!(reserved, Ok(Held));
    if sell {
        let (one, other) = tokio::join!(here.confirm(&id), there.confirm(&id));
        assert_eq!((outcome(one), outcome(other)), (Ok(Committed), Ok(Committed)));
    } else {
        let (one, other) = tokio::join!(here.release(&id), there.release(&id));
        assert_eq!((outcome(one), outcome(other)), (Ok(Released), Ok(Released)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sagas_that_repeat_themselves() {
    let shop = Shop::open().await;
    sagas_repeat_themselves([&shop, &shop]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sagas_that_repeat_themselves_at_two_instances() {
    let Some(home) = Home::database().await else { return };
    let one = Shop::on(home).await;
    let other = one.beside().await;
    sagas_repeat_themselves([&one, &other]).await;
    other.close().await;
    one.close().await.end().await;
}

async fn sagas_repeat_themselves(shops: [&Shop; 2]) {
    let shop = shops[0];
    shop.client.set_stock(1, 1000).await.unwrap();
    shop.client.set_stock(2, 1000).await.unwrap();
    let mut callers = JoinSet::new();
    for number in 1..=200 {
        callers.spawn(buy_clumsily(shops.map(|shop| shop.client.insisting()), number));
    }
    callers.join_all().await;
    // Of 200, 100 are sold but for the 20 that were undone first.
    assert_eq!(shop.client.units(1).await, (1000 - 80, 0));
    assert_eq!(shop.client.units(2).await, (1000 - 160, 0));
    shop.assert_sound().await;
}
