//! Opening a schema.

use futures::future::join_all;
use platform::metrics::Metrics;
use sql::postgres::{Database, OpenError};

use super::{NEW, OLD, SCHEMA, add, database, end, is_there, names, scratch, server};

/// The error with what lies beneath it, as a program prints it.
fn told(error: OpenError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn what_a_user_can_mend_is_told_in_one_line_without_the_password() {
    let Some(scratch) = scratch().await else { return };
    let good = &scratch.server().url;
    let (credentials, place) = good.split_once("://").unwrap().1.rsplit_once('@').unwrap();
    let user = credentials.split(':').next().unwrap();
    let host = place.split('/').next().unwrap();
    for (url, starts) in [
        (format!("postgres://{user}:hunter2@{place}"), "DATABASE_URL: the PostgreSQL server refuses: "),
        (format!("postgres://nobody:hunter2@{place}"), "DATABASE_URL: the PostgreSQL server refuses: "),
        (format!("postgres://{credentials}@{host}/nowhere"), "DATABASE_URL: the PostgreSQL server refuses: "),
        (format!("postgres://{user}:hunter2@{host}:port/x"), "DATABASE_URL=*** can't be used: "),
        ("postgres://".to_owned() + "u:hunter2@[::1", "DATABASE_URL=*** can't be used: "),
        (format!("{good}?sslmode=perhaps-hunter2"), "DATABASE_URL=*** can't be used: "),
    ] {
        for error in [
            Database::open(&server(&url), SCHEMA, &OLD, &Metrics::default()).await.unwrap_err(),
            Database::open_read_only(&server(&url), SCHEMA).await.unwrap_err(),
        ] {
            let debug = format!("{error:?}");
            let told = told(error);
            assert!(told.starts_with(starts), "{told}");
            assert!(!told.contains('\n'), "{told}");
            for text in [told, debug] {
                assert!(!text.contains("hunter2"), "{text}");
            }
        }
    }
    scratch.drop().await.unwrap();
}

#[tokio::test]
async fn an_older_schema_is_brought_up_to_date_and_a_newer_one_refused() {
    let Some((scratch, old)) = database().await else { return };
    add(&old, "lamp").await.unwrap();
    old.close().await;

    let new = Database::open(scratch.server(), SCHEMA, &NEW, &Metrics::default()).await.unwrap();
    assert_eq!(names(&scratch).await, ["lamp"]);
    let refused = Database::open(scratch.server(), SCHEMA, &OLD, &Metrics::default()).await.unwrap_err();
    assert!(matches!(refused, OpenError::Newer { found: 2, known: 1, .. }), "{refused:?}");
    assert_eq!(
        told(refused),
        "DATABASE_URL: the schema things was written by a newer version of this program \
         (it is 2, the newest known here is 1)"
    );
    end(scratch, new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_start_at_once_make_the_schema_together() {
    let Some(scratch) = scratch().await else { return };
    let metrics = Metrics::default();
    let opened = join_all((0..6).map(|_| Database::open(scratch.server(), SCHEMA, &NEW, &metrics))).await;
    for database in &opened {
        is_there(database.as_ref().unwrap()).await;
    }
    let mut connection = scratch.connect(SCHEMA).await.unwrap();
    let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY version")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(applied, [1, 2]);
    join_all(opened.iter().flatten().map(Database::close)).await;
    scratch.drop().await.unwrap();
}

#[tokio::test]
async fn services_share_a_database_and_not_their_tables() {
    let Some((scratch, things)) = database().await else { return };
    let others = Database::open(scratch.server(), "others", &NEW, &Metrics::default()).await.unwrap();
    is_there(&others).await;
    add(&things, "lamp").await.unwrap();
    add(&others, "lamp").await.unwrap();
    add(&others, "sofa").await.unwrap();
    assert_eq!(names(&scratch).await, ["lamp"]);
    assert_eq!((things.schema(), others.schema()), ("things", "others"));
    others.close().await;
    end(scratch, things).await;
}

#[tokio::test]
async fn an_audit_reads_beside_the_shop_and_writes_nothing() {
    let Some(scratch) = scratch().await else { return };
    let missing = Database::open_read_only(scratch.server(), SCHEMA).await.unwrap_err();
    assert!(matches!(missing, OpenError::NoSchema { .. }), "{missing:?}");

    let database = Database::open(scratch.server(), SCHEMA, &OLD, &Metrics::default()).await.unwrap();
    is_there(&database).await;
    add(&database, "lamp").await.unwrap();
    let audit = Database::open_read_only(scratch.server(), SCHEMA).await.unwrap();
    is_there(&audit).await;
    let mut moment = audit.moment().await.unwrap();
    let count = "SELECT count(*) FROM things";
    assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut *moment).await.unwrap(), 1);
    add(&database, "sofa").await.unwrap();
    assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut *moment).await.unwrap(), 1);
    drop(moment);
    assert!(add(&audit, "rug").await.is_err());
    assert_eq!(names(&scratch).await, ["lamp", "sofa"]);
    audit.close().await;
    end(scratch, database).await;
}
