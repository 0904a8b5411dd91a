//! The simulation as a command: any number of worlds, or one of them in words, or the zoo.

#![expect(clippy::print_stdout, reason = "it is what the command is for")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use proof::simulation::{Bug, Simulation, Summary};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Proves the shop, in simulated worlds.
#[derive(Parser)]
#[command(name = "proof")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs many worlds, each of a seed of its own, and says what became of them.
    Simulate {
        /// How many.
        #[arg(long, default_value_t = 10_000)]
        worlds: u64,
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        first: u64,
    },
    /// Runs one world, and says all that happens in it.
    World {
        /// Its seed.
        seed: u64,
        /// What is wrong with the shop, if anything.
        #[arg(long)]
        bug: Option<Bug>,
    },
    /// Sets the simulation on shops that are wrong, and says how each is found out.
    Zoo {
        /// Worlds for each of them at most.
        #[arg(long, default_value_t = 1_000)]
        worlds: u64,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let is_well = match Cli::parse().command {
        Command::Simulate { worlds, first } => simulate(worlds, first)?,
        Command::World { seed, bug } => tell(seed, bug)?,
        Command::Zoo { worlds } => zoo(worlds)?,
    };
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn simulate(worlds: u64, first: u64) -> anyhow::Result<bool> {
    let began = Instant::now();
    let (next, summary) = (AtomicU64::new(first), Mutex::new(Summary::default()));
    on_each_core(|simulation| {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + worlds {
                return Ok(());
            }
            let outcome = simulation.run(seed, None, false)?;
            if !outcome.is_sound() {
                println!("seed {seed}:\n{}", outcome.report);
            }
            summary.lock().unwrap_or_else(PoisonError::into_inner).add(&outcome);
        }
    })?;
    let summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{summary}");
    println!("in {:.0} s; any of them again: proof world <seed>", began.elapsed().as_secs_f64());
    Ok(summary.broken.is_empty())
}

fn tell(seed: u64, bug: Option<Bug>) -> anyhow::Result<bool> {
    let directory = directory()?;
    let outcome = Simulation::open(directory.path())?.run(seed, bug, true)?;
    for line in &outcome.lines {
        println!("{line}");
    }
    println!("fingerprint {:016x}\n{}", outcome.fingerprint, outcome.report);
    Ok(outcome.is_sound())
}

fn zoo(worlds: u64) -> anyhow::Result<bool> {
    let (next, missed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    on_each_core(|simulation| {
        loop {
            let place = usize::try_from(next.fetch_add(1, Ordering::Relaxed))?;
            let Some(&bug) = Bug::ALL.get(place) else { return Ok(()) };
            match simulation.find_out(bug, worlds)? {
                Some(found) => println!("{bug}: found in world {}: {}", found.worlds, found.violation),
                None => {
                    println!("{bug}: NOT FOUND in {worlds} worlds");
                    missed.lock().unwrap_or_else(PoisonError::into_inner).push(bug);
                }
            }
        }
    })?;
    let missed = missed.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("zoo: {} bugs, {} not found", Bug::ALL.len(), missed.len());
    Ok(missed.is_empty())
}

/// Works with a simulation on each core. A world is a conversation of a few threads, of which one runs at a time: on
/// one core they hand over to each other in a fraction of the time.
fn on_each_core(work: impl Fn(&mut Simulation) -> anyhow::Result<()> + Sync) -> anyhow::Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|core| {
                let work = &work;
                scope.spawn(move || {
                    let mut set = CpuSet::new();
                    set.set(core);
                    // Where that is not allowed it takes longer.
                    let _ = sched_setaffinity(None, &set);
                    let directory = directory()?;
                    work(&mut Simulation::open(directory.path())?)
                })
            })
            .collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a simulation panicked"))??;
        }
        Ok(())
    })
}

/// For the stores: in memory, where the machine has such a place.
fn directory() -> anyhow::Result<tempfile::TempDir> {
    let memory = PathBuf::from("/dev/shm");
    let place = if memory.is_dir() { memory } else { std::env::temp_dir() };
    tempfile::tempdir_in(&place).with_context(|| format!("no directory in {}", place.display()))
}
