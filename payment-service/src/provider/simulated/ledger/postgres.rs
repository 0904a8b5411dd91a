//! The ledger in a PostgreSQL schema of its own, shared by the instances of the payment service as a real provider
//! would be.

use async_trait::async_trait;
use platform::config::Server;
use platform::metrics::Metrics;
use sql::Error;
use sql::postgres::{Database, OpenError, Transaction};
use sqlx::PgConnection;
use sqlx::migrate::Migrator;
use sqlx::types::time::OffsetDateTime;
use types::{CheckoutId, Timestamp};
use uuid::Uuid;

use super::{Begun, Decide, Effect, Entry, Held, Ledger, Opening, Resolved, Terms, parse};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/provider_postgres");

const SCHEMA: &str = "provider";

/// The ledger in a PostgreSQL schema.
pub struct Postgres {
    database: Database,
}

impl Postgres {
    /// Opens the schema `provider`, made if it is not there; a server that is not there is waited for.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(server: &Server, metrics: &Metrics) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(server, SCHEMA, &MIGRATIONS, metrics).await? })
    }

    /// Opens a schema that exists for reading only.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_read_only(server: &Server) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open_read_only(server, SCHEMA).await? })
    }

    /// A transaction that has a key for itself: the statements after the lock see what was done before it.
    async fn alone_with(&self, key: CheckoutId) -> Result<Transaction, Error> {
        let mut transaction = self.database.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('oxcart provider ' || $1::text, 0))")
            .bind(key.0)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction)
    }
}

#[async_trait]
impl Ledger for Postgres {
    async fn begin(&self, key: CheckoutId, opening: Opening) -> Result<Begun, Error> {
        let begin = async {
            let mut transaction = self.alone_with(key).await?;
            if let Some(held) = held(&mut transaction, key).await? {
                return Ok(Begun::Before(held));
            }
            let Opening { terms, effect, outages, at } = opening;
            let begun = if outages > 0 && count_outage(&mut transaction, key).await? <= outages {
                Begun::Outage
            } else {
                append(&mut transaction, key, &effect, Some(&terms), at).await?;
                Begun::Now
            };
            transaction.commit().await?;
            Ok(begun)
        };
        self.database.within("INSERT ledger", begin).await
    }

    async fn resolve(&self, key: CheckoutId, decide: Decide, at: Timestamp) -> Result<Resolved, Error> {
        let resolve = async {
            let mut transaction = self.alone_with(key).await?;
            let held = held(&mut transaction, key).await?;
            let Some(effect) = decide(held.as_ref().map(|held| &held.standing)) else {
                return Ok(held.map_or(Resolved::Unknown, Resolved::Before));
            };
            let terms = held.and_then(|held| held.terms);
            append(&mut transaction, key, &effect, terms.as_ref(), at).await?;
            transaction.commit().await?;
            Ok(Resolved::Now(effect, terms))
        };
        self.database.within("INSERT ledger", resolve).await
    }

    async fn held(&self, key: CheckoutId) -> Result<Option<Held>, Error> {
        self.database
            .within("SELECT ledger", async { held(&mut *self.database.connection().await?, key).await })
            .await
    }

    async fn entries(&self) -> Result<Vec<Entry>, Error> {
        let mut moment = self.database.moment().await?;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT seq, checkout_key, effect, decline_code, amount_minor, currency, method, at
             FROM ledger ORDER BY seq",
        )
        .fetch_all(&mut *moment)
        .await?;
        rows.into_iter().map(|row| Ok(row.parse()?.0)).collect()
    }

    async fn ping(&self) -> Result<(), Error> {
        self.database.ping().await
    }
}

async fn held(connection: &mut PgConnection, key: CheckoutId) -> Result<Option<Held>, Error> {
    let last: Option<Row> = sqlx::query_as(
        "SELECT seq, checkout_key, effect, decline_code, amount_minor, currency, method, at
         FROM ledger WHERE checkout_key = $1 ORDER BY seq DESC LIMIT 1",
    )
    .bind(key.0)
    .fetch_optional(connection)
    .await?;
    let Some(row) = last else { return Ok(None) };
    let (entry, terms) = row.parse()?;
    Ok(Some(Held { standing: entry.effect.standing(), terms }))
}

async fn append(
    connection: &mut PgConnection,
    key: CheckoutId,
    effect: &Effect,
    terms: Option<&Terms>,
    at: Timestamp,
) -> Result<(), Error> {
    let (effect, decline_code) = effect.parts();
    sqlx::query(
        "INSERT INTO ledger (checkout_key, effect, decline_code, amount_minor, currency, method, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(key.0)
    .bind(effect)
    .bind(decline_code)
    .bind(terms.map(|terms| terms.amount.minor))
    .bind(terms.map(|terms| terms.amount.currency.code()))
    .bind(terms.map(|terms| terms.method.token()))
    .bind(OffsetDateTime::from(at))
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts one more authorisation that failed for want of a provider; how many there are now.
async fn count_outage(connection: &mut PgConnection, key: CheckoutId) -> Result<i64, Error> {
    let attempts = sqlx::query_scalar(
        "INSERT INTO outages (checkout_key, attempts) VALUES ($1, 1)
         ON CONFLICT (checkout_key) DO UPDATE SET attempts = outages.attempts + 1 RETURNING attempts",
    )
    .bind(key.0)
    .fetch_one(connection)
    .await?;
    Ok(attempts)
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    checkout_key: Uuid,
    effect: String,
    decline_code: Option<String>,
    amount_minor: Option<i64>,
    currency: Option<String>,
    method: Option<String>,
    at: OffsetDateTime,
}

impl Row {
    fn parse(self) -> Result<(Entry, Option<Terms>), Error> {
        let columns = (self.effect, self.decline_code, self.amount_minor, self.currency, self.method);
        parse(self.seq, CheckoutId(self.checkout_key), columns, Timestamp::from(self.at))
    }
}
