//! Consumers and what they do about failures.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use event_log::Archive as _;
use event_log::sqlite::{Archive, Log};
use event_log::{Event, EventLog, HandleError, Handler, consume, lag};
use platform::World;
use sql::sqlite::Sharing;
use testkit::{ManualClock, TempDir, eventually};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{SOON, event, number, numbers};

/// What the handler does when it is called next.
enum Act {
    Retry,
    Reject,
    Fail,
    Panic,
    /// Takes a second, then takes the event.
    TakeTime,
    /// Is never done.
    Hang,
}

#[derive(Default)]
struct Script {
    /// Acts for the events with these numbers; without one an event is taken.
    acts: Mutex<VecDeque<(u32, Act)>>,
    called: Mutex<Vec<u32>>,
    clock: Option<ManualClock>,
}

#[async_trait]
impl Handler for Script {
    async fn handle(&self, topic: &str, event: &Event) -> Result<(), HandleError> {
        assert_eq!(topic, "t");
        self.called.lock().unwrap().push(number(event));
        let act = {
            let mut acts = self.acts.lock().unwrap();
            let next = acts.pop_front_if(|(of, _)| *of == number(event));
            next.map(|(_, act)| act)
        };
        match act {
            None => Ok(()),
            Some(Act::Retry) => Err(HandleError::Retry(anyhow!("the store is away"))),
            Some(Act::Reject) => Err(HandleError::Reject("no such field".to_owned())),
            Some(Act::Fail) => Err(HandleError::Failed(anyhow!("no such user").context("not applied"))),
            Some(Act::Panic) => panic!("as the test wants"),
            Some(Act::TakeTime) => {
                self.clock.as_ref().unwrap().advance(Duration::from_secs(1));
                Ok(())
            }
            Some(Act::Hang) => std::future::pending().await,
        }
    }
}

struct Bench {
    _directory: TempDir,
    log: Log,
    world: World,
    clock: ManualClock,
    script: Arc<Script>,
    shutdown: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Bench {
    /// A consumer with this script, and three events in its topic.
    async fn start(acts: impl IntoIterator<Item = (u32, Act)>) -> Self {
        let directory = TempDir::new().unwrap();
        let (world, clock) = testkit::world();
        let path = directory.path().join("events.db");
        let log = Log::open(&path, Sharing::Exclusive, world.clone()).await.unwrap();
        log.publish("t", &[event(1), event(2), event(3)]).await.unwrap();
        let acts = Mutex::new(acts.into_iter().collect());
        let script = Arc::new(Script { acts, clock: Some(clock.clone()), ..Script::default() });
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (handler, end) = (Arc::clone(&script), shutdown.clone());
        tasks.spawn(consume(Arc::new(log.clone()), "g", &["t"], handler, world.clone(), end));
        Self { _directory: directory, log, world, clock, script, shutdown, tasks }
    }

    /// Looks how far the group is behind.
    fn watch(&mut self) {
        let (log, world) = (Arc::new(self.log.clone()), self.world.clone());
        self.tasks.spawn(lag::watch_group("g", &["t"], log, world, self.shutdown.clone()));
    }

    fn called(&self) -> Vec<u32> {
        self.script.called.lock().unwrap().clone()
    }

    /// Lets time pass until the handler was called so often.
    async fn calls(&self, count: usize) {
        eventually("the handler to be called", SOON, async || {
            self.clock.advance(Duration::from_millis(500));
            self.called().len() >= count
        })
        .await;
    }

    /// Shuts the consumer down and looks what a new member of its group would get.
    async fn left_over(&mut self) -> Vec<u32> {
        self.shutdown.cancel();
        self.tasks.join_next().await.unwrap().unwrap().unwrap();
        let mut member = self.log.subscribe("g", &["t"]).await.unwrap();
        // One more event, so that there is something to wait for.
        self.log.publish("t", &[event(99)]).await.unwrap();
        numbers(&tokio::time::timeout(SOON, member.next()).await.unwrap().unwrap())
    }
}

#[tokio::test]
async fn events_come_in_order_and_are_committed() {
    let mut bench = Bench::start([]).await;
    bench.calls(3).await;
    bench.log.publish("t", &[event(4)]).await.unwrap();
    bench.calls(4).await;
    assert_eq!(bench.called(), [1, 2, 3, 4]);
    assert_eq!(bench.left_over().await, [99]);
}

#[tokio::test]
async fn transient_trouble_is_tried_again_for_ever_and_later_events_wait() {
    let mut bench = Bench::start((0..30).map(|_| (2, Act::Retry))).await;
    bench.calls(33).await;
    let mut expected = vec![1];
    expected.extend([2; 31]);
    expected.push(3);
    assert_eq!(bench.called(), expected);
    assert!(bench.log.dead_letters().await.unwrap().is_empty());
    assert_eq!(bench.left_over().await, [99]);
}

/// Whoever gets the partition next begins there, if we die while we are at the third.
#[tokio::test]
async fn what_takes_long_is_committed_on_the_way() {
    let bench = Bench::start([(1, Act::TakeTime), (2, Act::TakeTime), (3, Act::Hang)]).await;
    let archive = Archive::open(&bench._directory.path().join("events.db")).await.unwrap();
    let second = bench.log.events("t").await.unwrap()[1].offset;
    let committed = async || {
        let progress = archive.progress(&["g"], &["t"]).await.unwrap();
        bench.called() == [1, 2, 3] && progress.first().is_some_and(|progress| progress.next == second + 1)
    };
    eventually("the commit of two events", SOON, committed).await;
}

#[tokio::test]
async fn what_can_not_be_understood_is_given_up_at_once() {
    let mut bench = Bench::start([(2, Act::Reject)]).await;
    bench.calls(3).await;
    assert_eq!(bench.called(), [1, 2, 3]);
    assert_eq!(bench.left_over().await, [99]);
    let dead = bench.log.dead_letters().await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].reason.as_str(), number(&dead[0].delivery.event)), ("no such field", 2));
}

