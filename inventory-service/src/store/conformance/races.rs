//! Many callers at the same moment.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{AnyStore, answer, assert_sound, kinds, now, product, put, reserve, units};
use crate::ledger::Kind;
use crate::reservation::{Command, HOLD, Refusal};

/// Callers at once: more than a store serves at once.
const CALLERS: usize = 32;

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

/// However often what was sold is given back at the same moment, it is back once.
pub(crate) async fn what_is_restocked_in_parallel_is_back_once(store: AnyStore) {
    const SALES: u128 = 40;
    put(&store, 100, 1000).await;
    for number in 1..=SALES {
        assert_eq!(answer(&store, number, reserve(&[(100, 2), (1, 1)])).await, Ok("HELD"));
        assert_eq!(answer(&store, number, Command::Confirm).await, Ok("COMMITTED"));
    }
    let restocks = (1..=SALES).flat_map(|number| [(number, Command::Restock), (number, Command::Restock)]);
    let answers = at_once(&store, restocks.collect()).await;
    assert!(answers.iter().all(|answer| *answer == Ok("RESTOCKED")), "{answers:?}");
    assert_eq!(units(&store, 100).await, [1000, 0, 0]);
    let restocked = kinds(&store, 100).await.into_iter().filter(|kind| *kind == Kind::Restock).count();
    assert_eq!(restocked, SALES as usize);
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
