//! What every store must do, whatever it stands on. Each case wants a store that was just made, in a runtime of
//! several threads.

pub(crate) mod model;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use types::{ProductId, Quantity, ReservationId, Timestamp};
use uuid::Uuid;

use super::Store;
use crate::ledger::Kind;
use crate::reservation::{Command, HOLD, Lines, Refusal, Reply, State};
use crate::stock::{OnHand, Stock};

pub(crate) type AnyStore = Arc<dyn Store>;

/// Longer than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// Callers at once: several times as many as a store serves at once, and few enough that each has its turn in time.
const CALLERS: usize = 64;

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

/// As callers do, it is asked again of a store that has no room at the moment. Any other trouble, as a deadlock
/// would be, must not come of what is asked here.
async fn answer(store: &AnyStore, number: u128, command: Command) -> Result<&'static str, Refusal> {
    let end = Instant::now() + SOON;
    loop {
        match store.apply(id(number), command.clone(), now()).await {
            Err(sql::Error::Unavailable(cause)) if is_crowded(&cause) => {
                assert!(Instant::now() < end, "no room")
            }
            answer => return status(&answer.unwrap()),
        }
    }
}

fn is_crowded(cause: &sql::Cause) -> bool {
    matches!(cause.downcast_ref(), Some(sqlx::Error::PoolTimedOut))
}

/// All commands at once, each from a task of its own; the answers in the order of the commands.
async fn at_once(store: &AnyStore, commands: Vec<(u128, Command)>) -> Vec<Result<&'static str, Refusal>> {
    let callers = Arc::new(Semaphore::new(CALLERS));
    let mut tasks = JoinSet::new();
    for (index, (number, command)) in commands.into_iter().enumerate() {
        let (store, callers) = (store.clone(), callers.clone());
        tasks.spawn(async move {
            let _caller = callers.acquire().await.unwrap();
            (index, answer(&store, number, command).await)
        });
    }
    let mut answers = tasks.join_all().await;
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
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

pub(crate) async fn buyers_in_parallel_get_exactly_what_there_is(store: AnyStore) {
    put(&store, 100, 100).await;
    let buyers = (1..=1280).map(|number| (number, reserve(&[(100, 1)]))).collect();
    let answers = at_once(&store, buyers).await;
    let held = answers.iter().filter(|answer| **answer == Ok("HELD")).count();
    let short = Err(Refusal::InsufficientStock(vec![product(100)]));
    let refused = answers.iter().filter(|answer| **answer == short).count();
    assert_eq!((held, refused), (100, 1180));
    assert_eq!(units(&store, 100).await, [0, 100, 0]);
    assert_sound(&store).await;
}

pub(crate) async fn reservations_that_cross_all_end(store: AnyStore) {
    put(&store, 100, 150).await;
    put(&store, 101, 100).await;
    let crossing = |number: u128| {
        let order = if number.is_multiple_of(2) { [(100, 1), (101, 1)] } else { [(101, 1), (100, 1)] };
        (number, reserve(&order))
    };
    let answers = at_once(&store, (1..=200).map(crossing).collect()).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 100);
    assert_eq!(units(&store, 100).await, [50, 100, 0], "nothing is held of what could not be held whole");
    assert_eq!(units(&store, 101).await, [0, 100, 0]);
    assert_sound(&store).await;
}

pub(crate) async fn a_key_repeated_in_parallel_holds_once(store: AnyStore) {
    put(&store, 100, 100).await;
    let answers = at_once(&store, vec![(1, reserve(&[(100, 3)])); 64]).await;
    assert_eq!(answers, vec![Ok("HELD"); 64]);
    let answers = at_once(&store, vec![(1, Command::Confirm); 64]).await;
    assert_eq!(answers, vec![Ok("COMMITTED"); 64]);
    assert_eq!(kinds(&store, 100).await, [Kind::Adjust, Kind::Reserve, Kind::Commit]);
    assert_eq!(units(&store, 100).await, [97, 0, 3]);
}

