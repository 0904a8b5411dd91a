use std::sync::Arc;

use platform::metrics::Metrics;
use proptest::prelude::*;
use testkit::TempDir;

use super::*;
use crate::store::conformance::{self, AnyStore, id, lines, model, now};

struct Fixture {
    directory: TempDir,
    store: Arc<Sqlite>,
}

impl Fixture {
    async fn new() -> Option<Self> {
        Some(Self::made().await)
    }

    async fn made() -> Self {
        let directory = TempDir::new().unwrap();
        let store = Arc::new(
            Sqlite::open(&directory.path().join("inventory.db"), &Metrics::default()).await.unwrap(),
        );
        Self { directory, store }
    }

    fn any(&self) -> AnyStore {
        self.store.clone()
    }

    /// The directory clears itself away.
    async fn end(self) {}

    /// The writer's error for a statement that no code of ours would send.
    async fn tamper(&self, statement: &'static str) -> Error {
        self.store
            .database
            .write("SELECT tests", move |c| {
                Box::pin(async move { Ok::<_, Error>(sqlx::query(statement).execute(c).await.map(drop)?) })
            })
            .await
            .unwrap_err()
    }
}

conformance::conforms!(Fixture);

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn follows_the_model(history in model::histories()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::made().await;
            model::follows_the_model(fixture.any(), history).await
        })?;
    }
}

/// What an earlier version of the program wrote is read by this one, and can be restocked.
#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("inventory.db");
    let first = MIGRATIONS.iter().filter(|migration| migration.version == 1).cloned().collect();
    let first: &'static _ = Box::leak(Box::new(sqlx::migrate::Migrator {
        migrations: first,
        ..sqlx::migrate::Migrator::DEFAULT
    }));
    let old = Sqlite {
        database: Database::open(&path, first, Sharing::Exclusive, &Metrics::default()).await.unwrap(),
    };
    for (number, command) in [
        (1, Command::Reserve(lines(&[(1, 2), (2, 1)]))),
        (1, Command::Confirm),
        (2, Command::Reserve(lines(&[(1, 3)]))),
        (3, Command::Release),
        (4, Command::Reserve(lines(&[(1, 1), (9, 1)]))),
    ] {
        let _ = old.apply(id(number), command, now()).await.unwrap();
    }
    let before = old.snapshot().await.unwrap();
    old.close().await;

    let new = Sqlite::open(&path, &Metrics::default()).await.unwrap();
    assert_eq!(new.snapshot().await.unwrap(), before);
    let restocked = new.apply(id(1), Command::Restock, now()).await.unwrap().unwrap();
    assert_eq!(restocked.state.as_str(), "RESTOCKED");
    let after = new.snapshot().await.unwrap();
    assert_eq!(after.violations(), []);
    assert_eq!(new.next_expiry().await.unwrap(), old_expiry(&before));
    // Lines and movements still refer to reservations that must be there.
    let fixture = Fixture { directory, store: Arc::new(new) };
    let error = fixture.tamper("DELETE FROM reservations").await;
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
}

fn old_expiry(snapshot: &Snapshot) -> Option<Timestamp> {
    snapshot.reservations.iter().find_map(|reservation| match reservation.state {
        crate::reservation::State::Held { until } => Some(until),
        _ => None,
    })
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let fixture = Fixture::made().await;
    for (number, command) in [
        (1, Command::Reserve(lines(&[(1, 2), (2, 1)]))),
        (2, Command::Reserve(lines(&[(1, 3)]))),
        (2, Command::Confirm),
        (3, Command::Release),
        (4, Command::Reserve(lines(&[(1, 1), (9, 1)]))),
    ] {
        let _ = fixture.store.apply(id(number), command, now()).await.unwrap();
    }
    let before = fixture.store.snapshot().await.unwrap();
    fixture.store.close().await;

    let reopened =
        Sqlite::open(&fixture.directory.path().join("inventory.db"), &Metrics::default()).await.unwrap();
    assert_eq!(reopened.snapshot().await.unwrap(), before);
    let states: Vec<&str> = before.reservations.iter().map(|one| one.state.as_str()).collect();
    assert_eq!(states, ["HELD", "COMMITTED", "RELEASED", "REJECTED"]);
}

#[tokio::test]
async fn an_audit_reads_beside_the_shop_and_writes_nothing() {
    let fixture = Fixture::made().await;
    let path = fixture.directory.path().join("inventory.db");
    assert!(matches!(Sqlite::open(&path, &Metrics::default()).await, Err(OpenError::InUse { .. })));
    let audit = Sqlite::open_read_only(&path).await.unwrap();
    let held = fixture.store.apply(id(1), Command::Reserve(lines(&[(1, 2)])), now()).await.unwrap();
    assert_eq!(audit.snapshot().await.unwrap().reservations, [held.unwrap()]);
    assert!(audit.apply(id(1), Command::Confirm, now()).await.is_err());
}

#[tokio::test]
async fn the_schema_itself_refuses_what_must_not_be() {
    let fixture = Fixture::made().await;
    let _ = fixture.store.apply(id(1), Command::Reserve(lines(&[(1, 2)])), now()).await.unwrap();
    for statement in [
        "UPDATE stock SET available = -1, on_hand_in = 1 WHERE product_id = 1",
        "UPDATE stock SET available = available + 1 WHERE product_id = 1",
        "UPDATE stock SET held = held - 3, available = available + 3 WHERE product_id = 1",
        "UPDATE reservations SET status = 'COMMITTED'",
        "UPDATE reservations SET status = 'LOST'",
        "INSERT INTO movements (product_id, kind, quantity, at) VALUES (1, 'RESERVE', 1, 0)",
        "INSERT INTO movements (product_id, kind, quantity, at) VALUES (1, 'ADJUST', 0, 0)",
        "INSERT INTO movements (product_id, kind, quantity, at) VALUES (99, 'ADJUST', 1, 0)",
        "DELETE FROM reservations",
    ] {
        let error = fixture.tamper(statement).await;
        assert!(matches!(error, Error::Conflict(_)), "{statement}: {error:?}");
    }
    for statement in ["UPDATE movements SET quantity = 1", "DELETE FROM movements"] {
        let error = fixture.tamper(statement).await;
        assert!(format!("{error:?}").contains("movements are append-only"), "{statement}: {error:?}");
    }
    assert_eq!(fixture.store.snapshot().await.unwrap().violations(), []);
}

#[tokio::test]
async fn no_movement_but_a_reserve_happens_to_a_reservation_twice() {
    let fixture = Fixture::made().await;
    let _ = fixture.store.apply(id(1), Command::Reserve(lines(&[(1, 2)])), now()).await.unwrap();
    let _ = fixture.store.apply(id(1), Command::Confirm, now()).await.unwrap();
    let error = fixture
        .tamper(
            "INSERT INTO movements (product_id, kind, quantity, reservation_id, at)
             SELECT product_id, kind, quantity, reservation_id, at FROM movements WHERE kind = 'COMMIT'",
        )
        .await;
    assert!(error.is_unique_violation(), "{error:?}");
}
