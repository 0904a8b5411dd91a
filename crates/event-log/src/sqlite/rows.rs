//! Rows of the table of events.

use bytes::Bytes;
use sql::sqlite::Database;
use sqlx::SqliteConnection;
use types::Timestamp;
use uuid::Uuid;

use crate::{DeadLetter, Delivery, Error, Event};

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    position: i64,
    topic: String,
    id: String,
    kind: String,
    source: String,
    key: String,
    time: i64,
    traceparent: Option<String>,
    data: Vec<u8>,
}

impl TryFrom<Row> for Delivery {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let Row { position, topic, id, kind, source, key, time, traceparent, data } = row;
        let id = Uuid::parse_str(&id).map_err(|error| Error::Defect(error.into()))?;
        let (time, data) = (Timestamp::from_micros(time), Bytes::from(data));
        let event = Event { id, kind, source, key, time, traceparent, data };
        Ok(Self { topic, offset: position, event })
    }
}

/// All events of a topic, in order. For audits, also beside a running shop on
/// [`Database::open_read_only`].
///
/// # Errors
/// [`Error::Unavailable`] when the file can't be read.
pub async fn events(database: &Database, topic: &str) -> Result<Vec<Delivery>, Error> {
    let rows: Vec<Row> = sqlx::query_as("SELECT * FROM events WHERE topic = ? ORDER BY position")
        .bind(topic)
        .fetch_all(&mut *database.read().await?)
        .await?;
    rows.into_iter().map(Delivery::try_from).collect()
}

/// All events that were given up, in the order in which that happened. For audits, as [`events`].
///
/// # Errors
/// [`Error::Unavailable`] when the file can't be read.
pub async fn dead_letters(database: &Database) -> Result<Vec<DeadLetter>, Error> {
    #[derive(sqlx::FromRow)]
    struct Given {
        #[sqlx(flatten)]
        row: Row,
        reason: String,
    }
    let rows: Vec<Given> = sqlx::query_as("SELECT * FROM events WHERE reason IS NOT NULL ORDER BY position")
        .fetch_all(&mut *database.read().await?)
        .await?;
    rows.into_iter()
        .map(|Given { row, reason }| Ok(DeadLetter { delivery: Delivery::try_from(row)?, reason }))
        .collect()
}

/// How far a group of consumers has come in a topic.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Progress {
    /// The group.
    #[sqlx(rename = "consumers")]
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The first offset that the group is not done with: it is done with all before.
    pub next: i64,
}

/// How far every group has come. For audits, as [`events`].
///
/// # Errors
/// [`Error::Unavailable`] when the file can't be read.
pub async fn progress(database: &Database) -> Result<Vec<Progress>, Error> {
    let query = sqlx::query_as("SELECT consumers, topic, next FROM progress ORDER BY consumers, topic");
    Ok(query.fetch_all(&mut *database.read().await?).await?)
}

/// The offset of the last event, 0 where there is none: every event up to it is there, of any topic. For
/// audits, as [`events`].
///
/// # Errors
/// [`Error::Unavailable`] when the file can't be read.
pub async fn last_offset(database: &Database) -> Result<i64, Error> {
    let query = sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM events");
    Ok(query.fetch_one(&mut *database.read().await?).await?)
}

/// Appends an event; with a reason if it is a dead letter.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    topic: &str,
    event: &Event,
    reason: Option<&str>,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO events (topic, id, kind, source, key, time, traceparent, data, reason)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(topic)
    .bind(event.id.to_string())
    .bind(&event.kind)
    .bind(&event.source)
    .bind(&event.key)
    .bind(event.time.micros())
    .bind(&event.traceparent)
    .bind(event.data.as_ref())
    .bind(reason)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes all topics from all members.
pub(super) async fn release_all(database: &Database) -> Result<(), Error> {
    database
        .write(|connection| {
            Box::pin(async move {
                sqlx::query("UPDATE progress SET member = NULL WHERE member IS NOT NULL")
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
}
