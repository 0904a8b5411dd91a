//! Orders in an SQLite file.

mod cancellations;
mod rows;
#[cfg(test)]
mod tests;

use std::path::Path;

use async_trait::async_trait;
use event_log::sqlite::outbox;
use event_log::{Event, Outbox, OutboxRow, Waiting};
use platform::metrics::Metrics;
use proto::events::ORDER_EVENTS;
use sql::Error;
use sql::sqlite::{Database, OpenError, Sharing};
use sqlx::SqliteConnection;
use sqlx::migrate::Migrator;
use types::{OrderId, UserId};
use uuid::Uuid;

use super::{Made, Position, Snapshot, Step, Store};
use crate::order::{Order, Status};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");

/// What is kept of an order, with how often its cancellation has tried its next call.
macro_rules! orders {
    () => {
        "SELECT id, checkout_id, user_id, status, total_minor, currency, shipping_address, created_at, updated_at,
                (SELECT attempts FROM cancellations WHERE order_id = orders.id AND state <> 'CANCELLED') AS attempts
         FROM orders "
    };
}

/// The store over one file.
#[derive(Debug, Clone)]
pub struct Sqlite {
    database: Database,
}

impl Sqlite {
    /// Opens the file for this process alone, made and brought up to date as needed.
    ///
    /// # Errors
    /// What hinders the file from being opened, in words for who started the program.
    pub async fn open(path: &Path, metrics: &Metrics) -> anyhow::Result<Self> {
        let database = Database::open(path, &MIGRATIONS, Sharing::Exclusive, metrics).await?;
        database
            .write("UPDATE cancellations", |connection| Box::pin(cancellations::end_leases(connection)))
            .await?;
        Ok(Self { database })
    }

    /// Opens the file for looking only, whether or not a shop runs on it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        let database = Database::open_read_only(path).await?;
        Ok(Self { database })
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn make(&self, order: Order, cause: Uuid, announcement: Event) -> Result<Made, Error> {
        self.database
            .write("INSERT orders", move |connection| {
                Box::pin(async move {
                    if !insert_order(connection, &order).await? {
                        let before = order_by_id(connection, order.id).await?;
                        let before = before.ok_or_else(|| {
                            Error::defect(format!(
                                "checkout {} has another order",
                                order.purchase.checkout_id
                            ))
                        })?;
                        return Ok(Made::Before(Box::new(before)));
                    }
                    insert_lines(connection, &order).await?;
                    sqlx::query("INSERT INTO inbox (order_id, event_id, applied_at) VALUES (?, ?, ?)")
                        .bind(order.id.to_string())
                        .bind(cause.to_string())
                        .bind(order.created_at.micros())
                        .execute(&mut *connection)
                        .await?;
                    outbox::write(connection, ORDER_EVENTS, &announcement).await?;
                    Ok(Made::Now)
                })
            })
            .await
    }

    async fn order(&self, id: OrderId) -> Result<Option<Order>, Error> {
        let mut connection = self.database.read("SELECT orders").await?;
        order_by_id(&mut connection, id).await
    }

    async fn orders(
        &self,
        user: UserId,
        status: Option<Status>,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<Order>, Error> {
        // No order is made later than the last moment that a timestamp has.
        let (created_at, id) = after
            .map_or((i64::MAX, String::new()), |after| (after.created_at.micros(), after.id.to_string()));
        let mut connection = self.database.read("SELECT orders").await?;
        let orders = sqlx::query_as(concat!(
            orders!(),
            "WHERE user_id = ?1 AND (?2 IS NULL OR status = ?2) AND (created_at, id) < (?3, ?4)
             ORDER BY created_at DESC, id DESC LIMIT ?5"
        ))
        .bind(user.get())
        .bind(status.map(Status::as_str))
        .bind(created_at)
        .bind(id)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *connection)
        .await?;
        with_lines(&mut connection, orders).await
    }