#[tokio::test]
async fn five_definite_failures_are_the_end_and_transient_ones_do_not_count() {
    let acts = [Act::Fail, Act::Retry, Act::Panic, Act::Fail, Act::Retry, Act::Panic, Act::Fail];
    let mut bench = Bench::start(acts.map(|act| (1, act))).await;
    bench.calls(9).await;
    assert_eq!(bench.called(), [1, 1, 1, 1, 1, 1, 1, 2, 3]);
    assert_eq!(bench.left_over().await, [99]);
    let dead = bench.log.dead_letters().await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].reason, "not applied: no such user");
    assert_eq!((dead[0].delivery.topic.as_str(), number(&dead[0].delivery.event)), ("t.dlq", 1));
}

/// Says how far the group is behind once it was asked again.
async fn shows(bench: &Bench, wanted: &str) {
    let line = format!("oxcart_consumer_lag_events{{group=\"g\"}} {wanted}");
    eventually(&line, SOON, async || {
        bench.clock.advance(Duration::from_secs(5));
        bench.world.metrics.text().lines().any(|shown| shown == line)
    })
    .await;
}

#[tokio::test]
async fn how_far_a_group_is_behind_is_seen_while_it_stands_still_and_afterwards() {
    let mut bench = Bench::start([(2, Act::Hang)]).await;
    bench.watch();
    // What was applied is not committed while the next one hangs.
    shows(&bench, "3").await;
    bench.log.publish("t", &[event(4), event(5)]).await.unwrap();
    shows(&bench, "5").await;
    bench.shutdown.cancel();
    bench.tasks.abort_all();
    while bench.tasks.join_next().await.is_some() {}

    let mut bench = Bench { shutdown: CancellationToken::new(), ..bench };
    bench.watch();
    shows(&bench, "5").await;
    let (log, handler) = (Arc::new(bench.log.clone()), Arc::clone(&bench.script));
    bench.tasks.spawn(consume(log, "g", &["t"], handler, bench.world.clone(), bench.shutdown.clone()));
    shows(&bench, "0").await;
}

#[tokio::test]
async fn a_log_that_does_not_say_is_not_said_to_have_nothing() {
    let mut bench = Bench::start([]).await;
    bench.watch();
    shows(&bench, "0").await;
    bench.log.close().await;
    shows(&bench, "NaN").await;
}

#[tokio::test]
async fn a_shutdown_keeps_what_was_taken_and_leaves_the_rest() {
    let mut bench = Bench::start((0..1000).map(|_| (2, Act::Retry))).await;
    bench.calls(2).await;
    assert_eq!(bench.left_over().await, [2, 3, 99]);
}
