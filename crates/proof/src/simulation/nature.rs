//! What everything in a simulated world has in common: chance, time, and the record of what happened.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cart_service::cart::Cart;
use futures::executor::block_on;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::runtime::Handle;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use types::{Timestamp, UserId};

use super::weather::{Fault, Weather};
use super::zoo::Bug;

/// 2025-11-22T20:15:30Z: where every world begins.
const BEGINNING: i64 = 1_763_842_530_000_000;

/// Where nothing is frozen.
const RUNNING: i64 = i64::MIN;

/// The nature of one world. Everything that is drawn, is drawn here, in the order in which the world goes: the same
/// seed makes the same world.
pub(super) struct Nature {
    /// Where tasks belong that nobody waits for.
    pub(super) tasks: TaskTracker,
    /// What is wrong with the shop, if anything.
    pub(super) bug: Option<Bug>,
    /// For [`Bug::StaleCart`]: the first cart of each user that was ever read.
    pub(super) seen_carts: Mutex<BTreeMap<UserId, Cart>>,
    chance: Mutex<StdRng>,
    weather: Weather,
    is_stormy: AtomicBool,
    time: Arc<Time>,
    record: Mutex<Record>,
}

/// The time of a world: that of its runtime, which moves on when nobody has anything to do.
#[derive(Debug)]
pub(super) struct Time {
    frozen: AtomicI64,
    begun: Mutex<Option<Instant>>,
}

/// What happened in a world.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    /// Each line that was noted, if they are kept.
    pub(super) lines: Option<Vec<String>>,
    /// How many were noted.
    pub(super) events: u64,
    /// How often each fault happened.
    pub(super) faults: BTreeMap<Fault, u64>,
    hasher: DefaultHasher,
}

impl Nature {
    /// The nature that follows from a seed. `is_told` keeps what happens in words.
    pub(super) fn new(seed: u64, bug: Option<Bug>, time: Arc<Time>, is_told: bool) -> Arc<Self> {
        let mut chance = StdRng::seed_from_u64(seed);
        let weather = Weather::draw(&mut chance);
        let record = Record { lines: is_told.then(Vec::new), ..Record::default() };
        time.begin();
        Arc::new(Self {
            tasks: TaskTracker::new(),
            bug,
            seen_carts: Mutex::default(),
            chance: Mutex::new(chance),
            weather,
            is_stormy: AtomicBool::new(true),
            time,
            record: Mutex::new(record),
        })
    }

    /// Whether it comes to this fault now. Never again once the world is [`Nature::calm`].
    pub(super) fn strikes(&self, fault: Fault) -> bool {
        if !self.is_stormy.load(Ordering::Relaxed) || !self.draws(self.weather.rate(fault)) {
            return false;
        }
        *self.record().faults.entry(fault).or_default() += 1;
        self.note("", "  fault:", fault.words());
        true
    }

    /// From now on nothing goes wrong.
    pub(super) fn calm(&self) {
        self.is_stormy.store(false, Ordering::Relaxed);
        self.note("calm", "", "");
    }

    /// Whether things still go wrong.
    pub(super) fn is_stormy(&self) -> bool {
        self.is_stormy.load(Ordering::Relaxed)
    }

    /// Whether this comes true, which it does in `share` of all cases.
    pub(super) fn draws(&self, share: f64) -> bool {
        share > 0.0 && self.chance(|chance| chance.random_bool(share))
    }

    /// A number below `bound`.
    pub(super) fn below(&self, bound: u64) -> u64 {
        self.chance(|chance| chance.random_range(0..bound.max(1)))
    }

    /// A whole number of milliseconds, below so many.
    pub(super) fn millis(&self, bound: u64) -> Duration {
        Duration::from_millis(self.below(bound))
    }

    /// Sixteen bytes.
    pub(super) fn bytes(&self) -> [u8; 16] {
        self.chance(|chance| chance.random())
    }

    fn chance<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.chance.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The time, the same for all.
    pub(super) fn time(&self) -> &Arc<Time> {
        &self.time
    }

    /// Records that something happened.
    pub(super) fn note(&self, who: &str, what: &str, how: &str) {
        let at = self.time.now().micros();
        let mut record = self.record();
        record.events += 1;
        (at, who, what, how).hash(&mut record.hasher);
        if let Some(lines) = &mut record.lines {
            let seconds = (at - BEGINNING) as f64 / 1e6;
            lines.push(format!("{seconds:10.3} {who:<11} {what} {how}"));
        }
    }

    /// What happened so far.
    pub(super) fn recorded(&self) -> Record {
        self.record().clone()
    }

    fn record(&self) -> std::sync::MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// The same for two worlds in which the same happened.
    pub(super) fn fingerprint(&self) -> u64 {
        self.hasher.finish()
    }
}

impl Time {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { frozen: AtomicI64::new(RUNNING), begun: Mutex::new(None) })
    }

    /// A world begins, at the same moment as all others.
    fn begin(&self) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// This moment.
    pub(super) fn now(&self) -> Timestamp {
        let frozen = self.frozen.load(Ordering::Relaxed);
        if frozen != RUNNING {
            return Timestamp::from_micros(frozen);
        }
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        Timestamp::from_micros(BEGINNING).after(passed)
    }

    /// Does what the stores do in the runtime of that handle in one go, during which no time passes and other threads
    /// may ask what time it is.
    pub(super) fn stands_still<T>(&self, medium: &Handle, during: impl Future<Output = T>) -> T {
        self.frozen.store(self.now().micros(), Ordering::Relaxed);
        let entered = medium.enter();
        let done = block_on(unconstrained(during));
        drop(entered);
        self.frozen.store(RUNNING, Ordering::Relaxed);
        done
    }
}
