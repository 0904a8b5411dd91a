//! What every store must do, whatever it stands on. Each case wants a store that was just made, in a runtime of
//! several threads.

pub(crate) mod model;
mod races;

use std::sync::Arc;
use std::time::Duration;

use types::{ProductId, Quantity, ReservationId, Timestamp};
use uuid::Uuid;

use super::{Held, Store};
use crate::ledger::Kind;
use crate::reservation::{Command, HOLD, Lines, Refusal, Reply, State};
use crate::stock::{OnHand, Stock};
pub(crate) use races::*;

pub(crate) type AnyStore = Arc<dyn Store>;

/// Each case as a test of its own. `$fixture::new()` makes a store, or nothing where its engine was not started;
/// `any` is that store, and `end` clears away.
macro_rules! conforms {
    ($fixture:ty) => {
        crate::store::conformance::conforms! { $fixture:
            begins_with_the_stock_of_the_first_catalogue
            buyers_in_parallel_get_exactly_what_there_is
            reservations_that_cross_all_end
            a_key_repeated_in_parallel_holds_once
            a_key_used_for_two_carts_in_parallel_holds_one
            release_meets_confirm
            what_is_restocked_in_parallel_is_back_once
            only_what_is_sold_is_restocked
            expiry_meets_confirm_and_release
            stock_set_in_a_rush_is_what_was_said
            a_tombstone_refuses_the_late_reserve
            a_rejection_stays_when_stock_comes_back
            an_expired_hold_is_confirmed_if_its_stock_is_still_there
            on_hand_is_never_less_than_what_is_held
            pages_of_the_ledger_do_not_overlap
        }
    };
    ($fixture:ty: $($case:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let Some(fixture) = <$fixture>::new().await else { return };
            crate::store::conformance::$case(fixture.any()).await;
            fixture.end().await;
        })*
    };
}
pub(crate) use conforms;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros(1_763_842_530_000_000)
}

pub(crate) fn id(number: u128) -> ReservationId {
    ReservationId(Uuid::from_u128(number))
}

pub(crate) fn product(number: i64) -> ProductId {
    ProductId::try_from(number).unwrap()
}

pub(crate) fn lines(lines: &[(i64, i64)]) -> Lines {
    let mut sum = Lines::default();
    for &(id, quantity) in lines {
        sum.add(product(id), Quantity::try_from(quantity).unwrap()).unwrap();
    }
    sum
}

fn reserve(lines_of: &[(i64, i64)]) -> Command {
    Command::Reserve(lines(lines_of))
}

async fn put(store: &AnyStore, number: i64, units: i64) {
    let on_hand = OnHand::try_from(units).unwrap();
    let stock = store.set_on_hand(product(number), on_hand, now()).await.unwrap().unwrap();
    assert_eq!(stock.on_hand(), units);
}

/// Available, held and sold.
async fn units(store: &AnyStore, number: i64) -> [i64; 3] {
    let Stock { available, held, sold, .. } = store.stock(product(number)).await.unwrap().unwrap();
    [available, held, sold]
}

async fn kinds(store: &AnyStore, number: i64) -> Vec<Kind> {
    let newest_first = store.movements(product(number), None, usize::MAX).await.unwrap();
    newest_first.into_iter().rev().map(|movement| movement.kind).collect()
}

async fn assert_sound(store: &AnyStore) {
    assert_eq!(store.snapshot().await.unwrap().violations(), []);
}

/// The status that the answer has, or the refusal.
fn status(reply: &Reply) -> Result<&'static str, Refusal> {
    match reply {
        Ok(reservation) => Ok(reservation.state.as_str()),
        Err(refusal) => Err(refusal.clone()),
    }
}

async fn answer(store: &AnyStore, number: u128, command: Command) -> Result<&'static str, Refusal> {
    status(&store.apply(id(number), command, now()).await.unwrap())
}

pub(crate) async fn begins_with_the_stock_of_the_first_catalogue(store: AnyStore) {
    let snapshot = store.snapshot().await.unwrap();
    let stock: Vec<(i64, i64)> =
        snapshot.stock.iter().map(|stock| (stock.product_id.get(), stock.available)).collect();
    assert_eq!(stock, [(1, 50), (2, 200), (3, 100), (4, 75), (5, 150)]);
    assert_eq!(snapshot.movements.len(), 5);
    assert_eq!(snapshot.violations(), []);
    store.ping().await.unwrap();
}

pub(crate) async fn a_tombstone_refuses_the_late_reserve(store: AnyStore) {
    put(&store, 100, 10).await;
    let tombstone = store.apply(id(1), Command::Release, now()).await.unwrap().unwrap();
    assert_eq!((tombstone.state, tombstone.lines.len()), (State::Released, 0));
    for _ in 0..2 {
        assert_eq!(answer(&store, 1, Command::Release).await, Ok("RELEASED"));
        assert_eq!(answer(&store, 1, reserve(&[(100, 1)])).await, Err(Refusal::Released));
        assert_eq!(answer(&store, 1, Command::Confirm).await, Err(Refusal::Released));
    }
    assert_eq!(units(&store, 100).await, [10, 0, 0]);
    assert_sound(&store).await;
}

