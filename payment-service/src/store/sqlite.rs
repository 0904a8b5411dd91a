//! Payments in a SQLite file.

use std::path::Path;

use async_trait::async_trait;
use platform::metrics::Metrics;
use sql::Error;
use sql::sqlite::{Database, OpenError, Sharing};
use sqlx::SqliteConnection;
use sqlx::migrate::Migrator;
use types::{CheckoutId, PaymentId, Timestamp};

use super::{Store, parts, payment};
use crate::payment::{Payment, Status};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");

/// The store on one SQLite file.
#[derive(Debug, Clone)]
pub struct Sqlite {
    database: Database,
}

impl Sqlite {
    /// Opens the file, which is made if it is not there.
    ///
    /// # Errors
    /// When the file can't be opened, or is in use.
    pub async fn open(path: &Path, metrics: &Metrics) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(path, &MIGRATIONS, Sharing::Exclusive, metrics).await? })
    }

    /// Opens the file for reading only, whether or not a service is at work on it.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub async fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open_read_only(path).await? })
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn find(&self, checkout_id: CheckoutId) -> Result<Option<Payment>, Error> {
        find(&mut *self.database.read("SELECT payments").await?, checkout_id).await
    }

    async fn begin(&self, payment: Payment) -> Result<Payment, Error> {
        self.database
            .write("INSERT payments", move |connection| {
                Box::pin(async move {
                    insert(connection, &payment).await?;
                    must_find(connection, payment.checkout_id).await
                })
            })
            .await
    }

    async fn advance(&self, seen: &Payment, to: Status, at: Timestamp) -> Result<Payment, Error> {
        let (checkout_id, from) = (seen.checkout_id, seen.status.clone());
        self.database
            .write("UPDATE payments", move |connection| {
                Box::pin(async move {
                    update(connection, checkout_id, &from, &to, at).await?;
                    must_find(connection, checkout_id).await
                })
            })
            .await
    }

    async fn snapshot(&self) -> Result<Vec<Payment>, Error> {
        let mut connection = self.database.read("SELECT payments").await?;
        // One statement is one read transaction.
        let rows: Vec<Row> = sqlx::query_as("SELECT * FROM payments ORDER BY created_at, checkout_id")
            .fetch_all(&mut *connection)
            .await?;
        rows.into_iter().map(Payment::try_from).collect()
    }

    async fn ping(&self) -> Result<(), Error> {
        self.database.ping().await
    }

    async fn close(&self) {
        self.database.close().await;
    }
}

async fn find(connection: &mut SqliteConnection, checkout_id: CheckoutId) -> Result<Option<Payment>, Error> {
    let row: Option<Row> = sqlx::query_as("SELECT * FROM payments WHERE checkout_id = ?")
        .bind(checkout_id.to_string())
        .fetch_optional(connection)
        .await?;
    row.map(Payment::try_from).transpose()
}

async fn must_find(connection: &mut SqliteConnection, checkout_id: CheckoutId) -> Result<Payment, Error> {
    find(connection, checkout_id).await?.ok_or_else(|| Error::defect("the payment is gone"))
}

async fn insert(connection: &mut SqliteConnection, payment: &Payment) -> Result<(), Error> {
    let (status, decline_code) = parts(&payment.status);
    let terms = payment.terms.as_ref();
    sqlx::query(
        "INSERT INTO payments (checkout_id, payment_id, user_id, amount_minor, currency, method,
                               status, decline_code, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (checkout_id) DO NOTHING",
    )
    .bind(payment.checkout_id.to_string())
    .bind(payment.id.to_string())
    .bind(terms.map(|terms| terms.user_id.get()))
    .bind(terms.map(|terms| terms.amount.minor))
    .bind(terms.map(|terms| terms.amount.currency.code()))
    .bind(terms.map(|terms| terms.method.token()))
    .bind(status)
    .bind(decline_code)
    .bind(payment.created_at.micros())
    .bind(payment.updated_at.micros())
    .execute(connection)
    .await?;
    Ok(())
}

async fn update(
    connection: &mut SqliteConnection,
    checkout_id: CheckoutId,
    from: &Status,
    to: &Status,
    at: Timestamp,
) -> Result<(), Error> {
    let (status, decline_code) = parts(to);
    sqlx::query(
        "UPDATE payments SET status = ?, decline_code = ?, updated_at = ?
         WHERE checkout_id = ? AND status = ?",
    )
    .bind(status)
    .bind(decline_code)
    .bind(at.micros())
    .bind(checkout_id.to_string())
    .bind(parts(from).0)
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    checkout_id: String,
    payment_id: String,
    user_id: Option<i64>,
    amount_minor: Option<i64>,
    currency: Option<String>,
    method: Option<String>,
    status: String,
    decline_code: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for Payment {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let id = (
            row.checkout_id.parse().map_err(Error::defect)?,
            row.payment_id.parse::<PaymentId>().map_err(Error::defect)?,
        );
        let terms = (row.user_id, row.amount_minor, row.currency, row.method);
        let times = (Timestamp::from_micros(row.created_at), Timestamp::from_micros(row.updated_at));
        payment(id, terms, (&row.status, row.decline_code), times)
    }
}
