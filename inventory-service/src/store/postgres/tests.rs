mod patient;

use std::sync::Arc;

use futures::future::join_all;
use platform::metrics::Metrics;
use proptest::prelude::*;
use sql::postgres::Scratch;
use testkit::Engine;

use super::*;
use crate::reservation::HOLD;
use crate::store::conformance::{self, AnyStore, id, lines, model, now, product};
use patient::Patient;

struct Fixture {
    scratch: Scratch,
    store: Postgres,
}

impl Fixture {
    async fn new() -> Option<Self> {
        let scratch = Scratch::new(&Engine::Postgres.url()?).await.unwrap();
        let store = Postgres::open(scratch.server(), &Metrics::default()).await.unwrap();
        Some(Self { scratch, store })
    }

    fn any(&self) -> AnyStore {
        Arc::new(Patient::new(self.store.clone()))
    }

    /// Another instance of the service on the same database.
    async fn other(&self) -> AnyStore {
        Arc::new(Patient::new(Postgres::open(self.scratch.server(), &Metrics::default()).await.unwrap()))
    }

    async fn end(self) {
        self.store.database.close().await;
        self.scratch.drop().await.unwrap();
    }

    async fn reserve(&self, number: u128, of: &[(i64, i64)]) {
        let _ = self.store.apply(id(number), Command::Reserve(lines(of)), now()).await.unwrap().unwrap();
    }

    /// The database's error for a statement that no code of ours would send.
    async fn tamper(&self, statement: &'static str) -> Error {
        let mut connection = self.store.database.connection().await.unwrap();
        sqlx::query(statement).execute(&mut *connection).await.map_err(Error::from).unwrap_err()
    }
}

conformance::conforms!(Fixture);

proptest! {
    // Few, since each history wants a database of its own.
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn follows_the_model(history in model::histories()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Some(fixture) = Fixture::new().await else { return Ok(()) };
            let followed = model::follows_the_model(fixture.any(), history).await;
            fixture.end().await;
            followed
        })?;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_sell_what_there_is_and_no_more() {
    let Some(fixture) = Fixture::new().await else { return };
    let stores = [fixture.any(), fixture.other().await];
    let buyers = (1..=64_u128).map(|buyer| {
        let store = stores[buyer as usize % 2].clone();
        async move {
            let mut held = 0;
            for number in 0..5 {
                let cart = Command::Reserve(lines(&[(1, 1), (4, 1)]));
                held += u32::from(store.apply(id(buyer * 100 + number), cart, now()).await.unwrap().is_ok());
            }
            held
        }
    });
    assert_eq!(join_all(buyers).await.into_iter().sum::<u32>(), 50);
    let left = fixture.store.stock(product(1)).await.unwrap().unwrap();
    assert_eq!((left.available, left.held), (0, 50));
    assert_eq!(fixture.store.snapshot().await.unwrap().violations(), []);
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_that_are_called_with_one_key_hold_once() {
    let Some(fixture) = Fixture::new().await else { return };
    let other = fixture.other().await;
    for number in 1..=40 {
        let cart = || Command::Reserve(lines(&[(2, 2)]));
        let (one, two) = tokio::join!(
            fixture.store.apply(id(number), cart(), now()),
            other.apply(id(number), cart(), now())
        );
        assert_eq!(one.unwrap().unwrap(), two.unwrap().unwrap());
    }
    assert_eq!(fixture.store.stock(product(2)).await.unwrap().unwrap().held, 80);
    assert_eq!(fixture.store.snapshot().await.unwrap().violations(), []);
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_that_sweep_at_once_expire_each_hold_once() {
    const HOLDS: u32 = 60;
    let Some(fixture) = Fixture::new().await else { return };
    for number in 1..=u128::from(HOLDS) {
        fixture.reserve(number, if number % 2 == 0 { &[(2, 1), (3, 1)] } else { &[(3, 1), (5, 1)] }).await;
    }
    let later = now().after(HOLD);
    let sweep = |store: AnyStore| async move {
        let mut expired = 0;
        while store.next_expiry().await.unwrap().is_some() {
            expired += store.expire_due(later, 7).await.unwrap();
        }
        expired
    };
    let (one, other) = tokio::join!(sweep(fixture.any()), sweep(fixture.other().await));
    assert_eq!(one + other, HOLDS);
    let snapshot = fixture.store.snapshot().await.unwrap();
    assert!(snapshot.stock.iter().all(|stock| stock.held == 0));
    assert_eq!(snapshot.violations(), []);
    fixture.end().await;
}

/// What an earlier version of the program wrote is read by this one, and can be restocked.
#[tokio::test]
async fn a_schema_of_the_first_version_is_brought_up_to_date() {
    let Some(url) = Engine::Postgres.url() else { return };
    let scratch = Scratch::new(&url).await.unwrap();
    let first = MIGRATIONS.iter().filter(|migration| migration.version == 1).cloned().collect();
    let first: &'static _ = Box::leak(Box::new(sqlx::migrate::Migrator {
        migrations: first,
        ..sqlx::migrate::Migrator::DEFAULT
    }));
    let old = Postgres {
        database: Database::open(scratch.server(), SCHEMA, first, &Metrics::default()).await.unwrap(),
    };
    for command in [Command::Reserve(lines(&[(1, 2), (2, 1)])), Command::Confirm] {
        let _ = old.apply(id(1), command, now()).await.unwrap();
    }
    let before = old.snapshot().await.unwrap();
    old.database.close().await;

    let fixture =
        Fixture { store: Postgres::open(scratch.server(), &Metrics::default()).await.unwrap(), scratch };
    assert_eq!(fixture.store.snapshot().await.unwrap(), before);
    let restocked = fixture.store.apply(id(1), Command::Restock, now()).await.unwrap().unwrap();
    assert_eq!(restocked.state.as_str(), "RESTOCKED");
    assert_eq!(fixture.store.snapshot().await.unwrap().violations(), []);
    fixture.end().await;
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.reserve(1, &[(1, 2), (2, 1)]).await;
    fixture.reserve(2, &[(1, 3)]).await;
    for (number, command) in
        [(2, Command::Confirm), (3, Command::Release), (4, Command::Reserve(lines(&[(1, 1), (9, 1)])))]
    {
        let _ = fixture.store.apply(id(number), command, now()).await.unwrap();
    }
    let before = fixture.store.snapshot().await.unwrap();
    fixture.store.database.close().await;
    assert!(matches!(fixture.store.ping().await, Err(Error::Unavailable(_))));

    assert_eq!(fixture.other().await.snapshot().await.unwrap(), before);
    let states: Vec<&str> = before.reservations.iter().map(|one| one.state.as_str()).collect();
    assert_eq!(states, ["HELD", "COMMITTED", "RELEASED", "REJECTED"]);
    fixture.end().await;
}

