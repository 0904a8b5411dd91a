//! The class of each error.

use futures::FutureExt as _;
use sql::Error;
use sql::postgres::Database;
use sqlx::Executor as _;

use super::{add, database, end, names};

async fn fails(database: &Database, statement: &'static str) -> Error {
    let mut connection = database.connection().await.unwrap();
    connection.execute(statement).await.map_err(Error::from).unwrap_err()
}

#[tokio::test]
async fn constraints_are_conflicts_and_uniqueness_is_told_apart() {
    let Some((scratch, database)) = database().await else { return };
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
    // One that is only checked at the end is told by the commit, and is certain as well.
    let mut transaction = database.begin().await.unwrap();
    transaction.execute("INSERT INTO things (name, parent) VALUES ('sofa', 7)").await.unwrap();
    let error = transaction.commit().await.unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    assert_eq!(names(&scratch).await, ["lamp"]);
    end(scratch, database).await;
}

#[tokio::test]
async fn what_only_a_mistake_of_ours_brings_about_is_a_defect() {
    let Some((scratch, database)) = database().await else { return };
    for statement in
        ["SELEC 1", "INSERT INTO things (nam) VALUES ('lamp')", "INSERT INTO things (name) VALUES (NULL)"]
    {
        let error = fails(&database, statement).await;
        assert!(matches!(error, Error::Defect(_)), "{statement}: {error:?}");
    }
    end(scratch, database).await;
}

#[tokio::test]
async fn what_takes_too_long_is_ended_by_the_server_and_certainly_not_done() {
    let Some((scratch, database)) = database().await else { return };
    let slow = fails(
        &database,
        "WITH slow AS (SELECT pg_sleep(9)) INSERT INTO things (name) SELECT 'lamp' FROM slow",
    );
    let slow = slow.await;
    assert!(matches!(slow, Error::Unavailable(_)), "{slow:?}");
    assert!(format!("{slow:?}").contains("statement timeout"), "{slow:?}");

    add(&database, "lamp").await.unwrap();
    let mut holder = database.begin().await.unwrap();
    holder.execute("UPDATE things SET amount = 1").await.unwrap();
    let locked = fails(&database, "UPDATE things SET amount = 2").await;
    assert!(matches!(locked, Error::Unavailable(_)), "{locked:?}");
    assert!(format!("{locked:?}").contains("lock timeout"), "{locked:?}");
    holder.commit().await.unwrap();
    end(scratch, database).await;
}

/// Whatever its user left behind: the next one finds a connection that is fit for use.
#[tokio::test]
async fn what_was_not_committed_is_undone_and_the_connection_used_again() {
    let Some((scratch, database)) = database().await else { return };
    for _ in 0..40 {
        let mut transaction = database.begin().await.unwrap();
        transaction.execute("INSERT INTO things (name) VALUES ('lamp')").await.unwrap();
        drop(transaction);
        let mut failed = database.begin().await.unwrap();
        assert!(failed.execute("SELEC 1").await.is_err());
        drop(failed);
        let mut given_up = database.begin().await.unwrap();
        assert!(given_up.execute("SELECT pg_sleep(0.05)").now_or_never().is_none());
    }
    add(&database, "lamp").await.unwrap();
    assert_eq!(names(&scratch).await, ["lamp"]);
    end(scratch, database).await;
}

#[tokio::test]
async fn a_server_that_sends_us_away_in_the_middle_leaves_an_autocommit_unknown() {
    let Some((scratch, database)) = database().await else { return };
    let mut connection = database.connection().await.unwrap();
    let gone = connection.execute("SELECT pg_terminate_backend(pg_backend_pid())").await.unwrap_err();
    assert!(matches!(Error::of_autocommit(gone), Error::Unknown(_)));
    drop(connection);
    let mut transaction = database.begin().await.unwrap();
    let gone = transaction.execute("SELECT pg_terminate_backend(pg_backend_pid())").await.unwrap_err();
    assert!(matches!(Error::from(gone), Error::Unavailable(_)), "what was not committed is undone");
    drop(transaction);
    add(&database, "lamp").await.unwrap();
    end(scratch, database).await;
}

#[tokio::test]
async fn a_closed_database_is_unavailable() {
    let Some((scratch, database)) = database().await else { return };
    let clone = database.clone();
    database.close().await;
    assert!(matches!(add(&clone, "lamp").await, Err(Error::Unavailable(_))));
    assert!(matches!(clone.ping().await, Err(Error::Unavailable(_))));
    scratch.drop().await.unwrap();
}
