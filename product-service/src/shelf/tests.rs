mod shared;

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use futures::poll;
use platform::metrics::Metrics;
use testkit::{TempDir, eventually};
use tokio::sync::Notify;
use types::{Currency, Money};

use super::*;
use crate::product::DetailsParts;
use crate::store::{Listing, Sqlite};

const SOON: Duration = Duration::from_secs(10);
const NOW: i64 = 1_800_000_000_000_000;

/// How a store treats the next change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Good,
    /// Waits for [`Moody::go_on`] before it answers, having made the change.
    Slow,
    /// Does nothing.
    Unavailable,
    /// Makes the change and does not know it.
    Unknown,
    /// As `Unknown`, and can't be read either.
    Lost,
}

struct Moody {
    store: Sqlite,
    /// Whether there are other instances: tests change the inner store in their place.
    shared: bool,
    mood: Mutex<Mood>,
    made: Notify,
    go_on: Notify,
    _directory: TempDir,
}

impl Moody {
    async fn new(shared: bool) -> Arc<Self> {
        let directory = TempDir::new().unwrap();
        let store = Sqlite::open(&directory.path().join("product.db"), &Metrics::default()).await.unwrap();
        let (made, go_on) = (Notify::new(), Notify::new());
        Arc::new(Self { store, shared, mood: Mutex::new(Mood::Good), made, go_on, _directory: directory })
    }

    fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }

    async fn after<T>(&self, change: impl Future<Output = Result<T, sql::Error>>) -> Result<T, sql::Error> {
        match self.mood() {
            Mood::Good => change.await,
            Mood::Slow => {
                let made = change.await;
                self.made.notify_one();
                self.go_on.notified().await;
                made
            }
            Mood::Unavailable => Err(sql::Error::unavailable("full")),
            Mood::Unknown | Mood::Lost => {
                change.await?;
                Err(sql::Error::unknown("cut"))
            }
        }
    }
}

#[async_trait]
impl Store for Moody {
    async fn all(&self) -> Result<Listing, sql::Error> {
        if self.mood() == Mood::Lost {
            return Err(sql::Error::unavailable("lost"));
        }
        self.store.all().await
    }
    fn is_shared(&self) -> bool {
        self.shared
    }
    async fn revision(&self) -> Result<Revision, sql::Error> {
        if self.mood() == Mood::Lost {
            return Err(sql::Error::unavailable("lost"));
        }
        self.store.revision().await
    }
    async fn add(&self, details: &Details, now: Timestamp) -> Result<(Product, Revision), sql::Error> {
        self.after(self.store.add(details, now)).await
    }
    async fn replace(
        &self,
        id: ProductId,
        details: &Details,
        expected: Option<i64>,
        now: Timestamp,
    ) -> Result<Changed<Product>, sql::Error> {
        self.after(self.store.replace(id, details, expected, now)).await
    }
    async fn remove(&self, id: ProductId, expected: Option<i64>) -> Result<Changed<()>, sql::Error> {
        self.after(self.store.remove(id, expected)).await
    }
    async fn ping(&self) -> Result<(), sql::Error> {
        self.store.ping().await
    }
    async fn close(&self) {
        self.store.close().await;
    }
}

async fn shelf() -> (Shelf, Arc<Moody>) {
    let store = Moody::new(false).await;
    (Shelf::open(store.clone()).await.unwrap(), store)
}

fn tablet() -> Details {
    Details::try_from(DetailsParts {
        name: "Tablet".into(),
        description: String::new(),
        category: "Computers".into(),
        price: Money::new(1, Currency::USD),
        image_url: String::new(),
    })
    .unwrap()
}

async fn add(shelf: &Shelf) -> Result<Product, Error> {
    shelf.add(tablet(), Timestamp::from_micros(NOW)).await.map(|(product, _)| product)
}

fn id(id: i64) -> ProductId {
    id.try_into().unwrap()
}

fn shows(shelf: &Shelf, number: i64) -> bool {
    shelf.catalogue().unwrap().product(id(number)).is_some()
}

