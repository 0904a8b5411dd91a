//! One writer, many callers.

use futures::future::{join_all, poll_fn};
use futures::{FutureExt as _, poll};
use platform::metrics::Metrics;
use sql::Error;
use sql::sqlite::{Database, Sharing};
use sqlx::Executor as _;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::{OLD, SOON, add, database, names};

/// Keeps the writer busy in a batch of its own making until the returned half is dropped.
pub(crate) async fn hold(database: &Database, tasks: &mut JoinSet<()>) -> oneshot::Sender<()> {
    let (started, running) = oneshot::channel();
    let (release, held) = oneshot::channel::<()>();
    let database = database.clone();
    tasks.spawn(async move {
        let work = database.write("UPDATE tests", |_| {
            Box::pin(async move {
                started.send(()).unwrap();
                let _ = held.await;
                Ok::<_, Error>(())
            })
        });
        work.await.unwrap();
    });
    running.await.unwrap();
    release
}

#[tokio::test]
async fn callers_that_wait_together_share_a_commit() {
    let (_directory, database) = database().await;
    let mut tasks = JoinSet::new();
    let release = hold(&database, &mut tasks).await;
    let before = database.revision();
    let mut writes = JoinSet::new();
    for number in 0..300 {
        let database = database.clone();
        writes.spawn(async move { add(&database, &format!("thing {number}")).await });
    }
    // Each has its turn to queue.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    drop(release);
    assert!(writes.join_all().await.iter().all(Result::is_ok));
    assert_eq!(names(&database).await.len(), 300);
    // 301 jobs, 128 at most in each.
    assert_eq!(database.revision() - before, 3);
}

#[tokio::test]
async fn work_that_fails_or_panics_undoes_only_itself() {
    let (_directory, database) = database().await;
    let mut tasks = JoinSet::new();
    let release = hold(&database, &mut tasks).await;
    let before = database.revision();
    let insert_then = |name: &'static str, end: fn() -> Result<(), Error>| {
        database.write("UPDATE tests", move |connection| {
            Box::pin(async move {
                sqlx::query("INSERT INTO things (name) VALUES (?)").bind(name).execute(connection).await?;
                end()
            })
        })
    };
    let mut writes = Box::pin(join_all([
        insert_then("lamp", || Ok(())),
        insert_then("refused", || Err(Error::defect("as the test wants"))),
        insert_then("sofa", || Ok(())),
        insert_then("panicked", || panic!("as the test wants")),
        insert_then("refused again", || Err(Error::defect("as the test wants"))),
        insert_then("rug", || Ok(())),
    ]));
    assert!(poll!(&mut writes).is_pending());
    drop(release);
    let outcomes = writes.await;
    assert_eq!(
        outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [true, false, true, false, false, true]
    );
    assert!(matches!(outcomes[3], Err(Error::Defect(_))));
    assert_eq!(names(&database).await, ["lamp", "sofa", "rug"]);
    assert_eq!(database.revision() - before, 1);
}

#[tokio::test]
async fn a_lone_panic_is_contained() {
    let (_directory, database) = database().await;
    let panicked: Result<(), Error> = database
        .write("UPDATE tests", |connection| {
            Box::pin(async move {
                connection.execute("INSERT INTO things (name) VALUES ('panicked')").await?;
                panic!("as the test wants")
            })
        })
        .await;
    assert!(matches!(panicked, Err(Error::Defect(_))));
    let panicked: Result<(), Error> =
        database.write("UPDATE tests", |_| panic!("before it even starts")).await;
    assert!(matches!(panicked, Err(Error::Defect(_))));
    add(&database, "lamp").await.unwrap();
    assert_eq!(names(&database).await, ["lamp"]);
}

#[tokio::test]
async fn nobody_is_answered_before_the_commit() {
    let (_directory, database) = database().await;
    let mut tasks = JoinSet::new();
    let release = hold(&database, &mut tasks).await;
    // Fails because of a row that is not committed yet.
    let (mut first, mut second) = (Box::pin(add(&database, "lamp")), Box::pin(add(&database, "lamp")));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    let (started, running) = oneshot::channel();
    let (end, held) = oneshot::channel::<()>();
    let mut last = Box::pin(database.write("UPDATE tests", |_| {
        Box::pin(async move {
            started.send(()).unwrap();
            let _ = held.await;
            Ok::<_, Error>(())
        })
    }));
    assert!(poll!(&mut last).is_pending());
    drop(release);
    running.await.unwrap();
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    assert!(names(&database).await.is_empty());
    drop(end);
    last.await.unwrap();
    first.await.unwrap();
    assert!(second.await.unwrap_err().is_unique_violation());
}

#[tokio::test]
async fn a_commit_that_is_refused_is_told_to_the_whole_batch() {
    let (_directory, database) = database().await;
    let mut tasks = JoinSet::new();
    let release = hold(&database, &mut tasks).await;
    let mut lamp = Box::pin(add(&database, "lamp"));
    // A deferred constraint is checked by the COMMIT.
    let mut orphan = Box::pin(database.write("UPDATE tests", |connection| {
        Box::pin(async move {
            connection.execute("INSERT INTO things (name, late) VALUES ('orphan', 7)").await?;
            Ok::<_, Error>(())
        })
    }));
    assert!(poll!(&mut lamp).is_pending() && poll!(&mut orphan).is_pending());
    // The holder is of the same batch and hears of it too.
    drop(release);
    assert!(matches!(lamp.await, Err(Error::Unavailable(_))));
    assert!(matches!(orphan.await, Err(Error::Unavailable(_))));
    assert!(tasks.join_next().await.unwrap().is_err());
    assert!(names(&database).await.is_empty());
    add(&database, "lamp").await.unwrap();
    assert_eq!(names(&database).await, ["lamp"]);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_its_work_to_be_done() {
    let (_directory, database) = database().await;
    let mut tasks = JoinSet::new();
    let release = hold(&database, &mut tasks).await;
    let mut write = Box::pin(add(&database, "lamp"));
    assert!(poll!(&mut write).is_pending());
    drop(write);
    drop(release);
    add(&database, "sofa").await.unwrap();
    assert_eq!(names(&database).await, ["lamp", "sofa"]);
}

#[tokio::test]
async fn closing_does_what_is_queued() {
    let (_directory, database) = database().await;
    let mut tasks = JoinSet::new();
    let release = hold(&database, &mut tasks).await;
    let mut write = Box::pin(add(&database, "lamp"));
    assert!(poll!(&mut write).is_pending());
    let mut close = Box::pin(database.close());
    poll_fn(|context| {
        assert!(close.poll_unpin(context).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    drop(release);
    close.await;
    write.await.unwrap();
    let reopened =
        Database::open(database.path(), &OLD, Sharing::Exclusive, &Metrics::default()).await.unwrap();
    assert_eq!(names(&reopened).await, ["lamp"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_what_was_answered() {
    let (_directory, database) = database().await;
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let database = database.clone();
        tasks.spawn(async move {
            for number in 0..25 {
                let name = format!("{task} {number}");
                add(&database, &name).await.unwrap();
                assert!(names(&database).await.contains(&name));
            }
        });
    }
    tokio::time::timeout(SOON, tasks.join_all()).await.unwrap();
    assert_eq!(names(&database).await.len(), 200);
    assert!(database.revision() <= 200);
}
