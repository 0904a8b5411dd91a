//! Databases for tests, each made for one and dropped after it.

use std::str::FromStr as _;
use std::time::Duration;

use platform::config::Server;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tokio::time::sleep;
use url::Url;
use uuid::Uuid;

/// Attempts at dropping a database that the server is busy with, and the time between them.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// A fresh database on a server that is there for tests.
#[derive(Debug)]
pub struct Scratch {
    /// Boxed: it is large, and values that hold a scratch or something small are to be small.
    admin: Box<PgConnectOptions>,
    name: String,
    server: Server,
}

impl Scratch {
    /// Makes a database beside the one that `url` names.
    ///
    /// # Errors
    /// When the server does not let us.
    pub async fn new(url: &str) -> Result<Self, sqlx::Error> {
        let admin = PgConnectOptions::from_str(url)?;
        let name = format!("scratch_{}", Uuid::from_u128(unique()).simple());
        execute(&admin, format!("CREATE DATABASE {name}")).await?;
        let mut url = Url::parse(url).map_err(|error| sqlx::Error::Configuration(error.into()))?;
        url.set_path(&name);
        let server = Server { url: url.into(), variable: "DATABASE_URL".to_owned() };
        Ok(Self { admin: Box::new(admin), name, server })
    }

    /// Its name, which no other has: good for other engines too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is, as a setting says it.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// A connection of one's own, to look at or to tamper with what a store wrote.
    ///
    /// # Errors
    /// When the server is not there.
    pub async fn connect(&self, schema: &str) -> Result<PgConnection, sqlx::Error> {
        PgConnectOptions::from_str(&self.server.url)?.options([("search_path", schema)]).connect().await
    }

    /// Drops it, with the connections that are left.
    ///
    /// # Errors
    /// When the server does not let us.
    pub async fn drop(self) -> Result<(), sqlx::Error> {
        let statement = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        for _ in 0..ATTEMPTS {
            match execute(&self.admin, statement.clone()).await {
                // The server's own vacuum is at work in it. That is not ours to end, and ends soon.
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42501") => {
                    sleep(PAUSE).await;
                }
                outcome => return outcome,
            }
        }
        execute(&self.admin, statement).await
    }
}

async fn execute(admin: &PgConnectOptions, statement: String) -> Result<(), sqlx::Error> {
    let mut connection = admin.clone().connect().await?;
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
    connection.close().await
}

/// A number that no other test has: of this process, counted.
fn unique() -> u128 {
    use std::collections::hash_map::RandomState;
    use std::hash::BuildHasher as _;
    use std::sync::atomic::{AtomicU64, Ordering};

    static COUNTED: AtomicU64 = AtomicU64::new(0);
    let counted = COUNTED.fetch_add(1, Ordering::Relaxed);
    let random = RandomState::new().hash_one(counted);
    u128::from(random) << 64 | u128::from(counted)
}
