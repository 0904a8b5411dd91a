//! PostgreSQL databases, as the services use them.

mod errors;
mod network;
mod opening;
mod told;

use platform::config::Server;
use platform::metrics::Metrics;
use sql::Error;
use sql::postgres::{Database, Scratch};
use sqlx::migrate::Migrator;
use testkit::{Engine, eventually};

use crate::SOON;

static OLD: Migrator = sqlx::migrate!("./tests/migrations/postgres/old");
static NEW: Migrator = sqlx::migrate!("./tests/migrations/postgres/new");

const SCHEMA: &str = "things";

async fn scratch() -> Option<Scratch> {
    Some(Scratch::new(&Engine::Postgres.url()?).await.unwrap())
}

fn server(url: &str) -> Server {
    Server { url: url.to_owned(), variable: "DATABASE_URL".to_owned() }
}

async fn database() -> Option<(Scratch, Database)> {
    let scratch = scratch().await?;
    let database = Database::open(scratch.server(), SCHEMA, &OLD, &Metrics::default()).await.unwrap();
    is_there(&database).await;
    Some((scratch, database))
}

/// Has a connection: on a busy machine one may take longer to make than a caller waits.
async fn is_there(database: &Database) {
    eventually("the server", SOON, async || database.ping().await.is_ok()).await;
}

async fn end(scratch: Scratch, database: Database) {
    database.close().await;
    scratch.drop().await.unwrap();
}

/// In a statement that commits by itself.
async fn add(database: &Database, name: &str) -> Result<(), Error> {
    let call = async {
        let mut connection = database.connection().await?;
        let insert = sqlx::query("INSERT INTO things (name) VALUES ($1)").bind(name);
        insert.execute(&mut *connection).await.map(drop).map_err(Error::of_autocommit)
    };
    database.within("SELECT tests", call).await
}

/// In a transaction.
async fn add_slowly(database: &Database, name: &str) -> Result<(), Error> {
    let call = async {
        let mut transaction = database.begin().await?;
        let insert = sqlx::query("INSERT INTO things (name) VALUES ($1)").bind(name);
        insert.execute(&mut *transaction).await?;
        transaction.commit().await
    };
    database.within("SELECT tests", call).await
}

/// Past the database that is tested.
async fn names(scratch: &Scratch) -> Vec<String> {
    let mut connection = scratch.connect(SCHEMA).await.unwrap();
    sqlx::query_scalar("SELECT name FROM things ORDER BY name").fetch_all(&mut connection).await.unwrap()
}
