//! Cancellations in an SQLite file.

use async_trait::async_trait;
use event_log::Event;
use event_log::sqlite::outbox;
use platform::lease::{HORIZON, Held, LEASE, Lease};
use proto::events::ORDER_EVENTS;
use sql::Error;
use sqlx::SqliteConnection;
use types::Timestamp;
use uuid::Uuid;

use super::{Sqlite, rows};
use crate::cancellation::Cancellation;
use crate::order::Status;
use crate::store::Cancellations;

/// What this version can go on with; the first half is that of the index.
macro_rules! unfinished {
    () => {
        "state <> 'CANCELLED' AND state IN ('REFUNDING', 'RESTOCKING')"
    };
}

/// What is kept of a cancellation, with what its order says.
macro_rules! select {
    () => {
        "SELECT order_id, state, attempts, coalesce(traceparent, '') AS traceparent, request_id, requested_at, due_at,
                fence, ended_at, checkout_id, user_id, total_minor, currency
         FROM cancellations JOIN orders ON id = order_id "
    };
}

fn lease_until(lease: Lease, now: Timestamp) -> i64 {
    match lease {
        Lease::Keep => now.after(LEASE).micros(),
        Lease::Return => 0,
    }
}

#[async_trait]
impl Cancellations for Sqlite {
    async fn cancel(&self, from: Status, cancellation: &Cancellation) -> Result<bool, Error> {
        let cancellation = cancellation.clone();
        self.database
            .write("UPDATE orders", move |connection| {
                Box::pin(async move {
                    let (from, to, at) = (from, Status::Cancelling, cancellation.requested_at);
                    if !change_order(connection, &cancellation, from, to, at).await? {
                        return Ok(false);
                    }
                    sqlx::query(
                        "INSERT INTO cancellations
                         (order_id, state, attempts, traceparent, request_id, requested_at, due_at, lease_until,
                          fence)
                         VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",
                    )
                    .bind(cancellation.order_id.to_string())
                    .bind(cancellation.state.as_str())
                    .bind(cancellation.attempts)
                    .bind(&cancellation.origin.traceparent)
                    .bind(&cancellation.origin.request_id)
                    .bind(cancellation.requested_at.micros())
                    .bind(cancellation.due_at.micros())
                    .bind(cancellation.fence)
                    .execute(connection)
                    .await?;
                    Ok(true)
                })
            })
            .await
    }

