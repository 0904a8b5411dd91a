//! Payments in a PostgreSQL schema that several instances share.

use async_trait::async_trait;
use platform::config::Server;
use platform::metrics::Metrics;
use sql::Error;
use sql::postgres::{Database, OpenError};
use sqlx::migrate::Migrator;
use sqlx::types::time::OffsetDateTime;
use types::{CheckoutId, PaymentId, Timestamp};
use uuid::Uuid;

use super::{Store, parts, payment};
use crate::payment::{Payment, Status};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

const SCHEMA: &str = "payment";

/// The store in a PostgreSQL schema.
#[derive(Debug, Clone)]
pub struct Postgres {
    database: Database,
}

impl Postgres {
    /// Opens the schema `payment`, made if it is not there; a server that is not there is waited for.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(server: &Server, metrics: &Metrics) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(server, SCHEMA, &MIGRATIONS, metrics).await? })
    }

    /// Opens a schema that exists for reading only, whether or not a service is at work on it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_read_only(server: &Server) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open_read_only(server, SCHEMA).await? })
    }
}

#[async_trait]
impl Store for Postgres {
    async fn find(&self, checkout_id: CheckoutId) -> Result<Option<Payment>, Error> {
        let find = async {
            let row: Option<Row> = sqlx::query_as("SELECT * FROM payments WHERE checkout_id = $1")
                .bind(checkout_id.0)
                .fetch_optional(&mut *self.database.connection().await?)
                .await?;
            row.map(Payment::try_from).transpose()
        };
        self.database.within("SELECT payments", find).await
    }

    async fn begin(&self, new: Payment) -> Result<Payment, Error> {
        let begin = async {
            let (status, decline_code) = parts(&new.status);
            let terms = new.terms.as_ref();
            let added: Option<Row> = sqlx::query_as(
                "INSERT INTO payments (checkout_id, payment_id, user_id, amount_minor, currency, method,
                                       status, decline_code, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                 ON CONFLICT (checkout_id) DO NOTHING RETURNING *",
            )
            .bind(new.checkout_id.0)
            .bind(new.id.0)
            .bind(terms.map(|terms| terms.user_id.get()))
            .bind(terms.map(|terms| terms.amount.minor))
            .bind(terms.map(|terms| terms.amount.currency.code()))
            .bind(terms.map(|terms| terms.method.token()))
            .bind(status)
            .bind(decline_code)
            .bind(OffsetDateTime::from(new.created_at))
            .bind(OffsetDateTime::from(new.updated_at))
            .fetch_optional(&mut *self.database.connection().await?)
            .await
            .map_err(Error::of_autocommit)?;
            self.or_find(added, new.checkout_id).await
        };
        self.database.within("INSERT payments", begin).await
    }

    async fn advance(&self, seen: &Payment, to: Status, at: Timestamp) -> Result<Payment, Error> {
        let advance = async {
            let (status, decline_code) = parts(&to);
            let moved: Option<Row> = sqlx::query_as(
                "UPDATE payments SET status = $1, decline_code = $2, updated_at = $3
                 WHERE checkout_id = $4 AND status = $5 RETURNING *",
            )
            .bind(status)
            .bind(decline_code)
            .bind(OffsetDateTime::from(at))
            .bind(seen.checkout_id.0)
            .bind(parts(&seen.status).0)
            .fetch_optional(&mut *self.database.connection().await?)
            .await
            .map_err(Error::of_autocommit)?;
            self.or_find(moved, seen.checkout_id).await
        };
        self.database.within("UPDATE payments", advance).await
    }

    async fn snapshot(&self) -> Result<Vec<Payment>, Error> {
        let mut moment = self.database.moment().await?;
        let rows: Vec<Row> = sqlx::query_as("SELECT * FROM payments ORDER BY created_at, checkout_id")
            .fetch_all(&mut *moment)
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

impl Postgres {
    /// The payment that a statement wrote, or that stood in its way: who was faster has committed by then.
    async fn or_find(&self, written: Option<Row>, checkout_id: CheckoutId) -> Result<Payment, Error> {
        match written {
            Some(row) => row.try_into(),
            None => {
                let row: Option<Row> = sqlx::query_as("SELECT * FROM payments WHERE checkout_id = $1")
                    .bind(checkout_id.0)
                    .fetch_optional(&mut *self.database.connection().await?)
                    .await?;
                row.ok_or_else(|| Error::defect("the payment is gone"))?.try_into()
            }
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    checkout_id: Uuid,
    payment_id: Uuid,
    user_id: Option<i64>,
    amount_minor: Option<i64>,
    currency: Option<String>,
    method: Option<String>,
    status: String,
    decline_code: Option<String>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl TryFrom<Row> for Payment {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let id = (CheckoutId(row.checkout_id), PaymentId(row.payment_id));
        let terms = (row.user_id, row.amount_minor, row.currency, row.method);
        let times = (Timestamp::from(row.created_at), Timestamp::from(row.updated_at));
        payment(id, terms, (&row.status, row.decline_code), times)
    }
}