#[tokio::test]
async fn a_change_is_seen_once_it_is_answered() {
    let (shelf, _) = shelf().await;
    let before = shelf.catalogue().unwrap();
    let added = add(&shelf).await.unwrap();
    assert_eq!(shelf.catalogue().unwrap().product(added.id), Some(&added));
    let (replaced, _) = shelf.replace(id(1), tablet(), Some(1), Timestamp::from_micros(NOW)).await.unwrap();
    assert_eq!(shelf.catalogue().unwrap().product(id(1)), Some(&replaced));
    shelf.remove(added.id, None).await.unwrap();
    assert!(!shows(&shelf, 6));
    assert_eq!(before.product(id(1)).unwrap().version, 1, "who reads goes on with what it has");
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_seen() {
    let (shelf, store) = shelf().await;
    let changes = (0..20).map(|_| add(&shelf));
    let added = futures::future::join_all(changes).await;
    assert!(added.iter().all(Result::is_ok));
    let kept: Catalogue = store.all().await.unwrap().products.into_iter().collect();
    assert!(
        (6..=25).all(|number| kept.product(id(number)) == shelf.catalogue().unwrap().product(id(number)))
    );
    assert!(shows(&shelf, 25));
}

#[tokio::test]
async fn a_change_is_seen_even_if_its_caller_goes_away() {
    let (shelf, store) = shelf().await;
    store.becomes(Mood::Slow);
    let mut caller = Box::pin(add(&shelf));
    assert!(poll!(&mut caller).is_pending());
    store.made.notified().await;
    drop(caller);
    assert!(!shows(&shelf, 6));
    store.go_on.notify_one();
    eventually("the product is on the shelf", SOON, async || shows(&shelf, 6)).await;
}

#[tokio::test]
async fn who_gives_up_waiting_for_its_turn_has_changed_nothing() {
    let (shelf, store) = shelf().await;
    store.becomes(Mood::Slow);
    let (mut first, mut second) = (Box::pin(add(&shelf)), Box::pin(add(&shelf)));
    assert!(poll!(&mut first).is_pending());
    store.made.notified().await;
    assert!(poll!(&mut second).is_pending());
    drop(second);
    store.go_on.notify_one();
    first.await.unwrap();
    store.becomes(Mood::Good);
    assert_eq!(add(&shelf).await.unwrap().id, id(7), "the next one's turn has come");
    assert_eq!(store.all().await.unwrap().products.len(), 7);
}

#[tokio::test]
async fn closing_waits_for_the_change_under_way() {
    let (shelf, store) = shelf().await;
    store.becomes(Mood::Slow);
    let mut caller = Box::pin(add(&shelf));
    assert!(poll!(&mut caller).is_pending());
    store.made.notified().await;
    let mut close = Box::pin(shelf.close());
    assert!(poll!(&mut close).is_pending());
    store.go_on.notify_one();
    close.await;
    assert_eq!(caller.await.unwrap().id, id(6));
    store.becomes(Mood::Good);
    assert!(matches!(add(&shelf).await, Err(Error::Store(sql::Error::Unavailable(_)))));
    assert!(shows(&shelf, 6) && !shelf.is_healthy().await);
}

#[tokio::test]
async fn a_change_that_was_not_made_is_not_seen() {
    let (shelf, store) = shelf().await;
    store.becomes(Mood::Unavailable);
    assert!(matches!(add(&shelf).await, Err(Error::Store(sql::Error::Unavailable(_)))));
    assert!(!shows(&shelf, 6));
    store.becomes(Mood::Good);
    assert_eq!(add(&shelf).await.unwrap().id, id(6));
}

#[tokio::test]
async fn a_change_of_unknown_outcome_is_looked_up() {
    let (shelf, store) = shelf().await;
    store.becomes(Mood::Unknown);
    assert!(matches!(add(&shelf).await, Err(Error::Store(sql::Error::Unknown(_)))));
    assert!(shows(&shelf, 6));
    assert!(shelf.is_healthy().await);
}

#[tokio::test]
async fn a_shelf_that_lost_touch_says_so_and_catches_up() {
    let (shelf, store) = shelf().await;
    store.becomes(Mood::Lost);
    assert!(matches!(add(&shelf).await, Err(Error::Store(sql::Error::Unknown(_)))));
    assert!(!shows(&shelf, 6) && !shelf.is_healthy().await);
    assert!(shelf.remove(id(1), None).await.is_err(), "no change over a catalogue that may be old");
    store.becomes(Mood::Good);
    assert!(shelf.is_healthy().await);
    assert!(shows(&shelf, 6) && shows(&shelf, 1));
}

#[tokio::test]
async fn who_waits_for_a_turn_does_not_wait_for_ever() {
    let (shelf, _) = shelf().await;
    tokio::time::pause();
    let _turn = shelf.turn.clone().acquire_owned().await.unwrap();
    let waited = tokio::time::Instant::now();
    assert!(matches!(add(&shelf).await, Err(Error::Store(sql::Error::Unavailable(_)))));
    assert_eq!(waited.elapsed().as_secs(), TURN_WITHIN.as_secs());
}
