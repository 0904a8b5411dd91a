//! The shop in simulated worlds. The command `proof` runs any number of them.

use std::sync::Arc;

use async_trait::async_trait;
use event_log::EventLog;
use event_log::conformance::{self, Place};
use platform::clock::SystemClock;
use proof::simulation::{Bug, Fault, Log, Simulation, Summary};
use testkit::TempDir;

/// Enough for each fault to happen, and little enough for every day.
const WORLDS: u64 = 100;

fn simulation() -> (Simulation, TempDir) {
    let directory = TempDir::new().unwrap();
    (Simulation::open(directory.path()).unwrap(), directory)
}

#[test]
fn the_shop_keeps_every_promise_in_every_world() {
    let (mut simulation, _directory) = simulation();
    let mut summary = Summary::default();
    for seed in 1..=WORLDS {
        let outcome = simulation.run(seed, None, false).unwrap();
        assert!(outcome.is_sound(), "seed {seed}: {}", outcome.report);
        summary.add(&outcome);
    }
    testkit::figures::tell(
        "simulation, in passing",
        format!("worlds: {WORLDS}, checkouts: {}", summary.checkouts.completed + summary.checkouts.failed),
    );
    println!("{summary}");
    for fault in Fault::ALL {
        assert!(summary.faults.contains_key(&fault), "{fault}: never");
    }
    assert!(summary.checkouts.completed > 100 && summary.checkouts.failed > 100, "{summary}");
}

/// To the last step, whatever was simulated before.
#[test]
fn the_same_seed_makes_the_same_world() {
    let (mut simulation, _directory) = simulation();
    let mut run = |seed| simulation.run(seed, None, true).unwrap();
    for seed in [3, 4, 5, 6] {
        let first = run(seed);
        assert_ne!(run(seed + 1000).fingerprint, first.fingerprint);
        let second = run(seed);
        assert_eq!(first.lines, second.lines, "seed {seed}");
        assert_eq!((first.fingerprint, first.report), (second.fingerprint, second.report), "seed {seed}");
    }
}

/// The quick ones; the command `proof zoo` goes on until it has found all of them.
#[test]
fn a_shop_that_is_wrong_is_found_out() {
    let (mut simulation, _directory) = simulation();
    let bugs = [Bug::NoFence, Bug::KeyPerAttempt, Bug::MarkedBeforePublished, Bug::OffsetBeforeEffect];
    for bug in bugs {
        let found = simulation.find_out(bug, WORLDS).unwrap();
        let found = found.unwrap_or_else(|| panic!("{bug}: not found out"));
        println!("{bug}: found in world {}: {}", found.worlds, found.violation);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_world_does_what_every_log_does() {
    struct Memory(Log);

    #[async_trait]
    impl Place for Memory {
        async fn open(&self) -> anyhow::Result<Arc<dyn EventLog>> {
            Ok(Arc::new(self.0.clone()))
        }
    }

    conformance::all(&Memory(Log::new(Arc::new(SystemClock)))).await.unwrap();
}
