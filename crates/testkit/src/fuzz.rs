//! Input that nobody thought of.
//!
//! On stable Rust and in the build that the other tests have already: what drives a fuzzer by the coverage of the code
//! wants a build of its own, of everything. Here it is the outcome that drives: an input that ends as none before is
//! built upon.

use std::any::Any;
use std::collections::HashSet;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash};
use std::io::{Seek as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::figures;

/// The variable that says for how many seconds each target is tried; unset: for [`FEW`] inputs, always the same.
const SECONDS: &str = "OXCART_FUZZ_SECONDS";
/// The variable that leads a search elsewhere, to be set by hand: checks that fail by chance, and not by what was changed,
/// are soon not looked at.
const SEED: &str = "OXCART_FUZZ_SEED";
/// Inputs made up where nobody wants more.
const FEW: u64 = 1_000;

/// The longest input, in bytes.
const LONGEST: usize = 16 * 1024;
/// Inputs that are built upon.
const MOST: usize = 2_000;
/// Mutations of an input, at most.
const CHANGES: usize = 6;
/// How often a part is repeated, at most.
const REPEATS: usize = 256;

/// Tries `check` on every file in `corpus`, and then on what becomes of them by chance, with `words` strewn in. `check`
/// panics where a promise is broken, and returns how the input ended: its shape. The figures of a long search are told
/// as those of "fuzz `target`".
///
/// # Panics
/// When `check` does, on an input that lies in the corpus then, as it does when the whole process ends; and if there is
/// no corpus.
pub fn fuzz<O: Hash>(target: &str, corpus: &Path, words: &[&str], check: impl Fn(&[u8]) -> O) {
    let effort = std::env::var(SECONDS).map_or(Effort::Few, |text| {
        Effort::Time(Duration::from_secs(text.parse().expect("OXCART_FUZZ_SECONDS is a number")))
    });
    let suite = format!("fuzz {target}");
    match (search(corpus, words, effort, check), effort) {
        (Ok(_), Effort::Few) => {}
        (Ok(Found { seeds, executions, known, shapes }), Effort::Time(time)) => figures::tell(
            &suite,
            format_args!(
                "{executions} executions in {} s, 0 crashes, {seeds} inputs in the corpus of {known} shapes, {} new ones",
                time.as_secs(),
                shapes - known
            ),
        ),
        (Err(Crash { executions, kept, panic }), _) => {
            figures::tell(&suite, format_args!("{executions} executions, 1 crash: {}", kept.display()));
            resume_unwind(panic)
        }
    }
}

/// How far a search goes beyond its corpus.
#[derive(Debug, Clone, Copy)]
enum Effort {
    /// A few inputs.
    Few,
    /// Until the time is over.
    Time(Duration),
}

/// What there is to tell of a search that found nothing wrong.
#[derive(Debug, PartialEq)]
struct Found {
    /// Inputs in the corpus.
    seeds: usize,
    executions: u64,
    /// Shapes that the corpus has.
    known: usize,
    /// All of them.
    shapes: usize,
}

/// The end of a search that did.
#[derive(Debug)]
struct Crash {
    executions: u64,
    /// Where the input is.
    kept: PathBuf,
    panic: Box<dyn Any + Send>,
}

fn search<O: Hash>(
    corpus: &Path,
    words: &[&str],
    effort: Effort,
    check: impl Fn(&[u8]) -> O,
) -> Result<Found, Crash> {
    let mut inputs = read(corpus);
    let seeds = inputs.len();
    assert!(seeds > 0, "{} holds no input", corpus.display());
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let mut trial = Trial::begin(corpus);
    let (mut executions, mut shapes) = (0, HashSet::new());
    let mut run = |input: &[u8]| {
        trial.is_of(input);
        executions += 1;
        match catch_unwind(AssertUnwindSafe(|| check(input))) {
            Ok(outcome) => Ok(shapes.insert(hasher.hash_one(outcome))),
            Err(panic) => {
                let kept = corpus.join(format!("crash-{:016x}", hasher.hash_one(input)));
                fs::write(&kept, input).unwrap_or_else(|error| panic_with(&kept, &error));
                trial.over();
                Err(Crash { executions, kept, panic })
            }
        }
    };
    let mut known = 0;
    for input in &inputs {
        known += usize::from(run(input)?);
    }
    let seed = std::env::var(SEED).map_or(0, |text| text.parse().expect("OXCART_FUZZ_SEED is a number"));
    let mut chance = StdRng::seed_from_u64(seed);
    let end = match effort {
        Effort::Few => None,
        Effort::Time(time) => Some(Instant::now() + time),
    };
    let (mut tried, mut found) = (0, 0);
    while end.map_or(tried < FEW, |end| Instant::now() < end) {
        tried += 1;
        let input = changed(&inputs, words, &mut chance);
        if run(&input)? {
            found += 1;
            if inputs.len() < MOST {
                inputs.push(input);
            }
        }
    }
    trial.over();
    Ok(Found { seeds, executions, known, shapes: known + found })
}

/// The input under trial: in a file of the corpus, since a process that overflows its stack tells nobody.
struct Trial {
    file: File,
    path: PathBuf,
}

impl Trial {
    fn begin(corpus: &Path) -> Self {
        let path = corpus.join("unfinished");
        let file = File::create(&path).unwrap_or_else(|error| panic_with(&path, &error));
        Self { file, path }
    }

    fn is_of(&mut self, input: &[u8]) {
        let written = self.file.set_len(0).and_then(|()| self.file.rewind());
        let written = written.and_then(|()| self.file.write_all(input));
        written.unwrap_or_else(|error| panic_with(&self.path, &error));
    }

    fn over(&self) {
        // Another process that tries the same corpus may have been faster.
        let _ = fs::remove_file(&self.path);
    }
}

fn read(corpus: &Path) -> Vec<Vec<u8>> {
    let files = fs::read_dir(corpus).unwrap_or_else(|error| panic_with(corpus, &error));
    let mut paths: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap_or_else(|error| panic_with(path, &error))).collect()
}

