//! Opening and closing.

use std::time::Duration;

use futures::future::join_all;
use platform::metrics::Metrics;
use sql::Error;
use sql::sqlite::{Database, OpenError, Sharing};
use testkit::{TempDir, eventually};

use crate::{NEW, OLD, SOON, add, database, names};

#[tokio::test]
async fn a_file_has_one_process_or_several_that_share_it() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("made/with/its/parents/shop.db");
    let first = Database::open(&path, &OLD, Sharing::Exclusive, &Metrics::default()).await.unwrap();
    for sharing in [Sharing::Exclusive, Sharing::Shared] {
        let refused = Database::open(&path, &OLD, sharing, &Metrics::default()).await.unwrap_err();
        assert!(matches!(refused, OpenError::InUse { .. }), "{refused:?}");
        assert_eq!(refused.to_string(), format!("{} is in use by another process", path.display()));
    }
    first.close().await;

    let one = Database::open(&path, &OLD, Sharing::Shared, &Metrics::default()).await.unwrap();
    let other = Database::open(&path, &OLD, Sharing::Shared, &Metrics::default()).await.unwrap();
    let refused = Database::open(&path, &OLD, Sharing::Exclusive, &Metrics::default()).await.unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused:?}");
    add(&one, "lamp").await.unwrap();
    add(&other, "sofa").await.unwrap();
    assert_eq!(names(&one).await, ["lamp", "sofa"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_make_the_file_together() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("shop.db");
    let metrics = Metrics::default();
    let opened = join_all((0..8).map(|_| Database::open(&path, &NEW, Sharing::Shared, &metrics))).await;
    for database in opened {
        database.unwrap().ping().await.unwrap();
    }
}

#[tokio::test]
async fn the_last_clone_that_goes_gives_the_file_back() {
    let (_directory, database) = database().await;
    let path = database.path().to_owned();
    add(&database, "lamp").await.unwrap();
    let clone = database.clone();
    drop(database);
    add(&clone, "sofa").await.unwrap();
    drop(clone);
    let open = async || Database::open(&path, &OLD, Sharing::Exclusive, &Metrics::default()).await.ok();
    let reopened = eventually("the lock to be free", SOON, open).await;
    assert_eq!(names(&reopened).await, ["lamp", "sofa"]);
}

#[tokio::test]
async fn settings_are_durable() {
    let (_directory, database) = database().await;
    let settings: (String, i64, i64) = database
        .write("UPDATE tests", |connection| {
            Box::pin(async move {
                Ok::<_, Error>((
                    sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?,
                    sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await?,
                    sqlx::query_scalar("PRAGMA foreign_keys").fetch_one(&mut *connection).await?,
                ))
            })
        })
        .await
        .unwrap();
    assert_eq!(settings, ("wal".to_owned(), 2, 1));
}

#[tokio::test]
async fn an_older_file_is_brought_up_to_date_and_a_newer_one_refused() {
    let (_directory, database) = database().await;
    let path = database.path().to_owned();
    add(&database, "lamp").await.unwrap();
    database.close().await;

    let updated = Database::open(&path, &NEW, Sharing::Exclusive, &Metrics::default()).await.unwrap();
    assert_eq!(names(&updated).await, ["lamp"]);
    updated.close().await;

    let refused = Database::open(&path, &OLD, Sharing::Exclusive, &Metrics::default()).await.unwrap_err();
    assert!(matches!(refused, OpenError::Newer { found: 2, known: 1, .. }), "{refused:?}");
    let told = "was written by a newer version of this program (its schema is 2, the newest known here is 1)";
    assert_eq!(refused.to_string(), format!("{} {told}", path.display()));

    let again = Database::open(&path, &NEW, Sharing::Exclusive, &Metrics::default()).await.unwrap();
    assert_eq!(names(&again).await, ["lamp"]);
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("shop.db");
    std::fs::write(&path, "a letter to the editor, long enough to be taken for a header".repeat(20)).unwrap();
    for sharing in [Sharing::Exclusive, Sharing::Shared] {
        let refused = Database::open(&path, &OLD, sharing, &Metrics::default()).await.unwrap_err();
        assert!(matches!(refused, OpenError::File { .. }), "{refused:?}");
    }
    let below = Database::open(&path.join("shop.db"), &OLD, Sharing::Exclusive, &Metrics::default())
        .await
        .unwrap_err();
    assert!(matches!(below, OpenError::Files { .. }), "{below:?}");
}

#[tokio::test]
async fn a_file_can_be_read_beside_its_writer_and_at_rest() {
    let (directory, database) = database().await;
    add(&database, "lamp").await.unwrap();
    let audit = Database::open_read_only(database.path()).await.unwrap();
    assert_eq!(names(&audit).await, ["lamp"]);
    add(&database, "sofa").await.unwrap();
    assert_eq!(names(&audit).await, ["lamp", "sofa"]);
    assert!(matches!(add(&audit, "rug").await, Err(Error::Defect(_))));
    audit.close().await;
    database.close().await;

    let audit = Database::open_read_only(database.path()).await.unwrap();
    assert_eq!(names(&audit).await, ["lamp", "sofa"]);
    let missing = Database::open_read_only(&directory.path().join("none.db")).await.unwrap_err();
    assert!(matches!(missing, OpenError::File { .. }), "{missing:?}");
    assert!(!directory.path().join("none.db").exists());
}

#[tokio::test]
async fn commits_wake_those_who_wait_in_this_process_and_in_others() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("shop.db");
    let one = Database::open(&path, &OLD, Sharing::Shared, &Metrics::default()).await.unwrap();
    let other = Database::open(&path, &OLD, Sharing::Shared, &Metrics::default()).await.unwrap();
    for (writer, name) in [(&one, "lamp"), (&other, "sofa")] {
        let (mut here, mut there) = (one.changes(), other.changes());
        add(writer, name).await.unwrap();
        for changes in [&mut here, &mut there] {
            tokio::time::timeout(SOON, changes.changed()).await.unwrap().unwrap();
        }
    }

    let mut changes = one.changes();
    one.close().await;
    while changes.changed().await.is_ok() {}
    other.close().await;
}

#[tokio::test]
async fn silence_wakes_nobody() {
    let (_directory, database) = database().await;
    add(&database, "lamp").await.unwrap();
    let mut changes = database.changes();
    let waited = tokio::time::timeout(Duration::from_millis(200), changes.changed()).await;
    assert!(waited.is_err());
    assert_eq!(database.revision(), 1);
}
