//! What every store does with cancellations.

use std::time::Duration;

use platform::Origin;
use platform::config::Location;
use platform::lease::{HORIZON, Held, LEASE, Lease};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::*;
use crate::cancellation::{Cancellation, Outcome, State};

in_every_place!(
    #[tokio::test]
    an_order_is_cancelled_once_and_from_where_it_is,
    what_is_being_cancelled_takes_no_other_step,
    writes_are_fenced,
    what_is_due_is_claimed,
    an_end_is_one_write_with_its_event,
    what_seems_to_last_for_ever_is_over,
);

const ME: Uuid = Uuid::from_u128(1);
const PEER: Uuid = Uuid::from_u128(2);

/// A clock that is moved: for a file it is what the store is told; for a database what is written there is moved
/// instead, for nobody moves the clock of a server.
struct Time<'a> {
    now: Timestamp,
    place: &'a Place,
}

impl<'a> Time<'a> {
    fn begin(place: &'a Place) -> Self {
        Self { now: Timestamp::from_micros(1_763_842_530_000_000), place }
    }

    async fn advance(&mut self, by: Duration) {
        self.now = self.now.after(by);
        if let Location::Postgres(server) = self.place.orders() {
            let options: PgConnectOptions = server.url.parse().unwrap();
            let mut connection = options.options([("search_path", "orders")]).connect().await.unwrap();
            sqlx::query(
                "UPDATE cancellations SET due_at = due_at - $1 * interval '1 microsecond',
                                          lease_until = lease_until - $1 * interval '1 microsecond'",
            )
            .bind(i64::try_from(by.as_micros()).unwrap())
            .execute(&mut connection)
            .await
            .unwrap();
            connection.close().await.unwrap();
        }
    }
}

/// Of the requests that begin cancellations here.
fn origin() -> Origin {
    Origin { request_id: "request-1".into(), traceparent: "trace".into() }
}

/// Orders with these numbers, being cancelled.
async fn begun(store: &Arc<dyn Store>, numbers: &[u128], now: Timestamp) -> Vec<Cancellation> {
    let mut begun = Vec::new();
    for &number in numbers {
        let order = order(number, 7, 100);
        make(store, &order).await;
        let cancellation = Cancellation::of(&order, origin(), now);
        assert!(store.cancel(Status::Confirmed, &cancellation).await.unwrap());
        begun.push(cancellation);
    }
    begun
}

/// As it is, but for when its next call is due: a database tells that by a clock of its own.
fn undated(cancellation: Cancellation) -> Cancellation {
    Cancellation { due_at: cancellation.requested_at, ..cancellation }
}

fn ids(claimed: &[Cancellation]) -> Vec<(OrderId, i64)> {
    claimed.iter().map(|it| (it.order_id, it.fence)).collect()
}

async fn save(store: &Arc<dyn Store>, before: &Cancellation, after: &Cancellation, now: Timestamp) -> Held {
    store.save(before, after, announcement::cancelled(after), Lease::Return, now).await.unwrap()
}

async fn an_order_is_cancelled_once_and_from_where_it_is(place: &Place) {
    let (store, time) = (open(place).await, Time::begin(place));
    let order = order(1, 7, 100);
    let cancellation = Cancellation::of(&order, origin(), time.now);
    assert!(!store.cancel(Status::Confirmed, &cancellation).await.unwrap(), "there is no such order");
    make(&store, &order).await;
    assert!(!store.cancel(Status::Processing, &cancellation).await.unwrap());
    assert_eq!(store.snapshot().await.unwrap().cancellations, []);
    assert!(store.cancel(Status::Confirmed, &cancellation).await.unwrap());
    assert!(!store.cancel(Status::Confirmed, &cancellation).await.unwrap(), "it is on its way");
    let snapshot = store.snapshot().await.unwrap();
    let cancelling = Order { status: Status::Cancelling, updated_at: time.now, ..order };
    assert_eq!(snapshot.orders, [cancelling]);
    let kept: Vec<_> = snapshot.cancellations.into_iter().map(undated).collect();
    assert_eq!(kept, [undated(cancellation)]);
    assert_eq!(snapshot.outbox.len(), 1, "nothing is told before the end");
}

async fn what_is_being_cancelled_takes_no_other_step(place: &Place) {
    let (store, time) = (open(place).await, Time::begin(place));
    let cancellation = begun(&store, &[1], time.now).await.remove(0);
    let (id, at) = (cancellation.order_id, time.now);
    let step = Step { id, from: Status::Confirmed, to: Status::Processing, at };
    assert!(!take(&store, step, 1).await);
    assert_eq!(store.order(id).await.unwrap().unwrap().status, Status::Cancelling);
}

