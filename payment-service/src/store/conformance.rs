//! What every [`Store`] does. Each case gets a store of its own, empty.

use std::sync::Arc;

use futures::future::join_all;
use platform::metrics::Metrics;
use sql::postgres::Scratch;
use testkit::{Engine, TempDir};
use types::{CheckoutId, Currency, Money, PaymentId, Timestamp, UserId};
use uuid::Uuid;

use super::Store;
use crate::payment::{Payment, Status, Terms};
use crate::provider::Method;

/// Stamps each case out for one adapter.
macro_rules! conformance {
    ($open:path: $($case:ident),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $case() {
            let Some((store, guard)) = $open().await else { return };
            super::$case(store.clone()).await;
            store.close().await;
            guard.done().await;
        })+
    };
}

mod sqlite {
    use super::super::Sqlite;
    use super::{Arc, Metrics, OnFile, Store, TempDir};

    async fn open() -> Option<(Arc<dyn Store>, OnFile)> {
        let dir = TempDir::new().unwrap();
        let store = Sqlite::open(&dir.path().join("payment.db"), &Metrics::default()).await.unwrap();
        Some((Arc::new(store), OnFile(dir)))
    }

    conformance!(
        open: has_nothing_at_first,
        keeps_a_payment_as_it_is_in_every_status,
        keeps_the_first_payment_of_a_checkout,
        moves_only_from_the_status_that_was_seen,
        lets_one_of_many_movers_win,
    );
}

mod postgres {
    use super::super::Postgres;
    use super::{Arc, Engine, Metrics, OnServer, Scratch, Store};

    async fn open() -> Option<(Arc<dyn Store>, OnServer)> {
        let scratch = Scratch::new(&Engine::Postgres.url()?).await.unwrap();
        let store = Postgres::open(scratch.server(), &Metrics::default()).await.unwrap();
        Some((Arc::new(store), OnServer(scratch)))
    }

    conformance!(
        open: has_nothing_at_first,
        keeps_a_payment_as_it_is_in_every_status,
        keeps_the_first_payment_of_a_checkout,
        moves_only_from_the_status_that_was_seen,
        lets_one_of_many_movers_win,
    );
}

/// What is left to be put away after a case.
struct OnFile(#[expect(dead_code, reason = "removed when it is dropped")] TempDir);

struct OnServer(Scratch);

impl OnFile {
    async fn done(self) {}
}

impl OnServer {
    async fn done(self) {
        self.0.drop().await.unwrap();
    }
}

async fn has_nothing_at_first(store: Arc<dyn Store>) {
    assert_eq!(store.snapshot().await.unwrap(), []);
    assert_eq!(store.find(payment(1).checkout_id).await.unwrap(), None);
    store.ping().await.unwrap();
}

async fn keeps_a_payment_as_it_is_in_every_status(store: Arc<dyn Store>) {
    use Status::*;
    let declined = Declined { code: "card_declined".into() };
    let statuses = [Pending, Authorized, declined, Capturing, Captured, Voiding, Voided, Refunding, Refunded];
    let mut all = Vec::new();
    for (number, status) in (1..).zip(statuses) {
        for terms in [payment(number).terms, None] {
            let number = number * 2 + u8::from(terms.is_some());
            all.push(Payment { status: status.clone(), terms, ..payment(number) });
        }
    }
    all.sort_by_key(|payment| payment.created_at);
    for payment in &all {
        assert_eq!(store.begin(payment.clone()).await.unwrap(), *payment);
        assert_eq!(store.find(payment.checkout_id).await.unwrap().as_ref(), Some(payment));
    }
    assert_eq!(store.snapshot().await.unwrap(), all);
}

async fn keeps_the_first_payment_of_a_checkout(store: Arc<dyn Store>) {
    let first = payment(1);
    store.begin(first.clone()).await.unwrap();
    let id = PaymentId(Uuid::from_u128(99));
    let second = Payment { id, terms: None, status: Status::Voiding, ..first.clone() };
    assert_eq!(store.begin(second).await.unwrap(), first);
    assert_eq!(store.snapshot().await.unwrap(), [first]);
}

async fn moves_only_from_the_status_that_was_seen(store: Arc<dyn Store>) {
    let pending = store.begin(payment(1)).await.unwrap();
    let other = store.begin(payment(2)).await.unwrap();
    let later = Timestamp::from_micros(500);
    let declined = Status::Declined { code: "expired_card".into() };
    let moved = Payment { status: declined.clone(), updated_at: later, ..pending.clone() };
    assert_eq!(store.advance(&pending, declined, later).await.unwrap(), moved);
    let latest = Timestamp::from_micros(900);
    assert_eq!(store.advance(&pending, Status::Authorized, latest).await.unwrap(), moved);
    assert_eq!(store.snapshot().await.unwrap(), [moved, other]);
    store.advance(&payment(3), Status::Voiding, latest).await.expect_err("there is nothing to be moved");
}

async fn lets_one_of_many_movers_win(store: Arc<dyn Store>) {
    let pending = store.begin(payment(1)).await.unwrap();
    let moves = (0..32).map(|number: i32| {
        let (store, pending) = (&store, &pending);
        let to = Status::Declined { code: number.to_string() };
        async move { store.advance(pending, to, Timestamp::from_micros(500)).await.unwrap() }
    });
    let answers = join_all(moves).await;
    let stored = store.find(pending.checkout_id).await.unwrap().unwrap();
    assert_ne!(stored.status, Status::Pending);
    assert!(answers.into_iter().all(|answer| answer == stored));
}

/// A payment like no other number's.
fn payment(number: u8) -> Payment {
    let at = Timestamp::from_micros(i64::from(number));
    Payment {
        id: PaymentId(Uuid::from_u128(u128::from(number))),
        checkout_id: CheckoutId(Uuid::from_u128(1000 + u128::from(number))),
        terms: Some(Terms {
            user_id: UserId::try_from(i64::from(number)).unwrap(),
            amount: Money::new(100 + i64::from(number), Currency::USD),
            method: Method::new("pm_card_visa"),
        }),
        status: Status::Pending,
        created_at: at,
        updated_at: at,
    }
}
