//! Orders in a PostgreSQL database, which the instances of the service share.

mod cancellations;
mod rows;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use event_log::postgres::outbox;
use event_log::{Event, Outbox, OutboxRow, Waiting};
use platform::config::Server;
use platform::metrics::Metrics;
use proto::events::ORDER_EVENTS;
use sql::Error;
use sql::postgres::{Database, OpenError};
use sqlx::PgConnection;
use sqlx::migrate::Migrator;
use sqlx::types::time::OffsetDateTime;
use types::{OrderId, Timestamp, UserId};
use uuid::Uuid;

use super::{Made, Position, Snapshot, Step, Store};
use crate::order::{Order, Status};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

/// The service's schema.
const SCHEMA: &str = "orders";

/// What is kept of an order, with how often its cancellation has tried its next call.
macro_rules! orders {
    () => {
        "SELECT id, checkout_id, user_id, status, total_minor, currency, shipping_address, created_at, updated_at,
                (SELECT attempts FROM cancellations WHERE order_id = orders.id AND state <> 'CANCELLED') AS attempts
         FROM orders "
    };
}

/// The store over one database.
#[derive(Debug, Clone)]
pub struct Postgres {
    database: Database,
    carrier: Uuid,
}

impl Postgres {
    /// Opens the schema `orders`, made and brought up to date as needed. `carrier` is what no other instance
    /// has: by it this one claims the events that it publishes.
    ///
    /// # Errors
    /// See [`OpenError`]; a server that can't be reached is waited for.
    pub async fn open(server: &Server, carrier: Uuid, metrics: &Metrics) -> Result<Self, OpenError> {
        let database = Database::open(server, SCHEMA, &MIGRATIONS, metrics).await?;
        Ok(Self { database, carrier })
    }

    /// Opens the schema for looking only, whether or not a shop runs on it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_read_only(server: &Server) -> Result<Self, OpenError> {
        let database = Database::open_read_only(server, SCHEMA).await?;
        // Who only looks carries nothing.
        Ok(Self { database, carrier: Uuid::nil() })
    }
}

#[async_trait]
impl Store for Postgres {
    async fn make(&self, order: Order, cause: Uuid, announcement: Event) -> Result<Made, Error> {
        let make = async {
            let mut connection = self.database.connection().await?;
            if insert(&mut connection, &order, cause, &announcement).await? {
                return Ok(Made::Now);
            }
            let before = order_by_id(&mut connection, order.id).await?.ok_or_else(|| {
                Error::defect(format!("checkout {} has another order", order.purchase.checkout_id))
            })?;
            Ok(Made::Before(Box::new(before)))
        };
        self.database.within("INSERT orders", make).await
    }

    async fn order(&self, id: OrderId) -> Result<Option<Order>, Error> {
        let read = async { order_by_id(&mut *self.database.connection().await?, id).await };
        self.database.within("SELECT orders", read).await
    }

    async fn orders(
        &self,
        user: UserId,
        status: Option<Status>,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<Order>, Error> {
        // No order is made later than the last moment that a timestamp has.
        let end = || (Timestamp::from_micros(i64::MAX), Uuid::max());
        let (created_at, id) = after.map_or_else(end, |after| (after.created_at, after.id.0));
        let read = async {
            let mut connection = self.database.connection().await?;
            let orders = sqlx::query_as(concat!(
                orders!(),
                "WHERE user_id = $1 AND ($2::text IS NULL OR status = $2) AND (created_at, id) < ($3, $4)
                 ORDER BY created_at DESC, id DESC LIMIT $5"
            ))
            .bind(user.get())
            .bind(status.map(Status::as_str))
            .bind(OffsetDateTime::from(created_at))
            .bind(id)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *connection)
            .await?;
            with_lines(&mut connection, orders).await
        };
        self.database.within("SELECT orders", read).await
    }

    async fn change_status(&self, step: Step, announcement: Event) -> Result<bool, Error> {
        let change = async {
            let mut transaction = self.database.begin().await?;
            let changed =
                sqlx::query("UPDATE orders SET status = $1, updated_at = $2 WHERE id = $3 AND status = $4")
                    .bind(step.to.as_str())
                    .bind(OffsetDateTime::from(step.at))
                    .bind(step.id.0)
                    .bind(step.from.as_str())
                    .execute(&mut *transaction)
                    .await?
                    .rows_affected();
            if changed == 0 {
                return Ok(false);
            }
            outbox::write(&mut transaction, ORDER_EVENTS, &announcement).await?;
            transaction.commit().await?;
            Ok(true)
        };
        self.database.within("UPDATE orders", change).await
    }