#[expect(clippy::panic, reason = "a test that can't read its input, or keep it, has failed")]
fn panic_with(path: &Path, error: &std::io::Error) -> ! {
    panic!("{}: {error}", path.display())
}

/// One of the inputs, changed here and there.
fn changed(inputs: &[Vec<u8>], words: &[&str], chance: &mut StdRng) -> Vec<u8> {
    let mut input = inputs.choose(chance).cloned().unwrap_or_default();
    for _ in 0..chance.random_range(1..=CHANGES) {
        let (from, to) = part(&input, chance);
        let byte = chance.random();
        let word = words.choose(chance).copied().unwrap_or_default().as_bytes();
        match chance.random_range(0..8) {
            0 => {
                if let Some(there) = input.get_mut(from) {
                    *there = byte;
                }
            }
            1 => drop(input.splice(from..from, [byte])),
            2 => drop(input.splice(from..from, word.iter().copied())),
            3 => drop(input.splice(from..to, word.iter().copied())),
            4 => drop(input.drain(from..to)),
            5 => input.truncate(from),
            6 => {
                let part = input.get(from..to).unwrap_or_default().repeat(chance.random_range(1..=REPEATS));
                drop(input.splice(from..to, part));
            }
            _ => {
                let other = inputs.choose(chance).map(Vec::as_slice).unwrap_or_default();
                let (begins, ends) = part(other, chance);
                drop(input.splice(from..to, other.get(begins..ends).unwrap_or_default().iter().copied()));
            }
        }
        input.truncate(LONGEST);
    }
    input
}

/// Where a part begins and ends; most are short.
fn part(input: &[u8], chance: &mut StdRng) -> (usize, usize) {
    let from = chance.random_range(0..=input.len());
    let longest = if chance.random_range(0..4) == 0 { input.len() } else { 8 };
    let to = from + chance.random_range(0..=longest);
    (from, to.min(input.len()))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn corpus() -> TempDir {
        let corpus = TempDir::new().unwrap();
        fs::write(corpus.path().join("seed"), "hello").unwrap();
        corpus
    }

    /// How far an input has come to "boom".
    fn steps(input: &[u8]) -> usize {
        input.iter().zip(b"boom").take_while(|(is, wanted)| is == wanted).count()
    }

    #[test]
    fn what_takes_several_steps_is_found_and_kept() {
        let corpus = corpus();
        let crash = search(corpus.path(), &["bo"], Effort::Time(Duration::from_secs(60)), |input| {
            assert!(steps(input) < 4, "boom");
            steps(input)
        });
        assert!(fs::read(crash.unwrap_err().kept).unwrap().starts_with(b"boom"));
        assert_eq!(fs::read_dir(corpus.path()).unwrap().count(), 2, "the seed, and the input that was kept");
    }

    #[test]
    fn the_input_under_trial_is_in_the_corpus_and_tried_again() {
        let corpus = corpus();
        let running = corpus.path().join("unfinished");
        search(corpus.path(), &["bo"], Effort::Few, |input| {
            assert_eq!(fs::read(&running).unwrap(), input);
        })
        .unwrap();
        assert!(!running.exists());
        fs::write(&running, "left by a process that is no more").unwrap();
        let crash = search(corpus.path(), &[], Effort::Few, |input| assert!(!input.starts_with(b"left by")));
        assert_eq!(crash.unwrap_err().executions, 2);
    }

    #[test]
    fn a_short_search_is_the_same_each_time() {
        let corpus = corpus();
        let found = || search(corpus.path(), &["bo"], Effort::Few, <[u8]>::len).unwrap();
        let once = found();
        assert_eq!((once.executions, once.seeds, once.known), (FEW + 1, 1, 1));
        assert!(once.shapes > 10, "{once:?}");
        assert_eq!(found(), once);
    }
}
