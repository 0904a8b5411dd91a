//! The shop in a simulated world, in which everything goes wrong that can, as a seed decides.
//!
//! What runs is the shop itself: its services as their programs open them, two of checkout, on their SQLite stores.
//! What is simulated is the world around it: time, ids and chance, the network between the programs, the event log,
//! and the moments at which a program dies. One thread runs all of it, and time passes only when nobody has anything
//! to do, so that a world with minutes of waiting takes some milliseconds, and the same seed makes the same world,
//! to the last step.
//!
//! A few buyers buy what there is not enough of. Meanwhile programs die before or after any step that can be seen from
//! outside, are stopped, stand still for longer than their leases, and have clocks that jump by minutes; calls and
//! answers are lost, late, and repeated up to a minute later; stores are away, and fail without saying whether they
//! wrote; events come again. Then all is well again, and once the shop is at rest the books are audited as
//! `oxcart audit` does it, with what the buyers were told.

mod buyers;
mod log;
mod nature;
mod network;
mod port;
mod process;
mod shop;
mod stores;
mod weather;
mod zoo;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use oxcart::audit::{self, Checkouts, Invariant, Report, Violation};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use types::UserId;

use buyers::{Buyer, Told};
pub use log::Log;
use nature::Nature;
use process::Process;
use shop::Shop;
use stores::Stores;
pub use weather::Fault;
pub use zoo::Bug;

/// Buyers in a world.
const BUYERS: i64 = 3;

/// How long things go wrong at most.
const STORM: Duration = Duration::from_secs(180);

/// How long the shop then may take until it is at rest: as long as the last late call, and the half minute in which
/// every checkout ends. Less than a hold lasts, which must not be what puts things right.
const REST: Duration = Duration::from_secs(120);

/// Worlds, one after the other.
pub struct Simulation {
    stores: Stores,
}

/// What became of a world.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// The same for two worlds in which the same happened.
    pub fingerprint: u64,
    /// Steps that were seen from outside.
    pub events: u64,
    /// How often each fault happened.
    pub faults: BTreeMap<Fault, u64>,
    /// What the audit says in the end.
    pub report: Report,
    /// What happened, if it was asked for.
    pub lines: Vec<String>,
}

impl Outcome {
    /// Whether the shop kept its promises, and came to rest.
    pub fn is_sound(&self) -> bool {
        is_sound(&self.report)
    }
}

fn is_sound(report: &Report) -> bool {
    report.violations.is_empty() && report.checkouts.running == 0
}

impl Simulation {
    /// With stores in this directory: best one in memory.
    ///
    /// # Errors
    /// When they can't be opened there.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        Ok(Self { stores: Stores::open(directory)? })
    }

    /// The world of this seed, to its end. `bug` is wrong with its shop; `is_told` keeps what happens in words.
    ///
    /// # Errors
    /// When the stores themselves fail.
    pub fn run(&mut self, seed: u64, bug: Option<Bug>, is_told: bool) -> anyhow::Result<Outcome> {
        self.stores.reset()?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        runtime.block_on(self.world(seed, bug, is_told))
    }

    async fn world(&self, seed: u64, bug: Option<Bug>, is_told: bool) -> anyhow::Result<Outcome> {
        let nature = Nature::new(seed, bug, self.stores.time.clone(), is_told);
        let shop = Shop::open(&nature, &self.stores);
        let told = Told::default();
        let mut buyers = JoinSet::new();
        for user in 1..=BUYERS {
            let process = Process::immortal("buyer", &nature);
            buyers.spawn(Buyer::new(process, UserId::try_from(user)?, &shop.seats, told.clone()).shops());
        }
        // Whoever is not done by then, goes on in fair weather.
        let _ = timeout(STORM, async { while buyers.join_next().await.is_some() {} }).await;
        nature.calm();
        shop.set_right();
        while buyers.join_next().await.is_some() {}
        let clocks_agree = !nature.recorded().faults.contains_key(&Fault::Jump);
        let report = self.at_rest(&shop, &told, clocks_agree).await?;
        let record = nature.recorded();
        Ok(Outcome {
            seed,
            fingerprint: record.fingerprint(),
            events: record.events,
            faults: record.faults,
            report,
            lines: record.lines.unwrap_or_default(),
        })
    }

    /// The audit of a shop that has come to rest, or should have.
    async fn at_rest(&self, shop: &Shop, told: &Told, clocks_agree: bool) -> anyhow::Result<Report> {
        let (began, mut pause) = (Instant::now(), Duration::from_secs(1));
        loop {
            let facts = self.facts(shop, told)?;
            let report = Report::new(&facts, violations(&facts, clocks_agree));
            if is_sound(&report) || began.elapsed() > REST {
                return Ok(report);
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(60));
        }
    }

    fn facts(&self, shop: &Shop, told: &Told) -> anyhow::Result<audit::Facts> {
        let stores = &self.stores;
        stores.time.stands_still(stores.medium.handle(), stores.facts(&shop.log, told.history()))
    }
}

/// What the audit finds. Where clocks were apart, nobody can say what there was at a moment of theirs.
fn violations(facts: &audit::Facts, clocks_agree: bool) -> Vec<Violation> {
    let mut violations = audit::check(facts);
    violations.retain(|violation| clocks_agree || violation.invariant != Invariant::S6);
    violations
}

/// What many worlds came to.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Worlds.
    pub worlds: u64,
    /// Checkouts that were made in them.
    pub checkouts: Checkouts,
    /// Orders.
    pub orders: usize,
    /// Steps that were seen from outside.
    pub events: u64,
    /// How often each fault happened.
    pub faults: BTreeMap<Fault, u64>,
    /// Worlds that were not sound in the end.
    pub broken: Vec<u64>,
}

/// How a bug was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// In the how many-th world.
    pub worlds: u64,
    /// By what.
    pub violation: String,
}

impl Simulation {
    /// Looks for a world in which the bug shows, in so many at most.
    ///
    /// # Errors
    /// When the stores themselves fail.
    pub fn find_out(&mut self, bug: Bug, at_most: u64) -> anyhow::Result<Option<Found>> {
        for seed in 1..=at_most {
            let outcome = self.run(seed, Some(bug), false)?;
            if !outcome.is_sound() {
                let violation = outcome.report.violations.first().map(ToString::to_string);
                let violation = violation.unwrap_or_else(|| "the shop does not come to rest".to_owned());
                return Ok(Some(Found { worlds: seed, violation }));
            }
        }
        Ok(None)
    }
}

impl Summary {
    /// One more world.
    pub fn add(&mut self, outcome: &Outcome) {
        self.worlds += 1;
        let Checkouts { completed, failed, running } = outcome.report.checkouts;
        self.checkouts.completed += completed;
        self.checkouts.failed += failed;
        self.checkouts.running += running;
        self.orders += outcome.report.orders;
        self.events += outcome.events;
        for (fault, count) in &outcome.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
        if !outcome.is_sound() {
            self.broken.push(outcome.seed);
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worlds, checkouts, orders, events, faults, broken } = self;
        let Checkouts { completed, failed, running } = checkouts;
        writeln!(f, "simulation: {worlds} worlds, {events} steps")?;
        writeln!(
            f,
            "checkouts: {} ({completed} completed, {failed} failed, {running} running), orders: {orders}",
            completed + failed + running
        )?;
        let faults: Vec<String> = faults.iter().map(|(fault, count)| format!("{fault} {count}")).collect();
        writeln!(f, "faults: {}", faults.join(", "))?;
        write!(f, "worlds with violations: {}", broken.len())
    }
}