    async fn snapshot(&self) -> Result<Snapshot, Error> {
        let mut moment = self.database.moment().await?;
        let orders =
            sqlx::query_as(concat!(orders!(), "ORDER BY created_at, id")).fetch_all(&mut *moment).await?;
        let orders = with_lines(&mut moment, orders).await?;
        let inbox: Vec<rows::Applied> =
            sqlx::query_as("SELECT event_id, order_id, applied_at FROM inbox ORDER BY order_id")
                .fetch_all(&mut *moment)
                .await?;
        let inbox = inbox.into_iter().map(rows::Applied::into_domain).collect();
        let cancellations = cancellations::all(&mut moment).await?;
        let outbox = outbox::all(&mut moment).await?;
        Ok(Snapshot { orders, cancellations, inbox, outbox })
    }

    async fn ping(&self) -> Result<(), Error> {
        self.database.ping().await
    }
}

#[async_trait]
impl Outbox for Postgres {
    async fn unpublished(&self, limit: usize) -> Result<Vec<OutboxRow>, Error> {
        outbox::unpublished(&self.database, self.carrier, limit).await
    }

    async fn mark_published(&self, ids: &[i64]) -> Result<(), Error> {
        outbox::mark_published(&self.database, ids).await
    }

    async fn waiting(&self) -> Result<Waiting, Error> {
        outbox::waiting(&self.database).await
    }
}

/// The order, its lines, the mark and the announcement; `false`, and nothing, if the checkout has its order
/// already. All in one statement, the row of the outbox too: a transaction of several takes half as long again,
/// and orders are made one after the other.
async fn insert(
    connection: &mut PgConnection,
    order: &Order,
    cause: Uuid,
    announcement: &Event,
) -> Result<bool, Error> {
    let purchase = &order.purchase;
    let lines = rows::Lines::of(&purchase.lines);
    // On a conflict of any kind: two that make the same order at once may meet at its id as well as at its
    // checkout.
    let inserted = sqlx::query(
        "WITH made AS (
             INSERT INTO orders (id, checkout_id, user_id, status, total_minor, currency, shipping_address,
                                 created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING id
         ), lines AS (
             INSERT INTO order_lines (order_id, position, product_id, product_name, quantity,
                                      unit_price_minor, line_total_minor)
             SELECT made.id, number - 1, product_id, product_name, quantity, unit_price, line_total
             FROM made, UNNEST($10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[])
                  WITH ORDINALITY AS l (product_id, product_name, quantity, unit_price, line_total, number)
         ), told AS (
             INSERT INTO outbox (event_id, topic, kind, source, key, time, traceparent, data, request_id)
             SELECT $15, $16, $17, $18, $19, $20, $21, $22, $24 FROM made
         )
         INSERT INTO inbox (order_id, event_id, applied_at) SELECT id, $23, $8 FROM made",
    )
    .bind(order.id.0)
    .bind(purchase.checkout_id.0)
    .bind(purchase.user_id.get())
    .bind(order.status.as_str())
    .bind(purchase.total.minor)
    .bind(purchase.total.currency.code())
    .bind(rows::address_text(purchase.shipping_address.as_ref())?)
    .bind(OffsetDateTime::from(order.created_at))
    .bind(OffsetDateTime::from(order.updated_at))
    .bind(lines.product_ids)
    .bind(lines.product_names)
    .bind(lines.quantities)
    .bind(lines.unit_prices)
    .bind(lines.line_totals)
    .bind(announcement.id)
    .bind(ORDER_EVENTS)
    .bind(&announcement.kind)
    .bind(&announcement.source)
    .bind(&announcement.key)
    .bind(OffsetDateTime::from(announcement.time))
    .bind(&announcement.traceparent)
    .bind(announcement.data.as_ref())
    .bind(cause)
    .bind(&announcement.request_id)
    .execute(connection)
    .await
    .map_err(Error::of_autocommit)?;
    Ok(inserted.rows_affected() == 1)
}

async fn order_by_id(connection: &mut PgConnection, id: OrderId) -> Result<Option<Order>, Error> {
    let found =
        sqlx::query_as(concat!(orders!(), "WHERE id = $1")).bind(id.0).fetch_all(&mut *connection).await?;
    Ok(with_lines(connection, found).await?.pop())
}

/// The orders of these rows, each with its lines. Lines never change, so they may be read later.
async fn with_lines(connection: &mut PgConnection, orders: Vec<rows::Order>) -> Result<Vec<Order>, Error> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = orders.iter().map(|order| order.id).collect();
    let lines = sqlx::query_as(
        "SELECT order_id, product_id, product_name, quantity, unit_price_minor, line_total_minor
         FROM order_lines WHERE order_id = ANY($1) ORDER BY order_id, position",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    rows::join(orders, lines)
}
