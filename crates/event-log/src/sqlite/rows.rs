//! Rows of the table of events.

use bytes::Bytes;
use sql::sqlite::Database;
use sqlx::SqliteConnection;
use types::Timestamp;
use uuid::Uuid;

use crate::{DeadLetter, Delivery, End, Error, Event, Progress, log};

/// A topic has one.
const PARTITION: i32 = 0;

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
    /// A file that is only looked at may be from before it was kept.
    #[sqlx(default)]
    request_id: Option<String>,
}

/// What is known of a dead letter. A file that was written before some of it was kept lacks that.
#[derive(sqlx::FromRow)]
struct Given {
    #[sqlx(flatten)]
    row: Row,
    reason: String,
    #[sqlx(default)]
    given_up_by: Option<String>,
    #[sqlx(default)]
    given_up_at: Option<i64>,
}

impl TryFrom<Row> for Delivery {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let Row { position, topic, id, kind, source, key, time, traceparent, data, request_id } = row;
        let id = Uuid::parse_str(&id).map_err(|error| Error::Defect(error.into()))?;
        let (time, data) = (Timestamp::from_micros(time), Bytes::from(data));
        let event = Event { id, kind, source, key, time, traceparent, request_id, data };
        Ok(Self { topic, partition: PARTITION, offset: position, event })
    }
}

impl TryFrom<Given> for DeadLetter {
    type Error = Error;

    fn try_from(given: Given) -> Result<Self, Error> {
        let Given { row, reason, given_up_by, given_up_at } = given;
        let delivery = Delivery::try_from(row)?;
        Ok(Self {
            origin: log::origin_of(&delivery.topic).to_owned(),
            group: given_up_by.unwrap_or_default(),
            reason,
            at: given_up_at.map_or(delivery.event.time, Timestamp::from_micros),
            delivery,
        })
    }
}

/// All events of a topic, in order.
pub(super) async fn events(database: &Database, topic: &str) -> Result<Vec<Delivery>, Error> {
    let rows: Vec<Row> = sqlx::query_as("SELECT * FROM events WHERE topic = ? ORDER BY position")
        .bind(topic)
        .fetch_all(&mut *database.read("SELECT events").await?)
        .await?;
    rows.into_iter().map(Delivery::try_from).collect()
}

/// The last events of a topic.
pub(super) async fn latest(database: &Database, topic: &str, count: u32) -> Result<Vec<Delivery>, Error> {
    let rows: Vec<Row> =
        sqlx::query_as("SELECT * FROM events WHERE topic = ? ORDER BY position DESC LIMIT ?")
            .bind(topic)
            .bind(count)
            .fetch_all(&mut *database.read("SELECT events").await?)
            .await?;
    rows.into_iter().rev().map(Delivery::try_from).collect()
}

/// All events that were given up, in the order in which that happened.
pub(super) async fn dead_letters(database: &Database) -> Result<Vec<DeadLetter>, Error> {
    let rows: Vec<Given> = sqlx::query_as("SELECT * FROM events WHERE reason IS NOT NULL ORDER BY position")
        .fetch_all(&mut *database.read("SELECT events").await?)
        .await?;
    rows.into_iter().map(DeadLetter::try_from).collect()
}

/// How far every group has come.
pub(super) async fn progress(database: &Database) -> Result<Vec<Progress>, Error> {
    let query = sqlx::query_as("SELECT consumers, topic, next FROM progress ORDER BY consumers, topic");
    let rows: Vec<(String, String, i64)> =
        query.fetch_all(&mut *database.read("SELECT progress").await?).await?;
    let progress = |(group, topic, next)| Progress { group, topic, partition: PARTITION, next };
    Ok(rows.into_iter().map(progress).collect())
}

/// How many events of a topic a group is not done with. They are counted, since topics share their positions.
pub(super) async fn behind(database: &Database, group: &str, topic: &str) -> Result<u64, Error> {
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM events WHERE topic = ?1 AND position >= coalesce(
             (SELECT next FROM progress WHERE consumers = ?2 AND topic = ?1), 0)",
    )
    .bind(topic)
    .bind(group)
    .fetch_one(&mut *database.read("SELECT events").await?)
    .await?;
    Ok(count.unsigned_abs())
}

/// Where a topic ends, if it has begun.
pub(super) async fn end(database: &Database, topic: &str) -> Result<Option<End>, Error> {
    // Two questions: SQLite answers each from the ends of the index, but both in one by reading all of it.
    let (first, last): (Option<i64>, Option<i64>) = sqlx::query_as(
        "SELECT (SELECT min(position) FROM events WHERE topic = ?1),
                (SELECT max(position) FROM events WHERE topic = ?1)",
    )
    .bind(topic)
    .fetch_one(&mut *database.read("SELECT events").await?)
    .await?;
    let end = |first, last: i64| End {
        topic: topic.to_owned(),
        partition: PARTITION,
        first,
        next: last.saturating_add(1),
    };
    Ok(first.zip(last).map(|(first, last)| end(first, last)))
}

/// By whom, when and why an event was given up.
pub(super) struct GivenUp<'a> {
    pub(super) by: &'a str,
    pub(super) at: Timestamp,
    pub(super) reason: &'a str,
}

/// Appends an event; of a dead letter, with what became of it.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    topic: &str,
    event: &Event,
    given_up: Option<GivenUp<'_>>,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO events (topic, id, kind, source, key, time, traceparent, data,
                             reason, given_up_by, given_up_at, request_id)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(topic)
    .bind(event.id.to_string())
    .bind(&event.kind)
    .bind(&event.source)
    .bind(&event.key)
    .bind(event.time.micros())
    .bind(&event.traceparent)
    .bind(event.data.as_ref())
    .bind(given_up.as_ref().map(|it| it.reason))
    .bind(given_up.as_ref().map(|it| it.by))
    .bind(given_up.as_ref().map(|it| it.at.micros()))
    .bind(&event.request_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes all topics from all members.
pub(super) async fn release_all(database: &Database) -> Result<(), Error> {
    database
        .write("UPDATE progress", |connection| {
            Box::pin(async move {
                sqlx::query("UPDATE progress SET member = NULL WHERE member IS NOT NULL")
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
}