pub(crate) async fn a_key_used_for_two_carts_in_parallel_holds_one(store: AnyStore) {
    put(&store, 100, 100).await;
    put(&store, 101, 100).await;
    for number in 1..=50 {
        let carts = vec![(number, reserve(&[(100, 1)])), (number, reserve(&[(101, 1)]))];
        let mut answers = at_once(&store, carts).await;
        answers.sort_by_key(Result::is_err);
        assert_eq!(answers, [Ok("HELD"), Err(Refusal::KeyReused)]);
    }
    assert_eq!(units(&store, 100).await[1] + units(&store, 101).await[1], 50);
    assert_sound(&store).await;
}

/// Of a confirmation and a release at the same moment one comes first; whichever, the stock is back in the end.
pub(crate) async fn release_meets_confirm(store: AnyStore) {
    const PAIRS: u128 = 100;
    put(&store, 100, 1000).await;
    for number in 1..=PAIRS {
        assert_eq!(answer(&store, number, reserve(&[(100, 2)])).await, Ok("HELD"));
    }
    let pair = |number| [(number, Command::Confirm), (number, Command::Release)];
    let answers = at_once(&store, (1..=PAIRS).flat_map(pair).collect()).await;
    let mut confirmed = 0;
    for pair in answers.chunks(2) {
        match &pair[0] {
            Ok("COMMITTED") => confirmed += 1,
            refused => assert_eq!(*refused, Err(Refusal::Released)),
        }
        assert_eq!(pair[1], Ok("RELEASED"));
    }
    let kinds = kinds(&store, 100).await;
    let count = |kind| kinds.iter().filter(|other| **other == kind).count();
    let explained = (count(Kind::Commit), count(Kind::Restock), count(Kind::Release));
    assert_eq!(explained, (confirmed, confirmed, PAIRS as usize - confirmed));
    assert_eq!(units(&store, 100).await, [1000, 0, 0]);
    assert_sound(&store).await;
}

/// The sweeper in the midst of confirmations and releases of holds that are overdue.
pub(crate) async fn expiry_meets_confirm_and_release(store: AnyStore) {
    const EACH: u128 = 60;
    put(&store, 100, 1000).await;
    for number in 1..=2 * EACH {
        assert_eq!(answer(&store, number, reserve(&[(100, 1)])).await, Ok("HELD"));
    }
    let commands = (1..=2 * EACH)
        .map(|number| (number, if number <= EACH { Command::Confirm } else { Command::Release }))
        .collect();
    let sweeper = store.clone();
    let sweep = async move {
        for _ in 0..EACH {
            sweeper.expire_due(now().after(HOLD), 2).await.unwrap();
        }
    };
    let (answers, ()) = tokio::join!(at_once(&store, commands), sweep);
    let (confirmed, released) = answers.split_at(EACH as usize);
    assert!(confirmed.iter().all(|answer| *answer == Ok("COMMITTED")), "stock was there for all");
    assert!(released.iter().all(|answer| *answer == Ok("RELEASED")));
    assert_eq!(units(&store, 100).await, [1000 - EACH as i64, 0, EACH as i64]);
    assert_sound(&store).await;
}

/// An administrator counts while customers buy: each count is true at some moment, whatever is bought meanwhile.
pub(crate) async fn stock_set_in_a_rush_is_what_was_said(store: AnyStore) {
    put(&store, 100, 1000).await;
    let buyers = (1..=200).map(|number| (number, reserve(&[(100, 1)]))).collect();
    let counting = async {
        for units in 1000..1020 {
            put(&store, 100, units).await;
        }
    };
    let (answers, ()) = tokio::join!(at_once(&store, buyers), counting);
    assert_eq!(answers, vec![Ok("HELD"); 200]);
    assert_eq!(units(&store, 100).await, [1019 - 200, 200, 0]);
    assert_sound(&store).await;
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

pub(crate) async fn on_hand_is_never_less_than_what_is_held(store: AnyStore) {
    put(&store, 100, 5).await;
    assert_eq!(answer(&store, 1, reserve(&[(100, 3)])).await, Ok("HELD"));
    let two = OnHand::try_from(2).unwrap();
    let refusal = store.set_on_hand(product(100), two, now()).await.unwrap().unwrap_err();
    assert_eq!(refusal.held, 3);
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
