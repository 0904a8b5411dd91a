//! A store that other instances change as well.

use testkit::{ManualClock, world};
use tokio::task::JoinSet;

use super::*;

/// A shelf on a shared store, the inner store in place of another instance, and what moves the clock of the worker
/// that follows it.
async fn followed() -> (Shelf, Arc<Moody>, Following) {
    let store = Moody::new(true).await;
    let shelf = Shelf::open(store.clone()).await.unwrap();
    let following = Following::of(&shelf);
    (shelf, store, following)
}

struct Following {
    clock: ManualClock,
    _worker: JoinSet<anyhow::Result<()>>,
}

impl Following {
    fn of(shelf: &Shelf) -> Self {
        let (world, clock) = world();
        let shelf = shelf.clone();
        let mut worker = JoinSet::new();
        worker.spawn(async move { shelf.follow(world.clock, CancellationToken::new()).await });
        Self { clock, _worker: worker }
    }

    /// Waits for what a look at the store shows.
    async fn shows(&self, what: &str, look: impl Fn() -> bool) {
        eventually(what, SOON, async || {
            self.clock.advance(LOOK_EVERY);
            look()
        })
        .await;
    }
}

#[tokio::test]
async fn what_others_change_is_seen() {
    let (shelf, store, following) = followed().await;
    let now = Timestamp::from_micros(NOW);
    store.store.add(&tablet(), now).await.unwrap();
    following.shows("the other's product", || shows(&shelf, 6)).await;
    store.store.remove(id(1), None).await.unwrap();
    store.store.replace(id(2), &tablet(), None, now).await.unwrap();
    let seen = || !shows(&shelf, 1) && shelf.catalogue().unwrap().product(id(2)).unwrap().version == 2;
    following.shows("the other's changes", seen).await;
    assert_eq!(add(&shelf).await.unwrap().id, id(7));
    assert!(shows(&shelf, 6) && shows(&shelf, 7));
}

#[tokio::test]
async fn nobody_looks_for_changes_in_a_store_of_ones_own() {
    let (shelf, store) = shelf().await;
    let (world, _) = world();
    shelf.follow(world.clock, CancellationToken::new()).await.unwrap();
    store.store.add(&tablet(), Timestamp::from_micros(NOW)).await.unwrap();
    assert!(!shows(&shelf, 6));
}

#[tokio::test]
async fn a_refusal_for_what_another_did_brings_the_catalogue_into_step() {
    let store = Moody::new(true).await;
    let shelf = Shelf::open(store.clone()).await.unwrap();
    let now = Timestamp::from_micros(NOW);
    store.store.replace(id(1), &tablet(), None, now).await.unwrap();
    let stale = shelf.replace(id(1), tablet(), Some(1), now).await.unwrap_err();
    assert!(matches!(stale, Error::Stale { current: 2, .. }));
    assert_eq!(shelf.catalogue().unwrap().product(id(1)).unwrap().version, 2);
    store.store.remove(id(2), None).await.unwrap();
    assert!(matches!(shelf.remove(id(2), None).await, Err(Error::Absent(_))));
    assert!(!shows(&shelf, 2) && shelf.is_healthy().await);
}

#[tokio::test]
async fn reads_go_on_while_a_shared_store_is_away() {
    let (shelf, store, following) = followed().await;
    store.becomes(Mood::Lost);
    store.store.remove(id(1), None).await.unwrap();
    following.shows("a look that fails", || following.clock.sleepers() == 1).await;
    assert!(shows(&shelf, 1));
    store.becomes(Mood::Good);
    following.shows("the change", || !shows(&shelf, 1)).await;
}

#[tokio::test]
async fn a_shelf_starts_without_its_shared_store_and_fills_itself() {
    let store = Moody::new(true).await;
    store.becomes(Mood::Lost);
    let shelf = Shelf::open(store.clone()).await.unwrap();
    assert!(matches!(shelf.catalogue(), Err(Error::Unread)));
    assert!(!shelf.is_healthy().await);
    assert!(matches!(add(&shelf).await, Err(Error::Store(sql::Error::Unavailable(_)))));
    let following = Following::of(&shelf);
    store.becomes(Mood::Good);
    following.shows("the first catalogue", || shelf.catalogue().is_ok()).await;
    assert!(shows(&shelf, 1) && shelf.is_healthy().await);
}

#[tokio::test]
async fn a_store_of_ones_own_that_can_not_be_read_is_told_at_once() {
    let store = Moody::new(false).await;
    store.becomes(Mood::Lost);
    assert!(matches!(Shelf::open(store).await.err(), Some(sql::Error::Unavailable(_))));
}

#[tokio::test]
async fn who_knows_of_anothers_change_is_shown_it_or_nothing() {
    let store = Moody::new(true).await;
    let shelf = Shelf::open(store.clone()).await.unwrap();
    let (_, made) = store.store.add(&tablet(), Timestamp::from_micros(NOW)).await.unwrap();
    store.becomes(Mood::Lost);
    assert!(matches!(shelf.catalogue_since(made).await, Err(Error::Store(_))), "rather than an old one");
    assert!(shelf.catalogue().unwrap().product(id(6)).is_none(), "which others may still see");
    store.becomes(Mood::Good);
    assert!(shelf.catalogue_since(made).await.unwrap().product(id(6)).is_some());
    store.becomes(Mood::Lost);
    assert!(shelf.catalogue_since(made).await.is_ok(), "read once");
}

#[tokio::test]
async fn a_change_of_ones_own_need_not_be_read() {
    let store = Moody::new(true).await;
    let shelf = Shelf::open(store.clone()).await.unwrap();
    let (_, made) = shelf.add(tablet(), Timestamp::from_micros(NOW)).await.unwrap();
    store.becomes(Mood::Lost);
    assert!(shelf.catalogue_since(made).await.unwrap().product(id(6)).is_some());
    // But with another's before it, it is not all there is.
    store.becomes(Mood::Good);
    store.store.remove(id(1), None).await.unwrap();
    let made = shelf.remove(id(2), None).await.unwrap();
    assert!(shows(&shelf, 1));
    let seen = shelf.catalogue_since(made).await.unwrap();
    assert_eq!((seen.product(id(1)), seen.product(id(2))), (None, None));
}
