//! Each store does what every store must, and what it must by itself.

use std::sync::Arc;
use std::time::Duration;

use checkout_service::saga::state::Outcome;
use checkout_service::store::{Held, Lease, Postgres, Sqlite, Store, conformance};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::World;
use platform::clock::Clock as _;
use sql::postgres::Scratch;
use sqlx::Connection as _;
use testkit::{Engine, ManualClock, TempDir};
use types::Timestamp;
use uuid::Uuid;

/// A fresh store on a file, with a clock that is moved by hand.
struct OnFile {
    dir: TempDir,
    store: Arc<dyn Store>,
    clock: ManualClock,
}

/// A fresh store on a server, opened by two instances; its clock is that of the server.
struct OnServer {
    scratch: Scratch,
    stores: [Arc<dyn Store>; 2],
}

impl OnFile {
    async fn new() -> Option<Self> {
        let (dir, (world, clock)) = (TempDir::new().unwrap(), testkit::world());
        let store = Sqlite::open(&dir.path().join("checkout.db"), &world).await.unwrap();
        Some(Self { dir, store: Arc::new(store), clock })
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn stores(&self) -> [Arc<dyn Store>; 2] {
        [self.store(), self.store()]
    }

    fn advance(&self, duration: Duration) -> BoxFuture<'_, ()> {
        self.clock.advance(duration);
        std::future::ready(()).boxed()
    }

    /// Changes what another version of the program, or a damage, would have left.
    async fn tamper(&self, statement: &'static str) {
        let file = format!("sqlite://{}", self.dir.path().join("checkout.db").display());
        let mut connection = sqlx::SqliteConnection::connect(&file).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn done(self) {}
}

impl OnServer {
    async fn new() -> Option<Self> {
        let scratch = Scratch::new(&Engine::Postgres.url()?).await.unwrap();
        let world = World::real();
        let open = async || Arc::new(Postgres::open(scratch.server(), &world).await.unwrap());
        // At once, as instances that start together do.
        let (one, other) = tokio::join!(open(), open());
        Some(Self { stores: [one, other], scratch })
    }

    /// In whole milliseconds, as the times of a timeline are written.
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(World::real().clock.now().micros() / 1000 * 1000)
    }

    fn store(&self) -> Arc<dyn Store> {
        self.stores[0].clone()
    }

    fn stores(&self) -> [Arc<dyn Store>; 2] {
        self.stores.clone()
    }

    /// Nobody moves the clock of a server; what it is compared with is moved instead.
    fn advance(&self, duration: Duration) -> BoxFuture<'_, ()> {
        async move {
            let mut connection = self.scratch.connect("checkout").await.unwrap();
            sqlx::query(
                "UPDATE checkouts SET due_at = due_at - $1 * interval '1 microsecond',
                                      lease_until = lease_until - $1 * interval '1 microsecond'",
            )
            .bind(i64::try_from(duration.as_micros()).unwrap())
            .execute(&mut connection)
            .await
            .unwrap();
            connection.close().await.unwrap();
        }
        .boxed()
    }

    async fn tamper(&self, statement: &'static str) {
        let mut connection = self.scratch.connect("checkout").await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn done(self) {
        for store in &self.stores {
            store.close().await;
        }
        self.scratch.drop().await.unwrap();
    }
}

