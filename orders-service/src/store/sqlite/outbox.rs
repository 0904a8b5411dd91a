//! The outbox of the orders.

use async_trait::async_trait;
use event_log::{Event, Outbox, OutboxRow};
use proto::events::ORDER_EVENTS;
use sql::Error;
use sqlx::SqliteConnection;
use types::Timestamp;

use super::Sqlite;
use crate::store::Written;

#[async_trait]
impl Outbox for Sqlite {
    async fn unpublished(&self, limit: usize) -> Result<Vec<OutboxRow>, Error> {
        let mut connection = self.database.read().await?;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT seq, event_id, topic, kind, source, key, time, traceparent, data, published
             FROM outbox WHERE published = 0 ORDER BY seq LIMIT ?",
        )
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *connection)
        .await?;
        rows.into_iter().map(|row| Ok(row.into_domain()?.row)).collect()
    }

    async fn mark_published(&self, ids: &[i64]) -> Result<(), Error> {
        let ids = serde_json::to_string(ids).map_err(Error::defect)?;
        self.database
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE outbox SET published = 1 WHERE seq IN (SELECT value FROM json_each(?))",
                    )
                    .bind(ids)
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }
}

/// Writes an event, in the transaction of what it tells of.
pub(super) async fn insert(connection: &mut SqliteConnection, event: &Event) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO outbox (event_id, topic, kind, source, key, time, traceparent, data)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(event.id.to_string())
    .bind(ORDER_EVENTS)
    .bind(&event.kind)
    .bind(&event.source)
    .bind(&event.key)
    .bind(event.time.micros())
    .bind(&event.traceparent)
    .bind(event.data.as_ref())
    .execute(connection)
    .await?;
    Ok(())
}

/// Every event ever written.
pub(super) async fn all(connection: &mut SqliteConnection) -> Result<Vec<Written>, Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT seq, event_id, topic, kind, source, key, time, traceparent, data, published
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
            data: self.data.into(),
        };
        Ok(Written { row: OutboxRow { seq: self.seq, topic: self.topic, event }, published: self.published })
    }
}