    async fn claim(&self, owner: Uuid, limit: usize, now: Timestamp) -> Result<Vec<Cancellation>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let claimed: Vec<rows::Cancellation> = self
            .database
            .write("UPDATE cancellations", move |connection| {
                Box::pin(async move {
                    let ids: Vec<String> = sqlx::query_scalar(concat!(
                        "UPDATE cancellations SET fence = fence + 1, owner = ?1, lease_until = ?2
                         WHERE order_id IN (SELECT order_id FROM cancellations WHERE ",
                        unfinished!(),
                        " AND (due_at <= ?3 OR due_at > ?4) AND (lease_until <= ?3 OR lease_until > ?4)
                          ORDER BY due_at LIMIT ?5) RETURNING order_id",
                    ))
                    .bind(owner.to_string())
                    .bind(lease_until(Lease::Keep, now))
                    .bind(now.micros())
                    .bind(now.after(HORIZON).micros())
                    .bind(limit)
                    .fetch_all(&mut *connection)
                    .await?;
                    let claimed = sqlx::query_as(concat!(
                        select!(),
                        "WHERE order_id IN (SELECT value FROM json_each(?)) ORDER BY due_at"
                    ))
                    .bind(serde_json::to_string(&ids).map_err(Error::defect)?)
                    .fetch_all(connection)
                    .await?;
                    Ok::<_, Error>(claimed)
                })
            })
            .await?;
        Ok(claimed.into_iter().filter_map(rows::Cancellation::readable).collect())
    }

    async fn save(
        &self,
        before: &Cancellation,
        after: &Cancellation,
        announcement: Option<Event>,
        lease: Lease,
        now: Timestamp,
    ) -> Result<Held, Error> {
        let (from, after) = (before.state, after.clone());
        self.database
            .write("UPDATE cancellations", move |connection| {
                Box::pin(async move {
                    let written = sqlx::query(
                        "UPDATE cancellations
                         SET state = ?, attempts = ?, due_at = ?, ended_at = ?, lease_until = ?
                         WHERE order_id = ? AND fence = ? AND state = ?",
                    )
                    .bind(after.state.as_str())
                    .bind(after.attempts)
                    .bind(after.due_at.micros())
                    .bind(after.ended_at.map(Timestamp::micros))
                    .bind(lease_until(lease, now))
                    .bind(after.order_id.to_string())
                    .bind(after.fence)
                    .bind(from.as_str())
                    .execute(&mut *connection)
                    .await?;
                    if written.rows_affected() == 0 {
                        return Ok(Held::Lost);
                    }
                    if let Some(at) = after.ended_at {
                        let (from, to) = (Status::Cancelling, Status::Cancelled);
                        if !change_order(connection, &after, from, to, at).await? {
                            return Err(Error::defect("a cancelled order was not being cancelled"));
                        }
                    }
                    if let Some(announcement) = announcement {
                        outbox::write(connection, ORDER_EVENTS, &announcement).await?;
                    }
                    Ok(Held::Yes)
                })
            })
            .await
    }

    async fn renew(&self, cancellation: &Cancellation, now: Timestamp) -> Result<Held, Error> {
        let (id, fence) = (cancellation.order_id.to_string(), cancellation.fence);
        self.database
            .write("UPDATE cancellations", move |connection| {
                Box::pin(async move {
                    let written = sqlx::query(
                        "UPDATE cancellations SET lease_until = ? WHERE order_id = ? AND fence = ?",
                    )
                    .bind(lease_until(Lease::Keep, now))
                    .bind(id)
                    .bind(fence)
                    .execute(connection)
                    .await?;
                    Ok(if written.rows_affected() == 0 { Held::Lost } else { Held::Yes })
                })
            })
            .await
    }

    async fn next_due(&self, _now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let mut connection = self.database.read("SELECT cancellations").await?;
        let due: Option<i64> = sqlx::query_scalar(concat!(
            "SELECT min(max(due_at, lease_until)) FROM cancellations WHERE ",
            unfinished!(),
        ))
        .fetch_one(&mut *connection)
        .await?;
        Ok(due.map(Timestamp::from_micros))
    }

    async fn give_back(&self, owner: Uuid) -> Result<(), Error> {
        self.database
            .write("UPDATE cancellations", move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE cancellations SET lease_until = 0 WHERE owner = ? AND state <> 'CANCELLED'",
                    )
                    .bind(owner.to_string())
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }
}

/// Ends all leases: they are of processes that are gone, since only one has the file open.
pub(super) async fn end_leases(connection: &mut SqliteConnection) -> Result<(), Error> {
    sqlx::query("UPDATE cancellations SET lease_until = 0 WHERE state <> 'CANCELLED'")
        .execute(connection)
        .await?;
    Ok(())
}

/// Every cancellation, by order id.
pub(super) async fn all(connection: &mut SqliteConnection) -> Result<Vec<Cancellation>, Error> {
    let found: Vec<rows::Cancellation> =
        sqlx::query_as(concat!(select!(), "ORDER BY order_id")).fetch_all(connection).await?;
    found.into_iter().map(rows::Cancellation::into_domain).collect()
}

async fn change_order(
    connection: &mut SqliteConnection,
    cancellation: &Cancellation,
    from: Status,
    to: Status,
    at: Timestamp,
) -> Result<bool, Error> {
    let changed = sqlx::query("UPDATE orders SET status = ?, updated_at = ? WHERE id = ? AND status = ?")
        .bind(to.as_str())
        .bind(at.micros())
        .bind(cancellation.order_id.to_string())
        .bind(from.as_str())
        .execute(connection)
        .await?;
    Ok(changed.rows_affected() == 1)
}
