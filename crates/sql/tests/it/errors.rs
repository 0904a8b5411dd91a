//! The class of each error.

use std::time::Duration;

use sql::Error;
use sql::sqlite::Database;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};

use crate::{add, database, names};

async fn fails(database: &Database, statement: &'static str) -> Error {
    database
        .write("UPDATE tests", move |connection| {
            Box::pin(async move { Ok::<_, Error>(connection.execute(statement).await?) })
        })
        .await
        .unwrap_err()
}

#[tokio::test]
async fn constraints_are_conflicts_and_uniqueness_is_told_apart() {
    let (_directory, database) = database().await;
    add(&database, "lamp").await.unwrap();
    for (statement, unique) in [
        ("INSERT INTO things (name) VALUES ('lamp')", true),
        ("INSERT INTO things (id, name) VALUES (1, 'sofa')", true),
        ("INSERT INTO things (name, amount) VALUES ('sofa', -1)", false),
        ("INSERT INTO things (name, parent) VALUES ('sofa', 7)", false),
    ] {
        let error = fails(&database, statement).await;
        assert!(matches!(error, Error::Conflict(_)), "{statement}: {error:?}");
        assert_eq!(error.is_unique_violation(), unique, "{statement}");
    }
    assert_eq!(names(&database).await, ["lamp"]);
}

#[tokio::test]
async fn what_only_a_mistake_of_ours_brings_about_is_a_defect() {
    let (_directory, database) = database().await;
    for statement in [
        "INSERT INTO things (nam) VALUES ('lamp')",
        "INSERT INTO things (name) VALUES (NULL)",
        "INSERT INTO things (name, amount) VALUES ('lamp', 'many')",
        "SELEC 1",
    ] {
        let error = fails(&database, statement).await;
        assert!(matches!(error, Error::Defect(_)), "{statement}: {error:?}");
    }
    let mut connection = database.read("SELECT tests").await.unwrap();
    let wrong_type = sqlx::query_scalar::<_, i64>("SELECT 'text'").fetch_one(&mut *connection).await;
    assert!(matches!(wrong_type.map_err(Error::from), Err(Error::Defect(_))));
}

#[tokio::test]
async fn a_file_that_is_busy_or_closed_is_unavailable() {
    let (_directory, database) = database().await;
    let raw = SqliteConnectOptions::new().filename(database.path()).busy_timeout(Duration::ZERO);
    let (mut one, mut other) = (raw.connect().await.unwrap(), raw.connect().await.unwrap());
    one.execute("BEGIN IMMEDIATE").await.unwrap();
    let busy = Error::from(other.execute("BEGIN IMMEDIATE").await.unwrap_err());
    assert!(matches!(busy, Error::Unavailable(_)), "{busy:?}");
    one.execute("ROLLBACK").await.unwrap();

    database.close().await;
    assert!(matches!(add(&database, "lamp").await, Err(Error::Unavailable(_))));
    assert!(matches!(database.read("SELECT tests").await, Err(Error::Unavailable(_))));
    assert!(matches!(database.ping().await, Err(Error::Unavailable(_))));
}

/// A statement that finds no room left may take the whole transaction with it, and the work of others in it.
#[tokio::test]
async fn a_disk_that_is_full_keeps_what_was_answered_and_nothing_else() {
    let (_directory, database) = database().await;
    add(&database, "lamp").await.unwrap();
    // Room for a few pages more; the limit goes with the connection.
    let fill = || {
        database.write("UPDATE tests", |connection| {
            Box::pin(async move {
                connection.execute("PRAGMA max_page_count = 16").await?;
                let huge = "INSERT INTO things (name) SELECT hex(randomblob(100000))";
                Ok::<_, Error>(connection.execute(huge).await.map(drop)?)
            })
        })
    };
    let (first, full, last) = tokio::join!(add(&database, "sofa"), fill(), add(&database, "rug"));
    assert!(matches!(full, Err(Error::Unavailable(_))), "{full:?}");
    let mut kept = vec!["lamp"];
    kept.extend(first.is_ok().then_some("sofa"));
    kept.extend(last.is_ok().then_some("rug"));
    assert_eq!(names(&database).await, kept, "{first:?}, {last:?}");
    assert!(matches!(fill().await, Err(Error::Unavailable(_))));
    add(&database, "bed").await.unwrap();
    assert_eq!(names(&database).await.last().unwrap(), "bed");
}

#[tokio::test]
async fn readers_can_not_write() {
    let (_directory, database) = database().await;
    let mut connection = database.read("SELECT tests").await.unwrap();
    let refused = connection.execute("INSERT INTO things (name) VALUES ('lamp')").await;
    assert!(refused.is_err());
    assert!(names(&database).await.is_empty());
}

#[test]
fn messages_speak_of_their_own_layer_and_the_cause_follows() {
    let error = Error::unavailable("the disk is on fire");
    assert_eq!(error.to_string(), "the database is unavailable");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the disk is on fire");
}
