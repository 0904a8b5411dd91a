//! Many writers and several carriers at once.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use event_log::postgres::outbox;
use event_log::{Error, Event, EventLog, Outbox as _, Subscription, relay};
use platform::World;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use testkit::eventually;
use tokio::sync::Notify;
use tokio::task::{JoinSet, yield_now};
use tokio_util::sync::CancellationToken;

use super::{Shared, by_key, event_of, on_postgres};
use crate::SOON;

const CARRIERS: usize = 3;
const WRITERS: u32 = 6;
const KEYS: u32 = 24;
const ROWS_OF_A_KEY: u32 = 30;
const ROWS: usize = (KEYS * ROWS_OF_A_KEY) as usize;

/// What the carriers published, in the order in which the log got it.
#[derive(Default)]
struct Witness {
    published: Mutex<Vec<(usize, Event)>>,
}

/// The log, as one carrier sees it.
struct Line {
    carrier: usize,
    witness: Arc<Witness>,
    dice: Mutex<StdRng>,
    /// The share of publications whose answer is lost.
    lossy: f64,
}

#[async_trait]
impl EventLog for Line {
    async fn publish(&self, _: &str, events: &[Event]) -> Result<(), Error> {
        let (turns, lost) = {
            let mut dice = self.dice.lock().unwrap();
            (dice.random_range(0..50), dice.random_bool(self.lossy))
        };
        for _ in 0..turns {
            yield_now().await;
        }
        let events = events.iter().map(|event| (self.carrier, event.clone()));
        self.witness.published.lock().unwrap().extend(events);
        if lost { Err(Error::Unavailable("the answer got lost".into())) } else { Ok(()) }
    }

    async fn subscribe(&self, _: &str, _: &[&str]) -> Result<Box<dyn Subscription>, Error> {
        Err(Error::Defect("nobody reads here".into()))
    }

    async fn behind(&self, _: &str, _: &[&str]) -> Result<u64, Error> {
        Err(Error::Defect("nobody reads here".into()))
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// What came of it all.
struct Outcome {
    /// All that was published, with its carrier, in the order of the log.
    published: Vec<(usize, Event)>,
    /// Batches that could not be marked, in a store too busy to answer.
    failures: usize,
}

/// Lets writers write the rows of each key in their order, while the carriers carry them.
async fn hammer(shared: &Shared, lossy: f64) -> Outcome {
    let witness = Arc::new(Witness::default());
    let shutdown = CancellationToken::new();
    let mut carriers = JoinSet::new();
    let mut instances = Vec::new();
    for carrier in 0..CARRIERS {
        let instance = Arc::new(shared.instance(carrier as u128).await);
        let wake = Arc::new(Notify::new());
        let dice = Mutex::new(StdRng::seed_from_u64(carrier as u64));
        let line = Arc::new(Line { carrier, witness: witness.clone(), dice, lossy });
        carriers.spawn(relay(instance.clone(), line, wake.clone(), World::real(), shutdown.clone()));
        instances.push((instance, wake));
    }

    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let instances = instances.clone();
        writers.spawn(async move {
            let mut dice = StdRng::seed_from_u64(writer.into());
            let (instance, _) = &instances[writer as usize % CARRIERS];
            for row in 0..ROWS_OF_A_KEY {
                for key in (writer..KEYS).step_by(WRITERS as usize) {
                    instance.write([(format!("key {key}").as_str(), key * ROWS_OF_A_KEY + row)]).await;
                    // Whoever wrote it, any of them may be the first to look.
                    instances[dice.random_range(0..CARRIERS)].1.notify_one();
                }
            }
        });
    }
    writers.join_all().await;
    let (instance, _) = &instances[0];
    eventually("everything to be marked", SOON, async || {
        let all = instance.all().await;
        all.len() == ROWS && all.iter().all(|written| written.published)
    })
    .await;
    shutdown.cancel();
    for ended in carriers.join_all().await {
        ended.unwrap();
    }
    let published = std::mem::take(&mut *witness.published.lock().unwrap());
    let failures = instances.iter().map(|(instance, _)| instance.failures.load(Ordering::Relaxed)).sum();
    Outcome { published, failures }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_carriers_carry_each_row_once_and_each_key_in_order() {
    on_postgres(async |shared| {
        let Outcome { published, failures } = hammer(shared, 0.0).await;
        check_each_key(&published);
        assert!(published.len() == ROWS || failures > 0, "{} for {ROWS}", published.len());
        let busy: BTreeSet<usize> = published.iter().map(|(carrier, _)| *carrier).collect();
        assert_eq!(busy.len(), CARRIERS, "that was no race");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lost_answers_repeat_rows_and_neither_lose_nor_reorder_any() {
    on_postgres(async |shared| {
        let Outcome { published, .. } = hammer(shared, 0.1).await;
        assert!(published.len() > ROWS, "no answer was lost");
        check_each_key(&published);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backlog_is_shared_without_an_overlap_whatever_the_batches() {
    on_postgres(async |shared| {
        let rows = (0..KEYS * ROWS_OF_A_KEY).map(|number| (number % KEYS, number));
        let writer = shared.instance(99).await;
        let mut transaction = writer.database.begin().await.unwrap();
        for (key, number) in rows {
            let event = event_of(&format!("key {key}"), number);
            outbox::write(&mut transaction, "t", &event).await.unwrap();
        }
        transaction.commit().await.unwrap();

        let carried = Arc::new(Mutex::new(Vec::new()));
        let mut carriers = JoinSet::new();
        for (carrier, batch) in [(1, 1), (2, 7), (3, 100), (4, 40)] {
            let (instance, carried) = (shared.instance(carrier).await, carried.clone());
            carriers.spawn(async move {
                let total = ROWS;
                while carried.lock().unwrap().len() < total {
                    let rows = instance.unpublished(batch).await.unwrap();
                    let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
                    carried.lock().unwrap().extend(rows.into_iter().map(|row| row.event));
                    instance.mark_published(&seqs).await.unwrap();
                }
            });
        }
        carriers.join_all().await;
        let carried = carried.lock().unwrap();
        assert_eq!(carried.len(), ROWS);
        for (key, numbers) in by_key(carried.iter()) {
            assert_eq!(numbers.len(), ROWS_OF_A_KEY as usize);
            assert!(numbers.is_sorted_by(|one, next| one < next), "{key}: {numbers:?}");
        }
    })
    .await;
}

/// Fails unless each row is there and came, for the first time, after those before it of its key.
fn check_each_key(published: &[(usize, Event)]) {
    let mut seen = BTreeSet::new();
    let first = published.iter().map(|(_, event)| event).filter(|event| seen.insert(event.id));
    let keys = by_key(first);
    assert_eq!(keys.len(), KEYS as usize);
    for (key, numbers) in keys {
        assert_eq!(numbers.len(), ROWS_OF_A_KEY as usize, "{key}");
        assert!(numbers.is_sorted(), "{key}: {numbers:?}");
    }
}
