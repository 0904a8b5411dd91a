//! What every store of carts does, as cases that each adapter's tests run.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use types::Timestamp;

use super::{Error, Replaced, Store};
use crate::cart::{Cart, Version};
use crate::fixtures::{cart, now, taken, usd, user};

/// Runs all cases, each on a store of its own that `open` makes. What `open` returns beside the store is kept for
/// as long as the case runs, and then given to `discard`.
pub(crate) async fn all<Kept>(
    open: impl AsyncFn() -> (Arc<dyn Store>, Kept),
    discard: impl AsyncFn(Arc<dyn Store>, Kept),
) {
    alone(&open, &discard).await;
    at_once(&open, &discard).await;
}

/// The cases in which one call comes after the other.
pub(crate) async fn alone<Kept>(
    open: &impl AsyncFn() -> (Arc<dyn Store>, Kept),
    discard: &impl AsyncFn(Arc<dyn Store>, Kept),
) {
    run(open, discard, |store| a_cart_is_read_as_it_was_stored(store).boxed()).await;
    run(open, discard, |store| only_the_expected_version_is_replaced(store).boxed()).await;
    run(open, discard, |store| of_many_first_carts_at_once_one_wins(store).boxed()).await;
    run(open, discard, |store| a_sweep_takes_the_old_and_leaves_the_young(store).boxed()).await;
    run(open, discard, |store| a_snapshot_has_all_carts(store).boxed()).await;
    run(open, discard, |store| a_closed_store_is_unavailable(store).boxed()).await;
}

/// The cases that need a server on which finding and changing a document is one step.
pub(crate) async fn at_once<Kept>(
    open: &impl AsyncFn() -> (Arc<dyn Store>, Kept),
    discard: &impl AsyncFn(Arc<dyn Store>, Kept),
) {
    run(open, discard, |store| of_many_changes_at_once_one_wins(store).boxed()).await;
}

async fn run<Kept>(
    open: &impl AsyncFn() -> (Arc<dyn Store>, Kept),
    discard: &impl AsyncFn(Arc<dyn Store>, Kept),
    case: fn(Arc<dyn Store>) -> BoxFuture<'static, ()>,
) {
    let (store, kept) = open().await;
    case(store.clone()).await;
    discard(store, kept).await;
}

fn at(version: i64, cart: &Cart) -> Cart {
    Cart { version: Version(version), ..cart.clone() }
}

async fn a_cart_is_read_as_it_was_stored(store: Arc<dyn Store>) {
    store.ping().await.unwrap();
    assert_eq!(store.load(user(1)).await.unwrap(), None);
    let mut first = cart(1, &[(1, 1), (2, 99)]);
    first.lines[0].name = "Käse \"'; DROP TABLE carts; --".to_owned();
    first.lines[0].price = usd(i64::MAX);
    first.lines[0].added_at = Timestamp::from_micros(1_763_842_530_123_457);
    first.updated_at = Timestamp::from_micros(1_763_842_530_999_999);
    first.purchases.recent = vec![taken(7, Version(70)), taken(u128::MAX, Version(60))];
    assert_eq!(store.replace(None, &first).await.unwrap(), Replaced::Yes);
    assert_eq!(store.load(user(1)).await.unwrap(), Some(first.clone()));
    assert_eq!(store.load(user(2)).await.unwrap(), None);

    let euro = types::Money::new(5, "EUR".parse().unwrap());
    let mut second = Cart { lines: first.lines[1..].to_vec(), ..at(first.version.0 + 1, &first) };
    second.lines[0].price = euro;
    assert_eq!(store.replace(Some(first.version), &second).await.unwrap(), Replaced::Yes);
    assert_eq!(store.load(user(1)).await.unwrap(), Some(second));
}

