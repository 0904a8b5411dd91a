//! From the outbox into a log that is not always there.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use event_log::{Error, Event, EventLog, Outbox, OutboxRow, Subscription, Waiting, lag, relay};
use platform::World;
use testkit::{ManualClock, eventually};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{SOON, event, number};

/// Rows, and whether each is marked.
#[derive(Default)]
struct Rows {
    rows: Mutex<Vec<(OutboxRow, bool)>>,
    looks: AtomicUsize,
    refuses_marks: AtomicBool,
}

impl Rows {
    fn write(&self, topic: &str, numbers: impl IntoIterator<Item = u32>) {
        let mut rows = self.rows.lock().unwrap();
        for number in numbers {
            let seq = i64::try_from(rows.len()).unwrap() + 1;
            rows.push((OutboxRow { seq, topic: topic.to_owned(), event: event(number) }, false));
        }
    }

    fn all_marked(&self) -> bool {
        self.rows.lock().unwrap().iter().all(|(_, marked)| *marked)
    }
}

#[async_trait]
impl Outbox for Rows {
    async fn unpublished(&self, limit: usize) -> Result<Vec<OutboxRow>, sql::Error> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        let rows = self.rows.lock().unwrap();
        Ok(rows.iter().filter(|(_, marked)| !marked).map(|(row, _)| row.clone()).take(limit).collect())
    }

    async fn mark_published(&self, ids: &[i64]) -> Result<(), sql::Error> {
        if self.refuses_marks.load(Ordering::SeqCst) {
            return Err(sql::Error::unavailable("as the test wants"));
        }
        for (row, marked) in self.rows.lock().unwrap().iter_mut() {
            *marked |= ids.contains(&row.seq);
        }
        Ok(())
    }

    async fn waiting(&self) -> Result<Waiting, sql::Error> {
        let rows = self.rows.lock().unwrap();
        let waiting = rows.iter().filter(|(_, marked)| !marked).map(|(row, _)| row.event.time);
        Ok(Waiting { rows: waiting.clone().count().try_into().unwrap(), oldest: waiting.min() })
    }
}

/// A log that loses its answer: it keeps the events and fails, so often.
#[derive(Default)]
struct Forgetful {
    kept: Mutex<Vec<(String, Vec<u32>)>>,
    failures: AtomicUsize,
}

impl Forgetful {
    fn kept(&self) -> Vec<(String, Vec<u32>)> {
        self.kept.lock().unwrap().clone()
    }
}

