//! The SQLite store does what every store must.

use std::sync::Arc;

use checkout_service::store::{Sqlite, Store, conformance};
use platform::clock::Clock as _;
use testkit::{ManualClock, TempDir};

async fn fresh() -> (TempDir, Arc<dyn Store>, ManualClock) {
    let (dir, (world, clock)) = (TempDir::new().unwrap(), testkit::world());
    let store = Sqlite::open(&dir.path().join("checkout.db"), world.clock)
        .await
        .unwrap();
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
