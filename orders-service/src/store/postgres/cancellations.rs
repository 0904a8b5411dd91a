//! Cancellations in a PostgreSQL database.
//!
//! Leases and delays are moments of the database's clock, so that instances whose clocks differ agree on them: what
//! an instance says of its own clock is written as a distance from now, and read back as one.

use async_trait::async_trait;
use event_log::Event;
use event_log::postgres::outbox;
use platform::lease::{HORIZON, Held, LEASE, Lease};
use proto::events::ORDER_EVENTS;
use sql::Error;
use sql::postgres::micros;
use sqlx::PgConnection;
use sqlx::types::time::OffsetDateTime;
use types::Timestamp;
use uuid::Uuid;

use super::{Postgres, rows};
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
macro_rules! columns {
    () => {
        "order_id, state, attempts, coalesce(traceparent, '') AS traceparent, request_id, requested_at, due_at, fence,
         ended_at,
         checkout_id, user_id, total_minor, currency"
    };
}

#[async_trait]
impl Cancellations for Postgres {
    async fn cancel(&self, from: Status, cancellation: &Cancellation) -> Result<bool, Error> {
        // One statement that commits by itself: the order must still be there, and nothing is begun if it is not.
        let cancel = async {
            let begun = sqlx::query(
                "WITH cancelled AS (
                     UPDATE orders SET status = 'CANCELLING', updated_at = $2 WHERE id = $1 AND status = $3
                     RETURNING id
                 )
                 INSERT INTO cancellations
                 (order_id, state, attempts, traceparent, request_id, requested_at, due_at, lease_until, fence)
                 SELECT id, $4, $5, $6, $7, $2, now(), now(), $8 FROM cancelled",
            )
            .bind(cancellation.order_id.0)
            .bind(OffsetDateTime::from(cancellation.requested_at))
            .bind(from.as_str())
            .bind(cancellation.state.as_str())
            .bind(i64::from(cancellation.attempts))
            .bind(&cancellation.origin.traceparent)
            .bind(&cancellation.origin.request_id)
            .bind(cancellation.fence)
            .execute(&mut *self.database.connection().await?)
            .await
            .map_err(Error::of_autocommit)?;
            Ok(begun.rows_affected() == 1)
        };
        self.database.within("UPDATE orders", cancel).await
    }

    async fn claim(&self, owner: Uuid, limit: usize, _now: Timestamp) -> Result<Vec<Cancellation>, Error> {
        let claim = async {
            let claimed: Vec<rows::Cancellation> = sqlx::query_as(concat!(
                "WITH due AS MATERIALIZED (
                     SELECT order_id AS due_id FROM cancellations
                     WHERE ",
                unfinished!(),
                "      AND (due_at <= now() OR due_at > now() + $3 * interval '1 microsecond')
                       AND (lease_until <= now() OR lease_until > now() + $3 * interval '1 microsecond')
                     ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED
                 )
                 UPDATE cancellations
                 SET fence = fence + 1, owner = $1, lease_until = now() + $2 * interval '1 microsecond'
                 FROM due, orders WHERE order_id = due_id AND id = due_id RETURNING ",
                columns!(),
            ))
            .bind(owner)
            .bind(micros(LEASE))
            .bind(micros(HORIZON))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.database.connection().await?)
            .await
            .map_err(Error::of_autocommit)?;
            Ok(claimed.into_iter().filter_map(rows::Cancellation::readable).collect())
        };
        self.database.within("UPDATE cancellations", claim).await
    }

    async fn save(
        &self,
        before: &Cancellation,
        after: &Cancellation,
        announcement: Option<Event>,
        lease: Lease,
        now: Timestamp,
    ) -> Result<Held, Error> {
        let save = async {
            let mut transaction = self.database.begin().await?;
            let written = sqlx::query(
                "UPDATE cancellations
                 SET state = $1, attempts = $2, due_at = now() + $3 * interval '1 microsecond', ended_at = $4,
                     lease_until = now() + $5 * interval '1 microsecond'
                 WHERE order_id = $6 AND fence = $7 AND state = $8",
            )
            .bind(after.state.as_str())
            .bind(i64::from(after.attempts))
            .bind(micros(after.due_at.since(now)))
            .bind(after.ended_at.map(OffsetDateTime::from))
            .bind(micros(lease.length()))
            .bind(after.order_id.0)
            .bind(after.fence)
            .bind(before.state.as_str())
            .execute(&mut *transaction)
            .await?;
            if written.rows_affected() == 0 {
                return Ok(Held::Lost);
            }
            if let Some(at) = after.ended_at {
                let cancelled = sqlx::query(
                    "UPDATE orders SET status = 'CANCELLED', updated_at = $1
                     WHERE id = $2 AND status = 'CANCELLING'",
                )
                .bind(OffsetDateTime::from(at))
                .bind(after.order_id.0)
                .execute(&mut *transaction)
                .await?;
                if cancelled.rows_affected() == 0 {
                    return Err(Error::defect("a cancelled order was not being cancelled"));
                }
            }
            if let Some(announcement) = announcement {
                outbox::write(&mut transaction, ORDER_EVENTS, &announcement).await?;
            }
            transaction.commit().await?;
            Ok(Held::Yes)
        };
        self.database.within("UPDATE cancellations", save).await
    }

    async fn renew(&self, cancellation: &Cancellation, _now: Timestamp) -> Result<Held, Error> {
        let renew = async {
            let written = sqlx::query(
                "UPDATE cancellations SET lease_until = now() + $1 * interval '1 microsecond'
                 WHERE order_id = $2 AND fence = $3",
            )
            .bind(micros(LEASE))
            .bind(cancellation.order_id.0)
            .bind(cancellation.fence)
            .execute(&mut *self.database.connection().await?)
            .await
            .map_err(Error::of_autocommit)?;
            Ok(if written.rows_affected() == 0 { Held::Lost } else { Held::Yes })
        };
        self.database.within("UPDATE cancellations", renew).await
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let find = async {
            let wait: Option<i64> = sqlx::query_scalar(concat!(
                "SELECT (extract(epoch FROM min(greatest(due_at, lease_until)) - now()) * 1000000)::bigint
                 FROM cancellations WHERE ",
                unfinished!(),
            ))
            .fetch_one(&mut *self.database.connection().await?)
            .await?;
            Ok(wait.map(|wait| Timestamp::from_micros(now.micros().saturating_add(wait))))
        };
        self.database.within("SELECT cancellations", find).await
    }

    async fn give_back(&self, owner: Uuid) -> Result<(), Error> {
        let give_back = async {
            sqlx::query(
                "UPDATE cancellations SET lease_until = now() WHERE owner = $1 AND state <> 'CANCELLED'",
            )
            .bind(owner)
            .execute(&mut *self.database.connection().await?)
            .await
            .map_err(Error::of_autocommit)?;
            Ok(())
        };
        self.database.within("UPDATE cancellations", give_back).await
    }
}

/// Every cancellation, by order id.
pub(super) async fn all(connection: &mut PgConnection) -> Result<Vec<Cancellation>, Error> {
    let found: Vec<rows::Cancellation> = sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM cancellations JOIN orders ON id = order_id ORDER BY order_id"
    ))
    .fetch_all(connection)
    .await?;
    found.into_iter().map(rows::Cancellation::into_domain).collect()
}
