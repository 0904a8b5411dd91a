use std::sync::Arc;

use proptest::prelude::*;
use testkit::TempDir;

use super::*;
use crate::store::conformance::{self, AnyStore, id, lines, model, now, product};

struct Fixture {
    directory: TempDir,
    store: Arc<Sqlite>,
}

impl Fixture {
    async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let store = Arc::new(Sqlite::open(&directory.path().join("inventory.db")).await.unwrap());
        Self { directory, store }
    }

    fn any(&self) -> AnyStore {
        self.store.clone()
    }

    /// The writer's error for a statement that no code of ours would send.
    async fn tamper(&self, statement: &'static str) -> Error {
        self.store
            .database
            .write(move |c| {
                Box::pin(async move { Ok::<_, Error>(sqlx::query(statement).execute(c).await.map(drop)?) })
            })
            .await
            .unwrap_err()
    }
}

/// Each case of the conformance suite on a store of its own.
macro_rules! conforms {
    ($($case:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let fixture = Fixture::new().await;
            conformance::$case(fixture.any()).await;
        })*
    };
}

conforms! {
    buyers_in_parallel_get_exactly_what_there_is
    reservations_that_cross_all_end
    a_key_repeated_in_parallel_holds_once
    release_meets_confirm
    expiry_meets_confirm_and_release
    a_tombstone_refuses_the_late_reserve
    a_rejection_stays_when_stock_comes_back
    an_expired_hold_is_confirmed_if_its_stock_is_still_there
    on_hand_is_never_less_than_what_is_held
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn follows_the_model(history in model::histories()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::new().await;
            model::follows_the_model(fixture.any(), history).await
        })?;
    }
}

#[tokio::test]
async fn begins_with_the_stock_of_the_first_catalogue() {
    let snapshot = Fixture::new().await.store.snapshot().await.unwrap();
    let stock: Vec<(i64, i64)> =
        snapshot.stock.iter().map(|stock| (stock.product_id.get(), stock.available)).collect();
    assert_eq!(stock, [(1, 50), (2, 200), (3, 100), (4, 75), (5, 150)]);
    assert_eq!(snapshot.movements.len(), 5);
    assert_eq!(snapshot.violations(), []);
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let fixture = Fixture::new().await;
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

    let reopened = Sqlite::open(&fixture.directory.path().join("inventory.db")).await.unwrap();
    assert_eq!(reopened.snapshot().await.unwrap(), before);
    let states: Vec<&str> = before.reservations.iter().map(|one| one.state.as_str()).collect();
    assert_eq!(states, ["HELD", "COMMITTED", "RELEASED", "REJECTED"]);
}

#[tokio::test]
async fn an_audit_reads_beside_the_shop_and_writes_nothing() {
    let fixture = Fixture::new().await;
    let path = fixture.directory.path().join("inventory.db");
    assert!(matches!(Sqlite::open(&path).await, Err(OpenError::InUse { .. })));
    let audit = Sqlite::open_read_only(&path).await.unwrap();
    let held = fixture.store.apply(id(1), Command::Reserve(lines(&[(1, 2)])), now()).await.unwrap();
    assert_eq!(audit.snapshot().await.unwrap().reservations, [held.unwrap()]);
    assert!(audit.apply(id(1), Command::Confirm, now()).await.is_err());
}

#[tokio::test]
async fn pages_of_the_ledger_do_not_overlap() {
    let fixture = Fixture::new().await;
    for number in 1..=3 {
        let _ = fixture.store.apply(id(number), Command::Reserve(lines(&[(1, 1)])), now()).await.unwrap();
    }
    let all = fixture.store.movements(product(1), None, 9).await.unwrap();
    assert_eq!(all.len(), 4);
    assert!(all.is_sorted_by(|newer, older| newer.id > older.id));
    let first = fixture.store.movements(product(1), None, 3).await.unwrap();
    let second = fixture.store.movements(product(1), Some(first[2].id), 3).await.unwrap();
    assert_eq!([first, second].concat(), all);
}

#[tokio::test]
async fn the_schema_itself_refuses_what_must_not_be() {
    let fixture = Fixture::new().await;
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
    let fixture = Fixture::new().await;
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
