//! SQLite files and PostgreSQL databases, as the services use them.
#![cfg(test)]

mod errors;
mod files;
mod postgres;
mod told;
mod writer;

use std::time::Duration;

use platform::metrics::Metrics;
use sql::Error;
use sql::sqlite::{Database, Sharing};
use sqlx::migrate::Migrator;
use testkit::TempDir;

static OLD: Migrator = sqlx::migrate!("./tests/migrations/old");
static NEW: Migrator = sqlx::migrate!("./tests/migrations/new");

/// Longer than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(20);

async fn database() -> (TempDir, Database) {
    let directory = TempDir::new().unwrap();
    let database =
        Database::open(&directory.path().join("shop.db"), &OLD, Sharing::Exclusive, &Metrics::default())
            .await
            .unwrap();
    (directory, database)
}

async fn add(database: &Database, name: &str) -> Result<(), Error> {
    let name = name.to_owned();
    database
        .write("UPDATE tests", |connection| {
            Box::pin(async move {
                sqlx::query("INSERT INTO things (name) VALUES (?)").bind(name).execute(connection).await?;
                Ok(())
            })
        })
        .await
}

async fn names(database: &Database) -> Vec<String> {
    let mut connection = database.read("SELECT tests").await.unwrap();
    sqlx::query_scalar("SELECT name FROM things ORDER BY id").fetch_all(&mut *connection).await.unwrap()
}
