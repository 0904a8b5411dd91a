//! What every [`Store`] must do, as cases that an adapter's tests run over it.
//!
//! Each case expects a fresh store whose clock stands at the `now` given, or runs on from there, and says what
//! broke by panicking.

#![expect(clippy::unwrap_used, reason = "cases of a test suite, compiled for adapters elsewhere")]

use std::sync::Arc;
use std::time::Duration;

use event_log::{Event, Waiting};
use futures::future::BoxFuture;
use platform::Origin;
use proto::events::CheckoutCompleted;
use types::{CheckoutId, Currency, Money, Timestamp, UserId};
use uuid::Uuid;

use super::{Accepted, Backlog, Held, IdempotencyKey, KeyUse, LEASE, Lease, Store};
use crate::checkout::{Checkout, Purchase, STUCK_AFTER};
use crate::saga::state::{Failure, Outcome, State};

/// Who owns what a case has accepted.
pub const ME: Uuid = Uuid::from_u128(1);
const PEER: Uuid = Uuid::from_u128(2);

/// Moves the store's clock forward.
pub type Advance<'a> = &'a (dyn Fn(Duration) -> BoxFuture<'a, ()> + Send + Sync);

/// How far a clock that runs may have come while a case did.
const MEANWHILE: Duration = Duration::from_secs(1);

fn id(n: u128) -> CheckoutId {
    CheckoutId(Uuid::from_u128(n))
}

fn user(n: i64) -> UserId {
    UserId::try_from(n).unwrap()
}

fn checkout(n: u128, user_id: i64, cart_version: i64, now: Timestamp) -> Checkout {
    let purchase = Purchase {
        user_id: user(user_id),
        cart_version,
        bought_version: 0,
        items: Vec::new(),
        total: Money::new(129_999, Currency::USD),
        payment_method: "pm_card_visa".into(),
        shipping_address: None,
    };
    let origin = Origin { request_id: "request-1".into(), traceparent: "00-trace".into() };
    Checkout::accept(id(n), purchase, origin, now)
}

fn key(user_id: i64, text: &str) -> IdempotencyKey {
    IdempotencyKey { user_id: user(user_id), text: text.into(), fingerprint: "f".into() }
}

fn event(n: u128, now: Timestamp) -> Event {
    Event {
        id: Uuid::from_u128(n),
        kind: CheckoutCompleted::TYPE.into(),
        source: "/checkout-service".into(),
        key: "1".into(),
        time: now,
        traceparent: None,
        request_id: None,
        data: format!(r#"{{"checkout_id":"{}"}}"#, id(1)).into(),
    }
}

/// Checkouts with these numbers as their ids and users, in the hands of [`ME`].
pub async fn accepted(store: &dyn Store, numbers: &[i64], now: Timestamp) -> Vec<Checkout> {
    let mut checkouts = Vec::new();
    for &n in numbers {
        let checkout = checkout(n.unsigned_abs().into(), n, 5, now);
        store.accept(&checkout, &key(n, "a"), 0, ME).await.unwrap();
        checkouts.push(checkout);
    }
    checkouts
}

/// The checkout as it is but for when its next call is due, which the store tells by a clock of its own.
fn undated(checkout: Checkout) -> Checkout {
    Checkout { due_at: checkout.created_at, ..checkout }
}

/// When the next checkout is due, as a distance from `now`; `None` when none is.
async fn due_in(store: &dyn Store, now: Timestamp) -> Option<Duration> {
    store.next_due().await.unwrap().map(|due| due.since(now))
}

fn is_about(wanted: Duration) -> impl Fn(Duration) -> bool {
    move |found| (wanted..wanted + MEANWHILE).contains(&found)
}

/// Stands in `before`, is done there.
fn done(before: &Checkout, now: Timestamp) -> Checkout {
    before.after(Outcome::Done, now, Duration::ZERO)
}

/// A key makes one checkout, and a cart version is bought once.
pub async fn keys_and_carts_are_taken_once(store: Arc<dyn Store>, now: Timestamp) {
    let first = checkout(1, 1, 5, now);
    assert_eq!(store.accept(&first, &key(1, "a"), 0, ME).await.unwrap(), Accepted::New);
    let used = KeyUse { checkout_id: id(1), fingerprint: "f".into() };
    assert_eq!(store.key_use(user(1), "a").await.unwrap(), Some(used.clone()));
    assert_eq!(store.key_use(user(2), "a").await.unwrap(), None);
    let again = store.accept(&checkout(2, 1, 5, now), &key(1, "a"), 0, ME).await.unwrap();
    assert_eq!(again, Accepted::Repeated(used));
    let same_cart = store.accept(&checkout(3, 1, 5, now), &key(1, "b"), 4, ME).await.unwrap();
    assert_eq!(same_cart, Accepted::InProgress(id(1)));
    // A later version still contains the lines that are being bought.
    let later_cart = store.accept(&checkout(3, 1, 6, now), &key(1, "b"), 4, ME).await.unwrap();
    assert_eq!(later_cart, Accepted::InProgress(id(1)));
    assert_eq!(store.key_use(user(1), "b").await.unwrap(), None, "a refusal leaves nothing behind");
    assert_eq!(store.accept(&checkout(4, 2, 5, now), &key(2, "a"), 0, ME).await.unwrap(), Accepted::New);
    // The cart has seen the purchase of version 5.
    assert_eq!(store.accept(&checkout(5, 1, 7, now), &key(1, "c"), 5, ME).await.unwrap(), Accepted::New);
    assert_eq!(store.find(id(1)).await.unwrap().map(undated), Some(undated(first)));
    assert_eq!(store.find(id(9)).await.unwrap(), None);
}

/// A checkout that failed gives its cart version free.
pub async fn a_failed_purchase_may_be_repeated(store: Arc<dyn Store>, now: Timestamp) {
    let first = checkout(1, 1, 5, now);
    store.accept(&first, &key(1, "a"), 0, ME).await.unwrap();
    let releasing = first.after(Outcome::Refused(Failure::CheckoutExpired), now, Duration::ZERO);
    assert_eq!(store.save(&first, &releasing, None, Lease::Keep).await.unwrap(), Held::Yes);
    let failed = done(&releasing, now);
    assert_eq!(store.save(&releasing, &failed, Some(event(7, now)), Lease::Return).await.unwrap(), Held::Yes);
    assert_eq!(store.find(id(1)).await.unwrap().unwrap().state, State::Failed(Failure::CheckoutExpired));
    assert_eq!(store.accept(&checkout(2, 1, 5, now), &key(1, "b"), 0, ME).await.unwrap(), Accepted::New);
}

/// Every write needs the fence and the state that it was decided on.
pub async fn writes_are_fenced(store: Arc<dyn Store>, now: Timestamp, advance: Advance<'_>) {
    let mine = checkout(1, 1, 5, now);
    store.accept(&mine, &key(1, "a"), 0, ME).await.unwrap();
    assert_eq!(store.claim(PEER, 10).await.unwrap(), [], "it is leased to me");
    advance(LEASE).await;
    let taken = store.claim(PEER, 10).await.unwrap();
    let seen = taken.iter().map(|c| (c.checkout.id, c.checkout.fence, c.is_abandoned));
    assert_eq!(seen.collect::<Vec<_>>(), [(id(1), 2, true)]);
    let theirs = taken.into_iter().next().unwrap().checkout;
    assert_eq!(store.save(&mine, &done(&mine, now), None, Lease::Keep).await.unwrap(), Held::Lost);
    assert_eq!(store.renew(&mine).await.unwrap(), Held::Lost);
    assert_eq!(store.find(id(1)).await.unwrap().unwrap().state, State::Reserving);
    let moved = done(&theirs, now);
    assert_eq!(store.save(&theirs, &moved, None, Lease::Keep).await.unwrap(), Held::Yes);
    assert_eq!(store.save(&theirs, &moved, None, Lease::Keep).await.unwrap(), Held::Lost, "it moved on");
    assert_eq!(store.find(id(1)).await.unwrap().unwrap().state, State::Authorizing);
}

/// Due, unleased and unfinished checkouts are claimed, each once.
pub async fn what_is_due_is_claimed(store: Arc<dyn Store>, now: Timestamp, advance: Advance<'_>) {
    assert_eq!(store.next_due().await.unwrap(), None);
    for n in 1..=3 {
        store
            .accept(&checkout(n, i64::try_from(n).unwrap(), 5, now), &key(1, &n.to_string()), 0, ME)
            .await
            .unwrap();
    }
    assert!(due_in(store.as_ref(), now).await.is_some_and(is_about(LEASE)));
    let first = store.find(id(1)).await.unwrap().unwrap();
    let repeat = first.after(Outcome::Unknown, now, Duration::from_secs(2));
    assert_eq!(store.save(&first, &repeat, None, Lease::Return).await.unwrap(), Held::Yes);
    assert!(due_in(store.as_ref(), now).await.is_some_and(is_about(Duration::from_secs(2))));
    assert_eq!(store.claim(PEER, 10).await.unwrap().len(), 0, "it is not due yet");
    advance(Duration::from_secs(2)).await;
    let claimed = store.claim(PEER, 10).await.unwrap();
    let seen = claimed.iter().map(|c| (c.checkout.id, c.checkout.attempt(), c.is_abandoned));
    assert_eq!(seen.collect::<Vec<_>>(), [(id(1), 1, false)]);
    store.give_back(ME).await.unwrap();
    for limit in [1, 10] {
        let given_back = store.claim(PEER, limit).await.unwrap();
        assert_eq!(given_back.iter().map(|c| c.is_abandoned).collect::<Vec<_>>(), [false]);
    }
    assert_eq!(store.claim(PEER, 10).await.unwrap().len(), 0);
    let second = store.find(id(2)).await.unwrap().unwrap();
    advance(LEASE.saturating_sub(Duration::from_secs(1))).await;
    assert_eq!(store.renew(&second).await.unwrap(), Held::Yes);
    advance(Duration::from_secs(1)).await;
    let ids: Vec<CheckoutId> = store.claim(ME, 10).await.unwrap().iter().map(|c| c.checkout.id).collect();
    assert!(!ids.contains(&id(2)), "its lease was renewed");
    assert_eq!(ids.len(), 2);
}

/// What is unfinished is counted, and what is stuck until it moves or ends.
pub async fn the_backlog_is_counted(store: Arc<dyn Store>, now: Timestamp) {
    let counted = async || {
        let Backlog { unfinished, stuck } = store.backlog().await.unwrap();
        let unfinished: Vec<_> = unfinished.into_iter().collect();
        (unfinished, stuck)
    };
    let states = |counts: &[(&str, u64)]| {
        counts.iter().map(|(state, n)| ((*state).to_owned(), *n)).collect::<Vec<_>>()
    };
    assert_eq!(counted().await, (states(&[]), 0));
    let [mut first, second] = accepted(store.as_ref(), &[1, 2], now).await.try_into().unwrap();
    for attempt in 1..=STUCK_AFTER {
        assert_eq!(counted().await, (states(&[("RESERVING", 2)]), 0), "after {} attempts", attempt - 1);
        let repeat = first.after(Outcome::Unknown, now, Duration::ZERO);
        assert_eq!(store.save(&first, &repeat, None, Lease::Keep).await.unwrap(), Held::Yes);
        first = repeat;
    }
    assert_eq!(counted().await, (states(&[("RESERVING", 2)]), 1));
    assert_eq!(store.save(&first, &done(&first, now), None, Lease::Keep).await.unwrap(), Held::Yes);
    assert_eq!(counted().await, (states(&[("AUTHORIZING", 1), ("RESERVING", 1)]), 0));
    let releasing = second.after(Outcome::Refused(Failure::CheckoutExpired), now, Duration::ZERO);
    store.save(&second, &releasing, None, Lease::Keep).await.unwrap();
    assert_eq!(store.waiting().await.unwrap(), Waiting::default());
    store.save(&releasing, &done(&releasing, now), Some(event(7, now)), Lease::Return).await.unwrap();
    assert_eq!(counted().await, (states(&[("AUTHORIZING", 1)]), 0));
    assert_eq!(store.waiting().await.unwrap(), Waiting { rows: 1, oldest: Some(now) });
}

/// An end and its event are one write, and the outbox gives each event until it is marked.
pub async fn an_end_has_one_event(store: Arc<dyn Store>, now: Timestamp) {
    let start = checkout(1, 1, 5, now);
    store.accept(&start, &key(1, "a"), 0, ME).await.unwrap();
    let mut before = start;
    while !before.state.is_terminal() {
        let after = done(&before, now);
        let sent = after.ending().map(|_| event(7, now));
        assert_eq!(store.save(&before, &after, sent, Lease::Keep).await.unwrap(), Held::Yes);
        before = after;
    }
    assert_eq!(before.state, State::Completed);
    let late = store.save(&before, &before, Some(event(7, now)), Lease::Keep).await;
    assert!(late.is_err(), "a second event for one checkout");
    let rows = store.unpublished(10).await.unwrap();
    assert_eq!(rows.iter().map(|row| &row.event).collect::<Vec<_>>(), [&event(7, now)]);
    assert!(rows.iter().all(|row| row.topic == proto::events::CHECKOUT_EVENTS));
    let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    store.mark_published(&seqs).await.unwrap();
    assert_eq!(store.unpublished(10).await.unwrap(), []);
    assert_eq!(store.waiting().await.unwrap(), Waiting::default());
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.checkouts.into_iter().map(undated).collect::<Vec<_>>(), [undated(before)]);
    assert_eq!(snapshot.keys, [(user(1), "a".to_owned(), id(1))]);
    assert!(snapshot.events.iter().all(|entry| entry.is_published && entry.checkout_id == id(1)));
    assert_eq!(store.claim(PEER, 10).await.unwrap(), []);
    assert_eq!(store.next_due().await.unwrap(), None);
}

/// However many ask at once, be it for several versions that contain the same lines, one of them buys. The two
/// stores are one, opened once or twice.
pub async fn a_race_for_one_cart_has_one_winner(stores: [Arc<dyn Store>; 2], now: Timestamp) {
    let racers = (1..=20_u128).zip(stores.iter().cycle()).map(|(n, store)| async move {
        let text = if n % 3 == 0 { "shared".to_owned() } else { n.to_string() };
        let version = 5 + i64::from(n % 2 == 0);
        store.accept(&checkout(n, 1, version, now), &key(1, &text), 0, ME).await.unwrap()
    });
    let outcomes = futures::future::join_all(racers).await;
    let winners = outcomes.iter().filter(|outcome| **outcome == Accepted::New).count();
    assert_eq!(winners, 1, "{outcomes:?}");
    let [store, _] = stores;
    assert_eq!(store.snapshot().await.unwrap().checkouts.len(), 1);
}

/// What is due is given to one of those who ask at once. The two stores are one, opened once or twice.
pub async fn a_race_for_what_is_due_gives_each_checkout_to_one(stores: [Arc<dyn Store>; 2], now: Timestamp) {
    let [one, other] = &stores;
    accepted(one.as_ref(), &(1..=40).collect::<Vec<_>>(), now).await;
    one.give_back(ME).await.unwrap();
    let claims = (0..10_u128)
        .zip(stores.iter().cycle())
        .map(|(n, store)| async move { store.claim(Uuid::from_u128(100 + n), 7).await.unwrap() });
    let claimed = futures::future::join_all(claims).await;
    let mut ids: Vec<CheckoutId> = claimed.iter().flatten().map(|claimed| claimed.checkout.id).collect();
    ids.extend(other.claim(PEER, 100).await.unwrap().iter().map(|claimed| claimed.checkout.id));
    assert_eq!(ids.len(), 40);
    ids.sort_unstable_by_key(|id| id.0);
    ids.dedup();
    assert_eq!(ids.len(), 40, "a checkout was given to two");
}
