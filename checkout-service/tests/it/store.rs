//! The SQLite store does what every store must.

use std::sync::Arc;
use std::time::Duration;

use checkout_service::saga::state::Outcome;
use checkout_service::store::{Held, Lease, Sqlite, Store, conformance};
use platform::clock::Clock as _;
use sqlx::Connection as _;
use testkit::{ManualClock, TempDir};
use uuid::Uuid;

async fn fresh() -> (TempDir, Arc<dyn Store>, ManualClock) {
    let (dir, (world, clock)) = (TempDir::new().unwrap(), testkit::world());
    let store = Sqlite::open(&dir.path().join("checkout.db"), world.clock).await.unwrap();
    (dir, Arc::new(store), clock)
}

#[tokio::test]
async fn keys_and_carts_are_taken_once() {
    let (_dir, store, clock) = fresh().await;
    conformance::keys_and_carts_are_taken_once(store, clock.now()).await;
}

#[tokio::test]
async fn a_failed_purchase_may_be_repeated() {
    let (_dir, store, clock) = fresh().await;
    conformance::a_failed_purchase_may_be_repeated(store, clock.now()).await;
}

#[tokio::test]
async fn writes_are_fenced() {
    let (_dir, store, clock) = fresh().await;
    conformance::writes_are_fenced(store, clock.now(), &|duration| clock.advance(duration)).await;
}

#[tokio::test]
async fn what_is_due_is_claimed() {
    let (_dir, store, clock) = fresh().await;
    conformance::what_is_due_is_claimed(store, clock.now(), &|duration| clock.advance(duration)).await;
}

#[tokio::test]
async fn an_end_has_one_event() {
    let (_dir, store, clock) = fresh().await;
    conformance::an_end_has_one_event(store, clock.now()).await;
}

#[tokio::test]
async fn a_race_for_one_cart_has_one_winner() {
    let (_dir, store, clock) = fresh().await;
    conformance::a_race_for_one_cart_has_one_winner(store, clock.now()).await;
}

/// Changes what another version of the program, or a damage, would have left in the file.
async fn tamper(dir: &TempDir, statement: &'static str) {
    let file = format!("sqlite://{}", dir.path().join("checkout.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&file).await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn claimed(store: &dyn Store) -> Vec<(u128, i64)> {
    let claimed = store.claim(Uuid::nil(), 10).await.unwrap();
    claimed.iter().map(|c| (c.id.0.as_u128(), c.fence)).collect()
}

#[tokio::test]
async fn a_checkout_that_can_not_be_read_holds_up_no_other() {
    let (dir, store, clock) = fresh().await;
    conformance::accepted(store.as_ref(), &[1, 2], clock.now()).await;
    store.give_back(conformance::ME).await.unwrap();
    tamper(&dir, "UPDATE checkouts SET items = 'Ada' WHERE user_id = 1").await;
    assert_eq!(claimed(store.as_ref()).await, [(2, 2)]);
    assert!(store.next_due().await.unwrap() > Some(clock.now()), "nobody waits for it in a loop");
}

#[tokio::test]
async fn a_state_of_a_later_version_is_left_alone() {
    let (dir, store, clock) = fresh().await;
    conformance::accepted(store.as_ref(), &[1], clock.now()).await;
    store.give_back(conformance::ME).await.unwrap();
    tamper(&dir, "UPDATE checkouts SET state = 'TELEPORTING'").await;
    assert_eq!(claimed(store.as_ref()).await, []);
    assert_eq!(store.next_due().await.unwrap(), None, "what is not claimed is not due");
}

#[tokio::test]
async fn a_clock_that_was_set_back_delays_nothing() {
    let (_dir, store, clock) = fresh().await;
    let accepted = conformance::accepted(store.as_ref(), &[1, 2], clock.now()).await;
    let repeated = &accepted[1];
    let repeat = repeated.after(Outcome::Unknown, clock.now(), Duration::from_secs(10));
    let saved = store.save(repeated, &repeat, None, Lease::Return).await;
    assert_eq!(saved.unwrap(), Held::Yes);
    assert_eq!(claimed(store.as_ref()).await, []);
    clock.set_back(Duration::from_secs(3600));
    assert_eq!(claimed(store.as_ref()).await, [(1, 2), (2, 2)]);
}
