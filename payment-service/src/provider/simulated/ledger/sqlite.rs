//! The ledger in a SQLite file.

use std::path::Path;

use async_trait::async_trait;
use platform::metrics::Metrics;
use sql::Error;
use sql::sqlite::{Database, OpenError, Sharing};
use sqlx::SqliteConnection;
use sqlx::migrate::Migrator;
use types::{CheckoutId, Timestamp};

use super::{Begun, Decide, Effect, Entry, Held, Ledger, Opening, Resolved, Terms, parse};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/provider_sqlite");

/// The ledger on one SQLite file.
pub struct Sqlite {
    database: Database,
}

impl Sqlite {
    /// Opens the file for this process alone, made if it is not there.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(path: &Path, metrics: &Metrics) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(path, &MIGRATIONS, Sharing::Exclusive, metrics).await? })
    }

    /// Opens the file for reading only.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open_read_only(path).await? })
    }
}

#[async_trait]
impl Ledger for Sqlite {
    async fn begin(&self, key: CheckoutId, opening: Opening) -> Result<Begun, Error> {
        self.database
            .write("INSERT ledger", move |connection| {
                Box::pin(async move {
                    if let Some(held) = held(connection, key).await? {
                        return Ok(Begun::Before(held));
                    }
                    let Opening { terms, effect, outages, at } = opening;
                    if outages > 0 && count_outage(connection, key).await? <= outages {
                        return Ok(Begun::Outage);
                    }
                    append(connection, key, &effect, Some(&terms), at).await?;
                    Ok(Begun::Now)
                })
            })
            .await
    }

    async fn resolve(&self, key: CheckoutId, decide: Decide, at: Timestamp) -> Result<Resolved, Error> {
        self.database
            .write("INSERT ledger", move |connection| {
                Box::pin(async move {
                    let held = held(connection, key).await?;
                    let Some(effect) = decide(held.as_ref().map(|held| &held.standing)) else {
                        return Ok(held.map_or(Resolved::Unknown, Resolved::Before));
                    };
                    let terms = held.and_then(|held| held.terms);
                    append(connection, key, &effect, terms.as_ref(), at).await?;
                    Ok(Resolved::Now(effect, terms))
                })
            })
            .await
    }

    async fn held(&self, key: CheckoutId) -> Result<Option<Held>, Error> {
        held(&mut *self.database.read("SELECT ledger").await?, key).await
    }

    async fn entries(&self) -> Result<Vec<Entry>, Error> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT seq, checkout_key, effect, decline_code, amount_minor, currency, method, at
             FROM ledger ORDER BY seq",
        )
        .fetch_all(&mut *self.database.read("SELECT ledger").await?)
        .await?;
        rows.into_iter().map(|row| Ok(row.parse()?.0)).collect()
    }

    async fn ping(&self) -> Result<(), Error> {
        self.database.ping().await
    }
}

async fn held(connection: &mut SqliteConnection, key: CheckoutId) -> Result<Option<Held>, Error> {
    let last: Option<Row> = sqlx::query_as(
        "SELECT seq, checkout_key, effect, decline_code, amount_minor, currency, method, at
         FROM ledger WHERE checkout_key = ? ORDER BY seq DESC LIMIT 1",
    )
    .bind(key.to_string())
    .fetch_optional(connection)
    .await?;
    let Some(row) = last else { return Ok(None) };
    let (entry, terms) = row.parse()?;
    Ok(Some(Held { standing: entry.effect.standing(), terms }))
}

async fn append(
    connection: &mut SqliteConnection,
    key: CheckoutId,
    effect: &Effect,
    terms: Option<&Terms>,
    at: Timestamp,
) -> Result<(), Error> {
    let (effect, decline_code) = effect.parts();
    sqlx::query(
        "INSERT INTO ledger (checkout_key, effect, decline_code, amount_minor, currency, method, at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(key.to_string())
    .bind(effect)
    .bind(decline_code)
    .bind(terms.map(|terms| terms.amount.minor))
    .bind(terms.map(|terms| terms.amount.currency.code()))
    .bind(terms.map(|terms| terms.method.token()))
    .bind(at.micros())
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts one more authorisation that failed for want of a provider; how many there are now.
async fn count_outage(connection: &mut SqliteConnection, key: CheckoutId) -> Result<i64, Error> {
    let attempts = sqlx::query_scalar(
        "INSERT INTO outages (checkout_key, attempts) VALUES (?, 1)
         ON CONFLICT (checkout_key) DO UPDATE SET attempts = attempts + 1 RETURNING attempts",
    )
    .bind(key.to_string())
    .fetch_one(connection)
    .await?;
    Ok(attempts)
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    checkout_key: String,
    effect: String,
    decline_code: Option<String>,
    amount_minor: Option<i64>,
    currency: Option<String>,
    method: Option<String>,
    at: i64,
}

impl Row {
    fn parse(self) -> Result<(Entry, Option<Terms>), Error> {
        let key = self.checkout_key.parse().map_err(Error::defect)?;
        let columns = (self.effect, self.decline_code, self.amount_minor, self.currency, self.method);
        parse(self.seq, key, columns, Timestamp::from_micros(self.at))
    }
}