#[async_trait]
impl EventLog for Forgetful {
    async fn publish(&self, topic: &str, events: &[Event]) -> Result<(), Error> {
        self.kept.lock().unwrap().push((topic.to_owned(), events.iter().map(number).collect()));
        let take_one = |left: usize| left.checked_sub(1);
        match self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take_one) {
            Ok(_) => Err(Error::Unavailable("the answer got lost".into())),
            Err(_) => Ok(()),
        }
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

struct Bench {
    outbox: Arc<Rows>,
    log: Arc<Forgetful>,
    wake: Arc<Notify>,
    clock: ManualClock,
    shutdown: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Bench {
    fn start(outbox: Rows, failures: usize) -> Self {
        let (world, clock) = testkit::world();
        let world = World { ids: World::real().ids, ..world };
        let log = Forgetful { failures: AtomicUsize::new(failures), ..Forgetful::default() };
        let (outbox, log, wake) = (Arc::new(outbox), Arc::new(log), Arc::new(Notify::new()));
        let (shutdown, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(relay(outbox.clone(), log.clone(), wake.clone(), world, shutdown.clone()));
        Self { outbox, log, wake, clock, shutdown, tasks }
    }

    async fn all_marked(&self) {
        eventually("all rows to be marked", SOON, async || self.outbox.all_marked()).await;
    }

    /// The same, while time passes.
    async fn all_marked_in_time(&self) {
        eventually("all rows to be marked", SOON, async || {
            self.clock.advance(Duration::from_secs(1));
            self.outbox.all_marked()
        })
        .await;
    }

    async fn stop(mut self) {
        self.shutdown.cancel();
        self.tasks.join_next().await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn rows_are_carried_in_batches_and_in_order() {
    let outbox = Rows::default();
    outbox.write("t", 1..=250);
    let bench = Bench::start(outbox, 0);
    // The clock stands still: nothing here waits for it.
    bench.all_marked().await;
    let batches = [(1..=100).collect(), (101..=200).collect(), (201..=250).collect::<Vec<u32>>()];
    assert_eq!(bench.log.kept(), batches.map(|batch| ("t".to_owned(), batch)));
    bench.stop().await;
}

#[tokio::test]
async fn each_topic_gets_its_own_in_order() {
    let outbox = Rows::default();
    for number in 1..=3 {
        outbox.write("odd", [2 * number - 1]);
        outbox.write("even", [2 * number]);
    }
    let bench = Bench::start(outbox, 0);
    bench.all_marked().await;
    let expected = [("odd".to_owned(), vec![1, 3, 5]), ("even".to_owned(), vec![2, 4, 6])];
    assert_eq!(bench.log.kept(), expected);
    bench.stop().await;
}

#[tokio::test]
async fn a_commit_wakes_the_relay_and_so_does_time() {
    let bench = Bench::start(Rows::default(), 0);
    for number in 1..=20 {
        bench.outbox.write("t", [number]);
        bench.wake.notify_one();
        bench.all_marked().await;
    }
    // Nobody tells of this one.
    bench.outbox.write("t", [21]);
    bench.all_marked_in_time().await;
    let kept: Vec<u32> = bench.log.kept().into_iter().flat_map(|(_, numbers)| numbers).collect();
    assert_eq!(kept, (1..=21).collect::<Vec<u32>>());
    bench.stop().await;
}

#[tokio::test]
async fn a_lost_answer_repeats_the_batch_and_loses_nothing() {
    let outbox = Rows::default();
    outbox.write("t", 1..=3);
    let bench = Bench::start(outbox, 2);
    bench.all_marked_in_time().await;
    assert_eq!(bench.log.kept(), [1, 2, 3].map(|_| ("t".to_owned(), vec![1, 2, 3])));
    bench.stop().await;
}

#[tokio::test]
async fn rows_that_can_not_be_marked_are_published_again() {
    let outbox = Rows { refuses_marks: AtomicBool::new(true), ..Rows::default() };
    outbox.write("t", [1]);
    let bench = Bench::start(outbox, 0);
    eventually("the second publication", SOON, async || {
        bench.clock.advance(Duration::from_secs(1));
        bench.log.kept().len() >= 2
    })
    .await;
    bench.outbox.refuses_marks.store(false, Ordering::SeqCst);
    bench.all_marked_in_time().await;
    assert!(bench.log.kept().iter().all(|(_, numbers)| *numbers == [1]));
    bench.stop().await;
}

#[tokio::test]
async fn a_log_that_fails_is_left_alone_for_a_while() {
    let outbox = Rows::default();
    outbox.write("t", [1]);
    let bench = Bench::start(outbox, usize::MAX);
    eventually("the first attempt", SOON, async || bench.log.kept().len() == 1).await;
    // The clock stands still and the service goes on writing.
    for _ in 0..50 {
        bench.wake.notify_one();
        tokio::task::yield_now().await;
    }
    assert!(bench.outbox.looks.load(Ordering::SeqCst) <= 2);
    bench.stop().await;
}

#[tokio::test]
async fn how_far_an_outbox_is_behind_is_seen() {
    let (world, clock) = testkit::world();
    let outbox = Arc::new(Rows::default());
    let shutdown = CancellationToken::new();
    let mut watching = JoinSet::new();
    watching.spawn(lag::watch("checkout", outbox.clone(), world.clone(), shutdown.clone()));
    let shows = async |rows: u32, seconds: u32| {
        let wanted = [
            format!("oxcart_outbox_rows{{service=\"checkout\"}} {rows}"),
            format!("oxcart_outbox_oldest_age_seconds{{service=\"checkout\"}} {seconds}"),
        ];
        eventually(&wanted.join(", "), SOON, async || {
            let text = world.metrics.text();
            wanted.iter().all(|line| text.lines().any(|found| found == line))
        })
        .await;
    };
    shows(0, 0).await;
    outbox.write("t", 1..=3);
    for (row, _) in outbox.rows.lock().unwrap().iter_mut() {
        row.event.time = world.clock.now();
    }
    clock.advance(Duration::from_secs(5));
    shows(3, 5).await;
    clock.advance(Duration::from_secs(35));
    shows(3, 40).await;
    outbox.mark_published(&[1, 2, 3]).await.unwrap();
    clock.advance(Duration::from_secs(5));
    shows(0, 0).await;
    shutdown.cancel();
    watching.join_all().await.into_iter().collect::<anyhow::Result<()>>().unwrap();
}
