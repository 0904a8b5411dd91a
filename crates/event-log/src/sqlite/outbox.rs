//! The outbox of a service whose store is a SQLite file: the statements over its table `outbox`.
//!
//! The table is the service's own, made by its migrations, since its rows are written in the transactions of
//! what they tell of:
//!
//! ```sql
//! CREATE TABLE outbox (
//!     seq         INTEGER PRIMARY KEY AUTOINCREMENT,
//!     event_id    TEXT    NOT NULL UNIQUE,
//!     topic       TEXT    NOT NULL,
//!     kind        TEXT    NOT NULL,
//!     source      TEXT    NOT NULL,
//!     key         TEXT    NOT NULL,
//!     time        INTEGER NOT NULL,
//!     traceparent TEXT,
//!     data        BLOB    NOT NULL,
//!     published   INTEGER NOT NULL DEFAULT 0 CHECK (published IN (0, 1)),
//!     request_id  TEXT
//! ) STRICT;
//!
//! CREATE INDEX outbox_unpublished ON outbox (seq) WHERE published = 0;
//! ```

use sql::Error;
use sql::sqlite::Database;
use sqlx::SqliteConnection;
use types::Timestamp;

use crate::lag::Waiting;
use crate::{Event, OutboxRow, Written};

/// Writes an event, in the transaction of what it tells of.
///
/// # Errors
/// [`Error::Conflict`] when an event of this id was written before.
pub async fn write(connection: &mut SqliteConnection, topic: &str, event: &Event) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO outbox (event_id, topic, kind, source, key, time, traceparent, data, request_id)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(event.id.to_string())
    .bind(topic)
    .bind(&event.kind)
    .bind(&event.source)
    .bind(&event.key)
    .bind(event.time.micros())
    .bind(&event.traceparent)
    .bind(event.data.as_ref())
    .bind(&event.request_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// As [`crate::Outbox::unpublished`].
///
/// # Errors
/// Any [`Error`].
pub async fn unpublished(database: &Database, limit: usize) -> Result<Vec<OutboxRow>, Error> {
    let mut connection = database.read("SELECT outbox").await?;
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT seq, event_id, topic, kind, source, key, time, traceparent, data, published, request_id
         FROM outbox WHERE published = 0 ORDER BY seq LIMIT ?",
    )
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(&mut *connection)
    .await?;
    rows.into_iter().map(|row| Ok(row.into_domain()?.row)).collect()
}

/// As [`crate::Outbox::mark_published`].
///
/// # Errors
/// Any [`Error`].
pub async fn mark_published(database: &Database, seqs: &[i64]) -> Result<(), Error> {
    let seqs = serde_json::to_string(seqs).map_err(Error::defect)?;
    database
        .write("UPDATE outbox", move |connection| {
            Box::pin(async move {
                sqlx::query("UPDATE outbox SET published = 1 WHERE seq IN (SELECT value FROM json_each(?))")
                    .bind(seqs)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
}

/// As [`crate::Outbox::waiting`].
///
/// # Errors
/// Any [`Error`].
pub async fn waiting(database: &Database) -> Result<Waiting, Error> {
    let (rows, oldest): (i64, Option<i64>) =
        sqlx::query_as("SELECT count(*), min(time) FROM outbox WHERE published = 0")
            .fetch_one(&mut *database.read("SELECT outbox").await?)
            .await?;
    Ok(Waiting { rows: rows.unsigned_abs(), oldest: oldest.map(Timestamp::from_micros) })
}

/// Every event ever written, in the order of writing.
///
/// # Errors
/// Any [`Error`].
pub async fn all(connection: &mut SqliteConnection) -> Result<Vec<Written>, Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT seq, event_id, topic, kind, source, key, time, traceparent, data, published, request_id
         FROM outbox ORDER BY seq",
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(Row::into_domain).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    event_id: String,
    topic: String,
    kind: String,
    source: String,
    key: String,
    time: i64,
    traceparent: Option<String>,
    data: Vec<u8>,
    published: bool,
    request_id: Option<String>,
}

impl Row {
    fn into_domain(self) -> Result<Written, Error> {
        let event = Event {
            id: self.event_id.parse().map_err(|error: uuid::Error| Error::defect(error))?,
            kind: self.kind,
            source: self.source,
            key: self.key,
            time: Timestamp::from_micros(self.time),
            traceparent: self.traceparent,
            request_id: self.request_id,
            data: self.data.into(),
        };
        let row = OutboxRow { seq: self.seq, topic: self.topic, event };
        Ok(Written { row, published: self.published })
    }
}