    async fn change_status(&self, step: Step, announcement: Event) -> Result<bool, Error> {
        self.database
            .write("UPDATE orders", move |connection| {
                Box::pin(async move {
                    let changed = sqlx::query(
                        "UPDATE orders SET status = ?, updated_at = ? WHERE id = ? AND status = ?",
                    )
                    .bind(step.to.as_str())
                    .bind(step.at.micros())
                    .bind(step.id.to_string())
                    .bind(step.from.as_str())
                    .execute(&mut *connection)
                    .await?
                    .rows_affected();
                    if changed == 0 {
                        return Ok(false);
                    }
                    outbox::write(connection, ORDER_EVENTS, &announcement).await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn snapshot(&self) -> Result<Snapshot, Error> {
        let mut connection = self.database.read("SELECT orders").await?;
        let mut transaction = sqlx::Connection::begin(&mut *connection).await?;
        let orders = sqlx::query_as(concat!(orders!(), "ORDER BY created_at, id"))
            .fetch_all(&mut *transaction)
            .await?;
        let orders = with_lines(&mut transaction, orders).await?;
        let inbox: Vec<rows::Applied> =
            sqlx::query_as("SELECT event_id, order_id, applied_at FROM inbox ORDER BY order_id")
                .fetch_all(&mut *transaction)
                .await?;
        let inbox = inbox.into_iter().map(rows::Applied::into_domain).collect::<Result<_, _>>()?;
        let cancellations = cancellations::all(&mut transaction).await?;
        let outbox = outbox::all(&mut transaction).await?;
        transaction.commit().await?;
        Ok(Snapshot { orders, cancellations, inbox, outbox })
    }

    async fn ping(&self) -> Result<(), Error> {
        self.database.ping().await
    }
}

#[async_trait]
impl Outbox for Sqlite {
    async fn unpublished(&self, limit: usize) -> Result<Vec<OutboxRow>, Error> {
        outbox::unpublished(&self.database, limit).await
    }

    async fn mark_published(&self, ids: &[i64]) -> Result<(), Error> {
        outbox::mark_published(&self.database, ids).await
    }

    async fn waiting(&self) -> Result<Waiting, Error> {
        outbox::waiting(&self.database).await
    }
}

/// `false` if the checkout has its order already.
async fn insert_order(connection: &mut SqliteConnection, order: &Order) -> Result<bool, Error> {
    let purchase = &order.purchase;
    let inserted = sqlx::query(
        "INSERT INTO orders
         (id, checkout_id, user_id, status, total_minor, currency, shipping_address, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (checkout_id) DO NOTHING",
    )
    .bind(order.id.to_string())
    .bind(purchase.checkout_id.to_string())
    .bind(purchase.user_id.get())
    .bind(order.status.as_str())
    .bind(purchase.total.minor)
    .bind(purchase.total.currency.code())
    .bind(rows::address_text(purchase.shipping_address.as_ref())?)
    .bind(order.created_at.micros())
    .bind(order.updated_at.micros())
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

async fn insert_lines(connection: &mut SqliteConnection, order: &Order) -> Result<(), Error> {
    for (position, line) in (0_i64..).zip(&order.purchase.lines) {
        sqlx::query(
            "INSERT INTO order_lines
             (order_id, position, product_id, product_name, quantity, unit_price_minor, line_total_minor)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(order.id.to_string())
        .bind(position)
        .bind(line.product_id.get())
        .bind(&line.product_name)
        .bind(line.quantity.get())
        .bind(line.unit_price.minor)
        .bind(line.line_total.minor)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn order_by_id(connection: &mut SqliteConnection, id: OrderId) -> Result<Option<Order>, Error> {
    let found = sqlx::query_as(concat!(orders!(), "WHERE id = ?"))
        .bind(id.to_string())
        .fetch_all(&mut *connection)
        .await?;
    Ok(with_lines(connection, found).await?.pop())
}

/// The orders of these rows, each with its lines. Lines never change, so they may be read later.
async fn with_lines(
    connection: &mut SqliteConnection,
    orders: Vec<rows::Order>,
) -> Result<Vec<Order>, Error> {
    let ids: Vec<&str> = orders.iter().map(|order| order.id.as_str()).collect();
    let lines = sqlx::query_as(
        "SELECT order_id, product_id, product_name, quantity, unit_price_minor, line_total_minor
         FROM order_lines WHERE order_id IN (SELECT value FROM json_each(?)) ORDER BY order_id, position",
    )
    .bind(serde_json::to_string(&ids).map_err(Error::defect)?)
    .fetch_all(connection)
    .await?;
    rows::join(orders, lines)
}
