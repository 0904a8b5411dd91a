//! A world that the test decides.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use platform::World;
use platform::clock::Clock;
use platform::ids::Ids;
use platform::metrics::Metrics;
use platform::trace::Tracer;
use tokio::sync::watch;
use types::Timestamp;
use uuid::{Builder, Uuid};

/// 2025-11-22T20:15:30Z: where [`world`] begins.
const BEGINNING: i64 = 1_763_842_530_000_000;

/// A world with a clock that stands still and ids that count, and the clock to move it.
pub fn world() -> (World, ManualClock) {
    let clock = ManualClock::at(Timestamp::from_micros(BEGINNING));
    let world = World {
        clock: Arc::new(clock.clone()),
        ids: Arc::new(CountingIds::default()),
        metrics: Metrics::default(),
        tracer: Tracer::default(),
    };
    (world, clock)
}

/// A clock that moves only when told to. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: watch::Sender<Timestamp>,
}

impl ManualClock {
    /// A clock that stands at `moment`.
    pub fn at(moment: Timestamp) -> Self {
        Self { now: watch::Sender::new(moment) }
    }

    /// Moves on, and wakes whoever slept until then.
    pub fn advance(&self, duration: Duration) {
        self.now.send_modify(|now| *now = now.after(duration));
    }

    /// Is set back, as the clock of a machine may be. Whoever sleeps, sleeps until the moment meant before.
    pub fn set_back(&self, duration: Duration) {
        self.now.send_modify(|now| *now = now.before(duration));
    }

    /// How many sleep now: wait for them before moving on, else they fall asleep too late to be woken.
    pub fn sleepers(&self) -> usize {
        self.now.receiver_count()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        let mut time = self.now.subscribe();
        let end = self.now().after(duration);
        Box::pin(async move {
            if time.wait_for(|now| *now >= end).await.is_err() {
                // The clock is gone, so the time will never come.
                std::future::pending().await
            }
        })
    }
}

/// Ids in the shape of UUID version 7 that count from 1: the same in every run, later ones sort after. As a source of
/// jitter they are none to speak of: what backs off does so at once, and no test has to move the clock for it.
#[derive(Debug, Default)]
pub struct CountingIds {
    given: AtomicU64,
}

impl Ids for CountingIds {
    fn next(&self) -> Uuid {
        let number = self.given.fetch_add(1, Ordering::Relaxed) + 1;
        let [_, _, _, _, _, _, bytes @ ..] = u128::from(number).to_be_bytes();
        Builder::from_unix_timestamp_millis(BEGINNING.unsigned_abs() / 1000 + number, &bytes).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_same_in_every_run_and_sort_by_age() {
        let (one, other) = (CountingIds::default(), CountingIds::default());
        let ids: Vec<Uuid> = (0..1000).map(|_| one.next()).collect();
        assert!(ids.iter().all(|id| id.get_version_num() == 7 && *id == other.next()));
        assert!(ids.is_sorted() && ids[0] != ids[1]);
    }

    #[tokio::test]
    async fn sleepers_wake_when_their_time_has_come_and_not_before() {
        let (world, clock) = world();
        let began = world.clock.now();
        assert_eq!(clock.sleepers(), 0);
        let mut sleep = world.clock.sleep(Duration::from_secs(10));
        assert_eq!(clock.sleepers(), 1);
        clock.advance(Duration::from_secs(9));
        assert!(futures_poll(&mut sleep).is_pending());
        clock.advance(Duration::from_secs(1));
        sleep.await;
        assert_eq!(clock.sleepers(), 0);
        assert_eq!(world.clock.now().since(began), Duration::from_secs(10));
    }

    fn futures_poll<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        Pin::new(future).poll(&mut context)
    }
}