/// The cases, for each adapter on a store of its own.
macro_rules! conforms {
    ($module:ident, $place:ident) => {
        mod $module {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn keys_and_carts_are_taken_once() {
                let Some(place) = $place::new().await else { return };
                conformance::keys_and_carts_are_taken_once(place.store(), place.now()).await;
                place.done().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_failed_purchase_may_be_repeated() {
                let Some(place) = $place::new().await else { return };
                conformance::a_failed_purchase_may_be_repeated(place.store(), place.now()).await;
                place.done().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn writes_are_fenced() {
                let Some(place) = $place::new().await else { return };
                conformance::writes_are_fenced(place.store(), place.now(), &|by| place.advance(by)).await;
                place.done().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn what_is_due_is_claimed() {
                let Some(place) = $place::new().await else { return };
                conformance::what_is_due_is_claimed(place.store(), place.now(), &|by| place.advance(by))
                    .await;
                place.done().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn the_backlog_is_counted() {
                let Some(place) = $place::new().await else { return };
                conformance::the_backlog_is_counted(place.store(), place.now()).await;
                place.done().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn an_end_has_one_event() {
                let Some(place) = $place::new().await else { return };
                conformance::an_end_has_one_event(place.store(), place.now()).await;
                place.done().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_race_for_one_cart_has_one_winner() {
                let Some(place) = $place::new().await else { return };
                conformance::a_race_for_one_cart_has_one_winner(place.stores(), place.now()).await;
                place.done().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_race_for_what_is_due_gives_each_checkout_to_one() {
                let Some(place) = $place::new().await else { return };
                conformance::a_race_for_what_is_due_gives_each_checkout_to_one(place.stores(), place.now())
                    .await;
                place.done().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_checkout_that_can_not_be_read_holds_up_no_other() {
                let Some(place) = $place::new().await else { return };
                conformance::accepted(place.store().as_ref(), &[1, 2], place.now()).await;
                place.store().give_back(conformance::ME).await.unwrap();
                place.tamper("UPDATE checkouts SET items = '\"Ada\"' WHERE user_id = 1").await;
                assert_eq!(claimed(place.store().as_ref()).await, [(2, 2)]);
                let due = place.store().next_due().await.unwrap();
                assert!(due > Some(place.now()), "nobody waits for it in a loop");
                place.done().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_state_of_a_later_version_is_left_alone() {
                let Some(place) = $place::new().await else { return };
                conformance::accepted(place.store().as_ref(), &[1], place.now()).await;
                place.store().give_back(conformance::ME).await.unwrap();
                place.tamper("UPDATE checkouts SET state = 'TELEPORTING'").await;
                assert_eq!(claimed(place.store().as_ref()).await, []);
                let due = place.store().next_due().await.unwrap();
                assert_eq!(due, None, "what is not claimed is not due");
                place.done().await;
            }
        }
    };
}

conforms!(sqlite, OnFile);
conforms!(postgres, OnServer);

async fn claimed(store: &dyn Store) -> Vec<(u128, i64)> {
    let claimed = store.claim(Uuid::nil(), 10).await.unwrap();
    claimed.iter().map(|c| (c.checkout.id.0.as_u128(), c.checkout.fence)).collect()
}

#[tokio::test]
async fn a_clock_that_was_set_back_delays_nothing() {
    let OnFile { dir: _dir, store, clock } = OnFile::new().await.unwrap();
    let accepted = conformance::accepted(store.as_ref(), &[1, 2], clock.now()).await;
    let repeated = &accepted[1];
    let repeat = repeated.after(Outcome::Unknown, clock.now(), Duration::from_secs(10));
    let saved = store.save(repeated, &repeat, None, Lease::Return).await;
    assert_eq!(saved.unwrap(), Held::Yes);
    assert_eq!(claimed(store.as_ref()).await, []);
    clock.set_back(Duration::from_secs(3600));
    assert_eq!(claimed(store.as_ref()).await, [(1, 2), (2, 2)]);
}

/// Instances whose clocks are an hour apart agree on what is due.
#[tokio::test(flavor = "multi_thread")]
async fn instances_go_by_the_clock_of_the_server() {
    let Some(place) = OnServer::new().await else { return };
    let hour = Duration::from_secs(3600);
    let now = place.now();
    for (n, clock) in [(1, now.before(hour)), (2, now.after(hour))] {
        let (world, _) = testkit::world();
        let world = World { clock: Arc::new(ManualClock::at(clock)), ..world };
        let store = Postgres::open(place.scratch.server(), &world).await.unwrap();
        let accepted = conformance::accepted(&store, &[n], clock).await;
        let repeat = accepted[0].after(Outcome::Unknown, clock, Duration::from_secs(9));
        assert_eq!(store.save(&accepted[0], &repeat, None, Lease::Return).await.unwrap(), Held::Yes);
        let due = store.next_due().await.unwrap().unwrap();
        assert!(due > clock && due <= clock.after(Duration::from_secs(9)), "{clock}: {due}");
        store.close().await;
    }
    assert_eq!(claimed(place.store().as_ref()).await, [], "neither is due yet");
    place.advance(Duration::from_secs(9)).await;
    assert_eq!(claimed(place.store().as_ref()).await.len(), 2);
    place.done().await;
}
