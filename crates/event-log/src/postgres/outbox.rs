//! The outbox of a service whose store is a PostgreSQL database: the statements over its table `outbox`.
//!
//! The table is the service's own, made by its migrations, since its rows are written in the transactions of
//! what they tell of:
//!
//! ```sql
//! CREATE TABLE outbox (
//!     seq           BIGINT      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
//!     event_id      UUID        NOT NULL UNIQUE,
//!     topic         TEXT        NOT NULL,
//!     kind          TEXT        NOT NULL,
//!     source        TEXT        NOT NULL,
//!     key           TEXT        NOT NULL,
//!     time          TIMESTAMPTZ NOT NULL,
//!     traceparent   TEXT,
//!     data          BYTEA       NOT NULL,
//!     published_at  TIMESTAMPTZ,
//!     claimed_by    UUID,
//!     claimed_until TIMESTAMPTZ,
//!     request_id    TEXT
//! );
//!
//! CREATE INDEX outbox_unpublished ON outbox (seq) WHERE published_at IS NULL;
//! CREATE INDEX outbox_unpublished_of_key ON outbox (key, seq) WHERE published_at IS NULL;
//! ```
//!
//! Instances of a service share it. Each row is claimed by the instance that carries it, for a time that
//! outlasts a publication, so that no two do the same work; and a row is only claimed together with, or after,
//! all earlier ones of its key, so that the order of a key holds across instances. A claim whose owner died runs
//! out, and another instance carries the row: twice at worst, which consumers expect.

use sql::Error;
use sql::postgres::Database;
use sqlx::PgConnection;
use sqlx::types::time::OffsetDateTime;
use uuid::Uuid;

use crate::lag::Waiting;
use crate::{Event, OutboxRow, Written};

/// Writes an event, in the transaction of what it tells of.
///
/// # Errors
/// [`Error::Conflict`] when an event of this id was written before.
pub async fn write(connection: &mut PgConnection, topic: &str, event: &Event) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO outbox (event_id, topic, kind, source, key, time, traceparent, data, request_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(event.id)
    .bind(topic)
    .bind(&event.kind)
    .bind(&event.source)
    .bind(&event.key)
    .bind(OffsetDateTime::from(event.time))
    .bind(&event.traceparent)
    .bind(event.data.as_ref())
    .bind(&event.request_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// As [`crate::Outbox::unpublished`], claimed for the instance `carrier`.
///
/// # Errors
/// Any [`Error`].
pub async fn unpublished(database: &Database, carrier: Uuid, limit: usize) -> Result<Vec<OutboxRow>, Error> {
    let claim = async {
        let mut connection = database.connection().await?;
        // A row whose key another instance is carrying is not even locked: whoever is done with the earlier
        // rows finds it when it looks again. Rows that another instance is just claiming are locked and
        // skipped. What it claims is not visible yet, so that "nobody has the earlier rows of this key" is not
        // to be read from the table alone: they have to be among those that we locked ourselves.
        let rows: Vec<Row> = sqlx::query_as(
            "WITH free AS (
                 SELECT seq, key FROM outbox
                 WHERE published_at IS NULL
                   AND (claimed_by IS NULL OR claimed_by = $1 OR claimed_until < now())
                   AND NOT EXISTS (
                       SELECT FROM outbox earlier
                       WHERE earlier.published_at IS NULL AND earlier.key = outbox.key
                         AND earlier.seq < outbox.seq
                         AND earlier.claimed_by <> $1 AND earlier.claimed_until >= now())
                 ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED
             ), next AS (
                 SELECT seq FROM free
                 WHERE NOT EXISTS (
                     SELECT FROM outbox earlier
                     WHERE earlier.published_at IS NULL AND earlier.key = free.key AND earlier.seq < free.seq
                       AND earlier.seq NOT IN (SELECT seq FROM free))
             )
             UPDATE outbox SET claimed_by = $1, claimed_until = now() + interval '30 seconds'
             FROM next WHERE outbox.seq = next.seq
             RETURNING outbox.seq, event_id, topic, kind, source, key, time, traceparent, data, request_id,
                       published_at IS NOT NULL AS published",
        )
        .bind(carrier)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *connection)
        .await?;
        let mut rows: Vec<OutboxRow> = rows.into_iter().map(|row| row.into_domain().row).collect();
        rows.sort_unstable_by_key(|row| row.seq);
        Ok(rows)
    };
    database.within("SELECT outbox", claim).await
}

/// As [`crate::Outbox::mark_published`].
///
/// # Errors
/// Any [`Error`].
pub async fn mark_published(database: &Database, seqs: &[i64]) -> Result<(), Error> {
    let mark = async {
        let mut connection = database.connection().await?;
        sqlx::query("UPDATE outbox SET published_at = now() WHERE seq = ANY($1) AND published_at IS NULL")
            .bind(seqs)
            .execute(&mut *connection)
            .await
            .map_err(Error::of_autocommit)?;
        Ok(())
    };
    database.within("UPDATE outbox", mark).await
}

/// As [`crate::Outbox::waiting`].
///
/// # Errors
/// Any [`Error`].
pub async fn waiting(database: &Database) -> Result<Waiting, Error> {
    let count = async {
        let (rows, oldest): (i64, Option<OffsetDateTime>) =
            sqlx::query_as("SELECT count(*), min(time) FROM outbox WHERE published_at IS NULL")
                .fetch_one(&mut *database.connection().await?)
                .await?;
        Ok(Waiting { rows: rows.unsigned_abs(), oldest: oldest.map(Into::into) })
    };
    database.within("SELECT outbox", count).await
}

/// Every event ever written, in the order of writing.
///
/// # Errors
/// Any [`Error`].
pub async fn all(connection: &mut PgConnection) -> Result<Vec<Written>, Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT seq, event_id, topic, kind, source, key, time, traceparent, data, request_id,
                published_at IS NOT NULL AS published
         FROM outbox ORDER BY seq",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Row::into_domain).collect())
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    event_id: Uuid,
    topic: String,
    kind: String,
    source: String,
    key: String,
    time: OffsetDateTime,
    traceparent: Option<String>,
    data: Vec<u8>,
    published: bool,
    request_id: Option<String>,
}

impl Row {
    fn into_domain(self) -> Written {
        let event = Event {
            id: self.event_id,
            kind: self.kind,
            source: self.source,
            key: self.key,
            time: self.time.into(),
            traceparent: self.traceparent,
            request_id: self.request_id,
            data: self.data.into(),
        };
        let row = OutboxRow { seq: self.seq, topic: self.topic, event };
        Written { row, published: self.published }
    }
}