pub(crate) async fn a_rejection_stays_when_stock_comes_back(store: AnyStore) {
    put(&store, 100, 1).await;
    put(&store, 101, 1).await;
    let greedy = || reserve(&[(100, 2), (101, 1), (999, 1)]);
    let short = Refusal::InsufficientStock(vec![product(100), product(999)]);
    assert_eq!(answer(&store, 1, greedy()).await, Err(short.clone()));
    put(&store, 100, 50).await;
    put(&store, 999, 50).await;
    assert_eq!(answer(&store, 1, greedy()).await, Err(short));
    assert_eq!(answer(&store, 1, reserve(&[(100, 1)])).await, Err(Refusal::KeyReused));
    assert_eq!(answer(&store, 1, Command::Release).await, Ok("REJECTED"));
    assert_eq!(answer(&store, 2, greedy()).await, Ok("HELD"));
    assert_sound(&store).await;
}

pub(crate) async fn an_expired_hold_is_confirmed_if_its_stock_is_still_there(store: AnyStore) {
    put(&store, 100, 5).await;
    assert_eq!(store.next_expiry().await.unwrap(), None);
    assert_eq!(answer(&store, 1, reserve(&[(100, 3)])).await, Ok("HELD"));
    let end = now().after(HOLD);
    assert_eq!(store.next_expiry().await.unwrap(), Some(end));
    assert_eq!(store.expire_due(end.before(Duration::from_micros(1)), 9).await.unwrap(), 0);
    assert_eq!(store.expire_due(end, 9).await.unwrap(), 1);
    assert_eq!(store.expire_due(end, 9).await.unwrap(), 0);
    assert_eq!(store.next_expiry().await.unwrap(), None);
    assert_eq!(units(&store, 100).await, [5, 0, 0]);

    assert_eq!(answer(&store, 2, reserve(&[(100, 3)])).await, Ok("HELD"));
    let short = Err(Refusal::InsufficientStock(vec![product(100)]));
    assert_eq!(answer(&store, 1, Command::Confirm).await, short);
    assert_eq!(answer(&store, 1, reserve(&[(100, 3)])).await, Ok("EXPIRED"));
    assert_eq!(answer(&store, 2, Command::Release).await, Ok("RELEASED"));
    assert_eq!(answer(&store, 1, Command::Confirm).await, Ok("COMMITTED"));
    assert_eq!(units(&store, 100).await, [2, 0, 3]);
    assert_eq!(store.expire_due(end.after(HOLD), 9).await.unwrap(), 0, "what is sold never expires");
    use Kind::{Adjust, Commit, Expire, Release, Reserve};
    assert_eq!(kinds(&store, 100).await, [Adjust, Reserve, Expire, Reserve, Release, Reserve, Commit]);
    assert_sound(&store).await;
}

pub(crate) async fn only_what_is_sold_is_restocked(store: AnyStore) {
    put(&store, 100, 5).await;
    assert_eq!(answer(&store, 1, Command::Restock).await, Err(Refusal::NotFound));
    assert_eq!(answer(&store, 1, reserve(&[(100, 3)])).await, Ok("HELD"));
    assert_eq!(answer(&store, 1, Command::Restock).await, Err(Refusal::NotCommitted));
    assert_eq!(answer(&store, 1, Command::Confirm).await, Ok("COMMITTED"));
    assert_eq!(units(&store, 100).await, [2, 0, 3]);
    for _ in 0..2 {
        assert_eq!(answer(&store, 1, Command::Restock).await, Ok("RESTOCKED"));
        assert_eq!(units(&store, 100).await, [5, 0, 0]);
        assert_eq!(answer(&store, 1, Command::Confirm).await, Err(Refusal::Released));
        assert_eq!(answer(&store, 1, reserve(&[(100, 3)])).await, Err(Refusal::Released));
        assert_eq!(answer(&store, 1, Command::Release).await, Ok("RESTOCKED"));
    }
    use Kind::{Adjust, Commit, Reserve, Restock};
    assert_eq!(kinds(&store, 100).await, [Adjust, Reserve, Commit, Restock]);
    assert_eq!(answer(&store, 2, Command::Release).await, Ok("RELEASED"));
    assert_eq!(answer(&store, 2, Command::Restock).await, Err(Refusal::NotCommitted), "a tombstone");
    assert_sound(&store).await;
}

pub(crate) async fn on_hand_is_never_less_than_what_is_held(store: AnyStore) {
    put(&store, 100, 5).await;
    assert_eq!(answer(&store, 1, reserve(&[(100, 3)])).await, Ok("HELD"));
    let two = OnHand::try_from(2).unwrap();
    let refusal = store.set_on_hand(product(100), two, now()).await.unwrap().unwrap_err();
    assert_eq!(refusal.held, 3);
    assert_eq!(store.held().await.unwrap(), Held { reservations: 1, units: 3 });
    put(&store, 100, 3).await;
    put(&store, 100, 3).await;
    assert_eq!(units(&store, 100).await, [0, 3, 0]);
    assert_eq!(kinds(&store, 100).await, [Kind::Adjust, Kind::Reserve, Kind::Adjust]);
    put(&store, 101, 0).await;
    assert_eq!(units(&store, 101).await, [0, 0, 0]);
    assert_eq!(kinds(&store, 101).await, []);
    assert_eq!(store.stock(product(999)).await.unwrap(), None);
    assert_sound(&store).await;
}

pub(crate) async fn pages_of_the_ledger_do_not_overlap(store: AnyStore) {
    for number in 1..=3 {
        assert_eq!(answer(&store, number, reserve(&[(1, 1)])).await, Ok("HELD"));
    }
    let all = store.movements(product(1), None, 9).await.unwrap();
    assert_eq!(all.len(), 4);
    assert!(all.is_sorted_by(|newer, older| newer.id > older.id));
    let first = store.movements(product(1), None, 3).await.unwrap();
    let second = store.movements(product(1), Some(first[2].id), 3).await.unwrap();
    assert_eq!([first, second].concat(), all);
}
