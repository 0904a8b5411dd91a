//! Programs that may die, stand still, and have clocks that go wrong.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::World;
use platform::clock::Clock;
use platform::ids::Ids;
use platform::metrics::Metrics;
use platform::trace::Tracer;
use tokio::sync::Notify;
use tokio::time::sleep;
use types::Timestamp;
use uuid::{Builder, Uuid};

use super::nature::{Nature, Time};
use super::weather::Fault;

/// How long a program stands still at most, in milliseconds: longer than leases, and than any call is waited for.
const FROZEN: u64 = 30_000;

/// How long a program takes for a step at most, in milliseconds: enough for two to get ahead of each other.
const STEP: u64 = 12;

/// How long a step takes at most that takes long, in milliseconds: longer than a lease.
const SLOW: u64 = 8_000;

/// How far a clock jumps at most, either way: beyond leases, delays and the hold of a reservation.
pub(super) const JUMP: Duration = Duration::from_secs(400);

/// One life of a program. Clones are the same one.
///
/// Whatever it does to the world outside, it asks for leave first and again afterwards ([`Process::step`]). One that
/// is dead gets none, and so never learns what became of its last step: as if it were no more.
#[derive(Clone)]
pub(super) struct Process {
    pub(super) nature: Arc<Nature>,
    name: &'static str,
    is_mortal: bool,
    state: Arc<State>,
    skew: Arc<AtomicI64>,
}

struct State {
    stand: Mutex<Stand>,
    /// Wakes in the order of waiting, which a watch channel does not.
    changed: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Running,
    Frozen,
    Dead,
}

impl Process {
    /// A program as of the shop.
    pub(super) fn mortal(name: &'static str, nature: &Arc<Nature>) -> Self {
        Self { is_mortal: true, ..Self::immortal(name, nature) }
    }

    /// Somebody who never dies, stands still, or has the wrong time.
    pub(super) fn immortal(name: &'static str, nature: &Arc<Nature>) -> Self {
        let state = State { stand: Mutex::new(Stand::Running), changed: Notify::new() };
        let skew = Arc::default();
        Self { nature: nature.clone(), name, is_mortal: false, state: Arc::new(state), skew }
    }

    /// Before and after each thing that is done to the outside: takes some time, and may be the end.
    pub(super) async fn step(&self, what: &str, how: &str) {
        self.lives().await;
        if self.is_mortal && self.nature.is_stormy() {
            if self.nature.strikes(Fault::Jump) {
                self.jump();
            }
            if self.nature.strikes(Fault::Crash) {
                self.die();
            } else if self.nature.strikes(Fault::Freeze) {
                self.freeze();
            }
        }
        if self.is_mortal && self.nature.strikes(Fault::Slow) {
            sleep(self.nature.millis(SLOW)).await;
        } else if self.nature.draws(0.3) {
            sleep(self.nature.millis(STEP)).await;
        }
        self.lives().await;
        self.nature.note(self.name, what, how);
    }

    /// Waits until it is not frozen; for ever, once it is dead.
    async fn lives(&self) {
        self.state.becomes(|stand| stand == Stand::Running).await;
    }

    /// Ends this life.
    pub(super) fn die(&self) {
        self.nature.note(self.name, "dies", "");
        self.state.set(Stand::Dead);
    }

    /// Resolves once it is dead.
    pub(super) async fn death(&self) {
        self.state.becomes(|stand| stand == Stand::Dead).await;
    }

    /// Whether it can't be reached: what is sent to it now is refused.
    pub(super) fn is_dead(&self) -> bool {
        self.state.stand() == Stand::Dead
    }

    fn freeze(&self) {
        self.nature.note(self.name, "freezes", "");
        self.state.set(Stand::Frozen);
        let (state, pause) = (self.state.clone(), self.nature.millis(FROZEN));
        self.nature.tasks.spawn(async move {
            sleep(pause).await;
            state.set(Stand::Running);
        });
    }

    fn jump(&self) {
        let jump = JUMP.as_micros() as i64;
        let skew = i64::try_from(self.nature.below(2 * JUMP.as_micros() as u64)).unwrap_or(0) - jump;
        self.nature.note(self.name, "jumps", &skew.to_string());
        self.skew.store(skew, Ordering::Relaxed);
    }

    /// The clock is set right.
    pub(super) fn set_right(&self) {
        self.skew.store(0, Ordering::Relaxed);
    }

    /// What a program takes from outside.
    pub(super) fn world(&self) -> World {
        let clock = ProcessClock { time: self.nature.time().clone(), skew: self.skew.clone() };
        let ids = SeededIds { nature: self.nature.clone(), given: AtomicU32::new(0) };
        World {
            clock: Arc::new(clock),
            ids: Arc::new(ids),
            metrics: Metrics::none(),
            tracer: Tracer::default(),
        }
    }
}

impl State {
    fn stand(&self) -> Stand {
        *self.stand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever is dead stays so.
    fn set(&self, next: Stand) {
        let mut stand = self.stand.lock().unwrap_or_else(PoisonError::into_inner);
        if *stand != Stand::Dead {
            *stand = next;
        }
        drop(stand);
        self.changed.notify_waiters();
    }

    async fn becomes(&self, wanted: impl Fn(Stand) -> bool) {
        loop {
            let changed = self.changed.notified();
            if wanted(self.stand()) {
                return;
            }
            changed.await;
        }
    }
}

/// The clock of a program, right or wrong. It always runs at the right speed.
struct ProcessClock {
    time: Arc<Time>,
    skew: Arc<AtomicI64>,
}

impl Clock for ProcessClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.time.now().micros() + self.skew.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        sleep(duration).boxed()
    }
}

/// The clock of whoever is not a program: of a store.
impl Clock for Time {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        sleep(duration).boxed()
    }
}

/// Ids that follow from the seed, those of a program in their order.
struct SeededIds {
    nature: Arc<Nature>,
    given: AtomicU32,
}

impl Ids for SeededIds {
    fn next(&self) -> Uuid {
        let millis = self.nature.time().now().micros().unsigned_abs() / 1000;
        let [_, _, _, _, _, _, mut bytes @ ..] = self.nature.bytes();
        let [_, _, high, low] = self.given.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        [bytes[0], bytes[1]] = [high, low];
        Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }
}