async fn writes_are_fenced(place: &Place) {
    let (store, mut time) = (open(place).await, Time::begin(place));
    begun(&store, &[1], time.now).await;
    let mine = store.claim(ME, 10, time.now).await.unwrap().remove(0);
    assert_eq!((mine.fence, &mine.origin), (1, &origin()));
    assert_eq!(store.claim(PEER, 10, time.now).await.unwrap(), [], "it is leased to me");
    time.advance(LEASE).await;
    let theirs = store.claim(PEER, 10, time.now).await.unwrap().remove(0);
    assert_eq!((theirs.order_id, theirs.fence, theirs.state), (mine.order_id, 2, State::Refunding));
    let done = |it: &Cancellation| it.after(Outcome::Done, time.now, Duration::ZERO);
    assert_eq!(save(&store, &mine, &done(&mine), time.now).await, Held::Lost);
    assert_eq!(store.renew(&mine, time.now).await.unwrap(), Held::Lost);
    assert_eq!(store.snapshot().await.unwrap().cancellations[0].state, State::Refunding);
    assert_eq!(save(&store, &theirs, &done(&theirs), time.now).await, Held::Yes);
    assert_eq!(save(&store, &theirs, &done(&theirs), time.now).await, Held::Lost, "it moved on");
}

async fn what_is_due_is_claimed(place: &Place) {
    let (store, mut time) = (open(place).await, Time::begin(place));
    assert_eq!(store.next_due(time.now).await.unwrap(), None);
    begun(&store, &[1, 2], time.now).await;
    assert!(store.next_due(time.now).await.unwrap() <= Some(time.now));
    let first = store.claim(ME, 1, time.now).await.unwrap().remove(0);
    let repeat = first.after(Outcome::Unknown, time.now, Duration::from_secs(3));
    assert_eq!(save(&store, &first, &repeat, time.now).await, Held::Yes);
    let second = store.claim(ME, 9, time.now).await.unwrap().remove(0);
    assert_ne!(second.order_id, first.order_id);
    let due = store.next_due(time.now).await.unwrap().unwrap();
    assert!(due > time.now && due <= time.now.after(Duration::from_secs(3)), "{due:?}");
    assert_eq!(store.claim(PEER, 9, time.now).await.unwrap(), [], "one is leased, one is not due");

    time.advance(Duration::from_secs(3)).await;
    let again = store.claim(PEER, 9, time.now).await.unwrap();
    assert_eq!(ids(&again), [(first.order_id, 2)]);
    assert_eq!(again[0].attempts, 1);
    assert_eq!(store.renew(&second, time.now).await.unwrap(), Held::Yes);
    time.advance(LEASE.saturating_sub(Duration::from_secs(1))).await;
    assert_eq!(store.claim(PEER, 9, time.now).await.unwrap(), [], "its lease was renewed");
    store.give_back(ME).await.unwrap();
    assert_eq!(ids(&store.claim(PEER, 9, time.now).await.unwrap()), [(second.order_id, 2)]);
}

async fn an_end_is_one_write_with_its_event(place: &Place) {
    let (store, time) = (open(place).await, Time::begin(place));
    begun(&store, &[1], time.now).await;
    let refunding = store.claim(ME, 9, time.now).await.unwrap().remove(0);
    let restocking = refunding.after(Outcome::Done, time.now, Duration::ZERO);
    assert_eq!(announcement::cancelled(&restocking), None);
    assert_eq!(save(&store, &refunding, &restocking, time.now).await, Held::Yes);
    let end = time.now.after(Duration::from_secs(1));
    let cancelled = restocking.after(Outcome::Done, end, Duration::ZERO);

    // An event that was told before undoes the whole write.
    let told = Some(created(&order(1, 7, 100)));
    let refused = store.save(&restocking, &cancelled, told, Lease::Return, end).await.unwrap_err();
    assert!(refused.is_unique_violation(), "{refused:?}");
    assert_eq!(store.order(cancelled.order_id).await.unwrap().unwrap().status, Status::Cancelling);

    assert_eq!(save(&store, &restocking, &cancelled, end).await, Held::Yes);
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!((snapshot.orders[0].status, snapshot.orders[0].updated_at), (Status::Cancelled, end));
    assert_eq!(snapshot.cancellations[0].ended_at, Some(end));
    let event = &snapshot.outbox[1].row.event;
    assert_eq!(Some(event), announcement::cancelled(&cancelled).as_ref());
    assert_eq!((event.kind.as_str(), event.key.as_str()), ("order.cancelled.v1", "7"));
    assert_eq!(event.request_id.as_deref(), Some("request-1"));
    assert_eq!(store.claim(PEER, 9, end.after(LEASE)).await.unwrap(), []);
    assert_eq!(store.next_due(end).await.unwrap(), None);
}

/// Written before a clock was set back, it would else keep an order waiting until the clock is there again.
async fn what_seems_to_last_for_ever_is_over(place: &Place) {
    let (store, time) = (open(place).await, Time::begin(place));
    begun(&store, &[1], time.now).await;
    let mine = store.claim(ME, 9, time.now).await.unwrap().remove(0);
    let repeat = mine.after(Outcome::Unknown, time.now, HORIZON * 2);
    assert_eq!(save(&store, &mine, &repeat, time.now).await, Held::Yes);
    assert_eq!(store.claim(PEER, 9, time.now).await.unwrap().len(), 1);
}