async fn only_the_expected_version_is_replaced(store: Arc<dyn Store>) {
    let cart = at(10, &cart(1, &[(1, 1)]));
    let next = at(11, &cart);
    for expected in [Version(9), Version(10), Version(11)] {
        assert_eq!(store.replace(Some(expected), &next).await.unwrap(), Replaced::Conflict);
    }
    assert_eq!(store.load(user(1)).await.unwrap(), None);
    assert_eq!(store.replace(None, &cart).await.unwrap(), Replaced::Yes);
    for expected in [None, Some(Version(9)), Some(Version(11))] {
        assert_eq!(store.replace(expected, &next).await.unwrap(), Replaced::Conflict, "{expected:?}");
    }
    assert_eq!(store.load(user(1)).await.unwrap(), Some(cart));
    assert_eq!(store.replace(Some(Version(10)), &next).await.unwrap(), Replaced::Yes);
    assert_eq!(store.load(user(1)).await.unwrap(), Some(next));
}

async fn of_many_first_carts_at_once_one_wins(store: Arc<dyn Store>) {
    race(&store, None, 5).await;
}

async fn of_many_changes_at_once_one_wins(store: Arc<dyn Store>) {
    race(&store, None, 5).await;
    for version in 6..10 {
        race(&store, Some(Version(version - 1)), version).await;
    }
}

async fn race(store: &Arc<dyn Store>, expected: Option<Version>, version: i64) {
    let carts: Vec<Cart> = (1..=32).map(|id| at(version, &cart(1, &[(id, 1)]))).collect();
    let outcomes = join_all(carts.iter().map(|cart| store.replace(expected, cart))).await;
    let won: Vec<&Cart> = carts
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| matches!(outcome, Ok(Replaced::Yes)))
        .map(|(cart, _)| cart)
        .collect();
    assert_eq!((won.len(), outcomes.iter().filter(|outcome| outcome.is_err()).count()), (1, 0));
    assert_eq!(store.load(user(1)).await.unwrap().as_ref(), won.first().copied());
}

async fn a_sweep_takes_the_old_and_leaves_the_young(store: Arc<dyn Store>) {
    let limit = now();
    let step = Duration::from_micros(1);
    for (owner, updated_at) in
        [(1, limit.before(step)), (2, limit), (3, limit.after(step)), (4, limit.before(step))]
    {
        let cart = Cart { updated_at, ..cart(owner, &[(1, 1)]) };
        store.replace(None, &cart).await.unwrap();
    }
    assert_eq!(store.sweep(limit, 2).await.unwrap(), 2);
    assert_eq!(store.sweep(limit, 2).await.unwrap(), 1);
    assert_eq!(store.sweep(limit, 2).await.unwrap(), 0);
    let left: Vec<i64> = store.snapshot().await.unwrap().iter().map(|cart| cart.user.get()).collect();
    assert_eq!(left, [3]);
    // Who had read a cart that was swept since begins anew.
    let swept = cart(2, &[(1, 2)]);
    assert_eq!(store.replace(Some(swept.version), &swept).await.unwrap(), Replaced::Conflict);
    assert_eq!(store.replace(None, &swept).await.unwrap(), Replaced::Yes);
}

async fn a_snapshot_has_all_carts(store: Arc<dyn Store>) {
    assert_eq!(store.snapshot().await.unwrap(), []);
    let carts: Vec<Cart> = (1..=20).map(|owner| cart(owner, &[(owner, owner)])).collect();
    for cart in carts.iter().rev() {
        store.replace(None, cart).await.unwrap();
    }
    assert_eq!(store.snapshot().await.unwrap(), carts);
}

async fn a_closed_store_is_unavailable(store: Arc<dyn Store>) {
    store.close().await;
    store.close().await;
    assert!(matches!(store.ping().await, Err(Error::Unavailable(_))));
    assert!(matches!(store.load(user(1)).await, Err(Error::Unavailable(_))));
    assert!(matches!(store.replace(None, &cart(1, &[(1, 1)])).await, Err(Error::Unavailable(_))));
}
