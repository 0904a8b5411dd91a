//! The log in a SQLite file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event_log::conformance::{self, Place};
use event_log::sqlite::{Archive, Log};
use event_log::{Archive as _, End, Error, EventLog, Progress, Subscription};
use platform::World;
use platform::clock::Clock as _;
use sql::sqlite::{Database, Sharing};
use sqlx::{Connection as _, SqliteConnection};
use testkit::TempDir;
use tokio::time::timeout;

use crate::{SOON, event, numbers};

struct File(PathBuf);

#[async_trait]
impl Place for File {
    async fn open(&self) -> anyhow::Result<Arc<dyn EventLog>> {
        Ok(Arc::new(Log::open(&self.0, Sharing::Shared, World::real()).await?))
    }
}

fn file() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("events.db");
    (directory, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn does_what_every_log_does() {
    let (_directory, path) = file();
    conformance::all(&File(path)).await.unwrap();
}

#[tokio::test]
async fn a_member_that_dies_loses_its_topics_when_its_lease_is_over() {
    let (_directory, path) = file();
    let (world, clock) = testkit::world();
    let later = testkit::ManualClock::at(world.clock.now());
    // Two processes with the same ids would be the same member, so the other's are its own.
    let other_world = World { clock: Arc::new(later.clone()), ..World::real() };
    // The clock of the first stands still: it renews nothing, as if it had been killed.
    let dead = Log::open(&path, Sharing::Shared, world).await.unwrap();
    let alive = Log::open(&path, Sharing::Shared, other_world).await.unwrap();
    dead.publish("t", &[event(1), event(2)]).await.unwrap();
    let mut first = dead.subscribe("g", &["t"]).await.unwrap();
    let delivered = first.next().await.unwrap();
    let mut second = alive.subscribe("g", &["t"]).await.unwrap();
    later.advance(Duration::from_secs(4));
    assert!(timeout(Duration::from_millis(200), second.next()).await.is_err());
    let (taken_over, ()) = tokio::join!(timeout(SOON, second.next()), async {
        later.advance(Duration::from_secs(2));
    });
    assert_eq!(numbers(&taken_over.unwrap().unwrap()), [1, 2]);
    let refused = first.commit(&delivered[0]).await;
    assert!(matches!(&refused, Err(Error::Lost { topic }) if topic == "t"), "{refused:?}");
    let refused = first.dead_letter(&delivered[0], "why").await;
    assert!(matches!(refused, Err(Error::Lost { .. })), "{refused:?}");
    assert!(alive.dead_letters().await.unwrap().is_empty());
    // It was only asleep, and goes without taking the topic from its new owner.
    clock.advance(Duration::from_secs(60));
    drop(first);
    dead.close().await;
    second.commit(&delivered[1]).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_was_set_back_keeps_no_topic_for_the_dead() {
    let (_directory, path) = file();
    // Nothing renews or gives back while the clock stands still: the first is as good as dead.
    let (world, _clock) = testkit::world();
    let set_back = World {
        clock: Arc::new(testkit::ManualClock::at(world.clock.now().before(Duration::from_secs(3600)))),
        ..World::real()
    };
    let dead = Log::open(&path, Sharing::Shared, world).await.unwrap();
    let alive = Log::open(&path, Sharing::Shared, set_back).await.unwrap();
    dead.publish("t", &[event(1)]).await.unwrap();
    let mut first = dead.subscribe("g", &["t"]).await.unwrap();
    first.next().await.unwrap();
    let mut second = alive.subscribe("g", &["t"]).await.unwrap();
    let taken_over = timeout(Duration::from_secs(2), second.next()).await;
    assert_eq!(numbers(&taken_over.expect("a lease of an hour").unwrap()), [1]);
}

#[tokio::test]
async fn a_member_that_lives_keeps_its_topics() {
    let (_directory, path) = file();
    let (world, clock) = testkit::world();
    let log = Log::open(&path, Sharing::Shared, world).await.unwrap();
    log.publish("t", &[event(1)]).await.unwrap();
    let mut first = log.subscribe("g", &["t"]).await.unwrap();
    let delivered = first.next().await.unwrap();
    let mut second = log.subscribe("g", &["t"]).await.unwrap();
    for _ in 0..5 {
        let before = leased_until(&path).await;
        clock.advance(Duration::from_secs(2));
        testkit::eventually("the renewal", SOON, async || leased_until(&path).await > before).await;
        // The row is there before its writer hears of it. Once this is answered that one is asleep again,
        // and the next step of the clock wakes it.
        log.publish("other", &[event(9)]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(timeout(Duration::from_millis(200), second.next()).await.is_err());
    first.commit(&delivered[0]).await.unwrap();
}

/// Until when the only topic is leased.
async fn leased_until(path: &Path) -> i64 {
    let database = Database::open_read_only(path).await.unwrap();
    let mut connection = database.read("SELECT tests").await.unwrap();
    sqlx::query_scalar("SELECT max(leased_until) FROM progress").fetch_one(&mut *connection).await.unwrap()
}

#[tokio::test]
async fn a_process_that_is_alone_goes_on_at_once_after_a_crash() {
    let (_directory, path) = file();
    // The clock stands still, so that no lease will ever be over.
    let (world, _clock) = testkit::world();
    let log = Log::open(&path, Sharing::Exclusive, world.clone()).await.unwrap();
    log.publish("t", &[event(1)]).await.unwrap();
    let mut member = log.subscribe("g", &["t"]).await.unwrap();
    assert_eq!(numbers(&member.next().await.unwrap()), [1]);
    // A copy of the files is what a crash leaves behind.
    let crashed = TempDir::new().unwrap();
    for name in ["events.db", "events.db-wal"] {
        std::fs::copy(path.with_file_name(name), crashed.path().join(name)).unwrap();
    }
    let log = Log::open(&crashed.path().join("events.db"), Sharing::Exclusive, world).await.unwrap();
    let mut member = log.subscribe("g", &["t"]).await.unwrap();
    assert_eq!(numbers(&timeout(SOON, member.next()).await.unwrap().unwrap()), [1]);
}

#[tokio::test]
async fn closing_gives_topics_and_file_back() {
    let (_directory, path) = file();
    let log = Log::open(&path, Sharing::Exclusive, World::real()).await.unwrap();
    let mut left: Box<dyn Subscription> = log.subscribe("g", &["t"]).await.unwrap();
    log.publish("t", &[event(1)]).await.unwrap();
    assert_eq!(left.next().await.unwrap().len(), 1);
    log.close().await;
    assert!(matches!(left.next().await, Err(Error::Unavailable(_))));
    assert!(matches!(log.publish("t", &[event(2)]).await, Err(Error::Unavailable(_))));
    assert!(matches!(log.ping().await, Err(Error::Unavailable(_))));

    let log = Log::open(&path, Sharing::Shared, World::real()).await.unwrap();
    log.ping().await.unwrap();
    let mut member = log.subscribe("g", &["t"]).await.unwrap();
    assert_eq!(numbers(&timeout(SOON, member.next()).await.unwrap().unwrap()), [1]);
}

#[tokio::test]
async fn an_archive_reads_everything_beside_the_shop() {
    let (_directory, path) = file();
    let (world, clock) = testkit::world();
    let log = Log::open(&path, Sharing::Exclusive, world).await.unwrap();
    log.publish("t", &[event(1), event(2)]).await.unwrap();
    log.publish("u", &[event(3)]).await.unwrap();
    let mut member = log.subscribe("g", &["t"]).await.unwrap();
    let delivered = member.next().await.unwrap();
    member.dead_letter(&delivered[1], "no such field").await.unwrap();

    let archive = Archive::open(&path).await.unwrap();
    assert_eq!(archive.events("t").await.unwrap(), delivered);
    assert_eq!(archive.latest("t", 1).await.unwrap(), delivered[delivered.len() - 1..]);
    assert_eq!(archive.latest("t", 100).await.unwrap(), delivered);
    assert_eq!(log.events("t").await.unwrap(), delivered);
    assert_eq!(numbers(&archive.events("u").await.unwrap()), [3]);
    let dead = archive.dead_letters(&["t", "u"]).await.unwrap();
    assert_eq!(dead, log.dead_letters().await.unwrap());
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].origin.as_str(), dead[0].group.as_str()), ("t", "g"));
    assert_eq!((dead[0].reason.as_str(), dead[0].at), ("no such field", clock.now()));
    assert_eq!(dead[0].delivery.topic, "t.dlq");
    assert_eq!(dead[0].delivery.event, event(2));
    assert_eq!(archive.dead_letters(&["u"]).await.unwrap(), []);
    let (group, topic, partition) = ("g".to_owned(), "t".to_owned(), 0);
    let next = delivered[1].offset + 1;
    let done = Progress { group, topic: topic.clone(), partition, next };
    assert_eq!(archive.progress(&["g", "h"], &["t", "u"]).await.unwrap(), [done]);
    assert_eq!(archive.progress(&["g"], &["u"]).await.unwrap(), []);
    let end = End { topic, partition, first: delivered[0].offset, next };
    assert_eq!(archive.ends(&["t", "never"]).await.unwrap(), [end]);
}

#[tokio::test]
async fn dead_letters_of_an_older_file_are_shown_with_what_is_known_of_them() {
    let (_directory, path) = file();
    let log = Log::open(&path, Sharing::Shared, World::real()).await.unwrap();
    log.publish("t", &[event(1)]).await.unwrap();
    let mut member = log.subscribe("g", &["t"]).await.unwrap();
    let delivered = member.next().await.unwrap();
    member.dead_letter(&delivered[0], "no such field").await.unwrap();
    drop(member);
    log.close().await;
    // As if the second migration had never been.
    let older = TempDir::new().unwrap();
    let copy = older.path().join("events.db");
    std::fs::copy(&path, &copy).unwrap();
    let mut connection = SqliteConnection::connect(copy.to_str().unwrap()).await.unwrap();
    for column in ["given_up_by", "given_up_at"] {
        let statement = format!("ALTER TABLE events DROP COLUMN {column}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let dead = Archive::open(&copy).await.unwrap().dead_letters(&["t"]).await.unwrap();
    assert_eq!((dead[0].reason.as_str(), dead[0].group.as_str()), ("no such field", ""));
    assert_eq!((dead[0].origin.as_str(), dead[0].at), ("t", event(1).time));
}