#[tokio::test]
async fn an_audit_reads_beside_the_shop_and_writes_nothing() {
    let Some(fixture) = Fixture::new().await else { return };
    let audit = Postgres::open_read_only(fixture.scratch.server()).await.unwrap();
    let held = fixture.store.apply(id(1), Command::Reserve(lines(&[(1, 2)])), now()).await.unwrap();
    assert_eq!(audit.snapshot().await.unwrap().reservations, [held.unwrap()]);
    assert!(audit.apply(id(1), Command::Confirm, now()).await.is_err());
    assert_eq!(fixture.store.snapshot().await.unwrap().violations(), []);
    fixture.end().await;
}

#[tokio::test]
async fn the_schema_itself_refuses_what_must_not_be() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.reserve(1, &[(1, 2)]).await;
    for statement in [
        "UPDATE stock SET available = -1, on_hand_in = 1 WHERE product_id = 1",
        "UPDATE stock SET available = available + 1 WHERE product_id = 1",
        "UPDATE stock SET held = held - 3, available = available + 3 WHERE product_id = 1",
        "UPDATE reservations SET status = 'COMMITTED'",
        "UPDATE reservations SET status = 'LOST'",
        "INSERT INTO movements (product_id, kind, quantity, at) VALUES (1, 'RESERVE', 1, now())",
        "INSERT INTO movements (product_id, kind, quantity, at) VALUES (1, 'ADJUST', 0, now())",
        "INSERT INTO movements (product_id, kind, quantity, at) VALUES (99, 'ADJUST', 1, now())",
        "DELETE FROM reservations",
    ] {
        let error = fixture.tamper(statement).await;
        assert!(matches!(error, Error::Conflict(_)), "{statement}: {error:?}");
    }
    for statement in ["UPDATE movements SET quantity = 1", "DELETE FROM movements", "TRUNCATE movements"] {
        let error = fixture.tamper(statement).await;
        assert!(format!("{error:?}").contains("movements are append-only"), "{statement}: {error:?}");
    }
    assert_eq!(fixture.store.snapshot().await.unwrap().violations(), []);
    fixture.end().await;
}

#[tokio::test]
async fn no_movement_but_a_reserve_happens_to_a_reservation_twice() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.reserve(1, &[(1, 2)]).await;
    let _ = fixture.store.apply(id(1), Command::Confirm, now()).await.unwrap();
    let error = fixture
        .tamper(
            "INSERT INTO movements (product_id, kind, quantity, reservation_id, at)
             SELECT product_id, kind, quantity, reservation_id, at FROM movements WHERE kind = 'COMMIT'",
        )
        .await;
    assert!(error.is_unique_violation(), "{error:?}");
    fixture.end().await;
}
