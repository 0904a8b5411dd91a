//! Checkouts in a SQLite file that this process alone has open.

mod rows;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use event_log::sqlite::outbox;
use event_log::{Event, Outbox, OutboxRow, Waiting};
use platform::World;
use platform::clock::Clock;
use proto::events::CHECKOUT_EVENTS;
use sql::sqlite::{Database, Sharing};
use sqlx::Row as _;
use types::{CheckoutId, Timestamp, UserId};
use uuid::Uuid;

use super::{
    Accepted, Backlog, Claimed, Error, HORIZON, Held, IdempotencyKey, KeyUse, LEASE, Lease, Snapshot, Store,
    entry,
};
use crate::checkout::{Checkout, STUCK_AFTER};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations/sqlite");

/// What this version can go on with; the first half is that of the index.
macro_rules! unfinished {
    () => {
        "state NOT IN ('COMPLETED', 'FAILED') AND state IN ('RESERVING', 'AUTHORIZING', 'COMMITTING', 'CAPTURING', \
         'VOIDING', 'REFUNDING', 'RELEASING')"
    };
}

/// Checkouts in a SQLite file.
pub struct Sqlite {
    database: Database,
    clock: Arc<dyn Clock>,
}

impl Sqlite {
    /// Opens the file, made if it is not there. Leases that are found belong to processes that are gone,
    /// since only one has the file open: they are over at once.
    ///
    /// # Errors
    /// What hinders the file from being opened, in words for who started the program.
    pub async fn open(path: &Path, world: &World) -> anyhow::Result<Self> {
        let database = Database::open(path, &MIGRATIONS, Sharing::Exclusive, &world.metrics).await?;
        database
            .write("UPDATE checkouts", |connection| {
                Box::pin(async move {
                    // Long over, and not returned, which is 0.
                    sqlx::query(
                        "UPDATE checkouts SET lease_until = 1 \
                         WHERE lease_until > 0 AND state NOT IN ('COMPLETED', 'FAILED')",
                    )
                    .execute(connection)
                    .await?;
                    Ok::<_, Error>(())
                })
            })
            .await?;
        Ok(Self { database, clock: world.clock.clone() })
    }

    /// Opens a file that exists for reading only, beside a running shop.
    ///
    /// # Errors
    /// What hinders the file from being read.
    pub async fn open_read_only(path: &Path, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        Ok(Self { database: Database::open_read_only(path).await?, clock })
    }

    fn lease(&self, lease: Lease) -> i64 {
        match lease {
            Lease::Keep => self.clock.now().after(LEASE).micros(),
            Lease::Return => 0,
        }
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn accept(
        &self,
        checkout: &Checkout,
        key: &IdempotencyKey,
        bought_version: i64,
        owner: Uuid,
    ) -> Result<Accepted, Error> {
        let (checkout, key, lease_until) = (checkout.clone(), key.clone(), self.lease(Lease::Keep));
        self.database
            .write("INSERT checkouts", move |connection| {
                Box::pin(async move {
                    if let Some(used) = rows::key_use(connection, key.user_id, &key.text).await? {
                        return Ok(Accepted::Repeated(used));
                    }
                    if let Some(other) = rows::in_progress(connection, checkout.user_id, bought_version).await? {
                        return Ok(Accepted::InProgress(other));
                    }
                    rows::insert(connection, &checkout, owner, lease_until).await?;
                    sqlx::query("INSERT INTO idempotency_keys (user_id, key, fingerprint, checkout_id) VALUES (?, ?, ?, ?)")
                        .bind(key.user_id.get())
                        .bind(&key.text)
                        .bind(&key.fingerprint)
                        .bind(checkout.id.to_string())
                        .execute(connection)
                        .await?;
                    Ok(Accepted::New)
                })
            })
            .await
    }

    async fn key_use(&self, user_id: UserId, key: &str) -> Result<Option<KeyUse>, Error> {
        rows::key_use(&mut *self.database.read("SELECT idempotency_keys").await?, user_id, key).await
    }

    async fn find(&self, id: CheckoutId) -> Result<Option<Checkout>, Error> {
        let mut connection = self.database.read("SELECT checkouts").await?;
        let row = sqlx::query("SELECT * FROM checkouts WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(&mut *connection)
            .await?;
        row.map(|row| rows::read(&row)).transpose()
    }

    async fn save(
        &self,
        before: &Checkout,
        after: &Checkout,
        event: Option<Event>,
        lease: Lease,
    ) -> Result<Held, Error> {
        let (from, after, lease_until) = (before.state.name(), after.clone(), self.lease(lease));
        self.database
            .write("UPDATE checkouts", move |connection| {
                Box::pin(async move {
                    let failure = after.state.failure().map(rows::json).transpose()?;
                    let written = sqlx::query(
                        "UPDATE checkouts SET state = ?, failure = ?, due_at = ?, timeline = ?, completed_at = ?, lease_until = ? \
                         WHERE id = ? AND fence = ? AND state = ?",
                    )
                    .bind(after.state.name())
                    .bind(failure)
                    .bind(after.due_at.micros())
                    .bind(rows::json(&after.timeline)?)
                    .bind(after.completed_at.map(Timestamp::micros))
                    .bind(lease_until)
                    .bind(after.id.to_string())
                    .bind(after.fence)
                    .bind(from)
                    .execute(&mut *connection)
                    .await?;
                    if written.rows_affected() == 0 {
                        return Ok(Held::Lost);
                    }
                    if let Some(event) = event {
                        outbox::write(connection, CHECKOUT_EVENTS, &event).await?;
                    }
                    Ok(Held::Yes)
                })
            })
            .await
    }

    async fn renew(&self, checkout: &Checkout) -> Result<Held, Error> {
        let (id, fence, lease_until) = (checkout.id.to_string(), checkout.fence, self.lease(Lease::Keep));
        self.database
            .write("UPDATE checkouts", move |connection| {
                Box::pin(async move {
                    let written =
                        sqlx::query("UPDATE checkouts SET lease_until = ? WHERE id = ? AND fence = ?")
                            .bind(lease_until)
                            .bind(id)
                            .bind(fence)
                            .execute(connection)
                            .await?;
                    Ok(if written.rows_affected() == 0 { Held::Lost } else { Held::Yes })
                })
            })
            .await
    }

    async fn claim(&self, owner: Uuid, limit: usize) -> Result<Vec<Claimed>, Error> {
        let (now, lease_until) = (self.clock.now(), self.lease(Lease::Keep));
        let horizon = now.after(HORIZON).micros();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self
            .database
            .write("UPDATE checkouts", move |connection| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        "SELECT *, lease_until > 0 AS is_abandoned FROM checkouts WHERE ",
                        unfinished!(),
                        " AND (due_at <= ?1 OR due_at > ?2) AND (lease_until <= ?1 OR lease_until > ?2) \
                           ORDER BY due_at LIMIT ?3",
                    ))
                    .bind(now.micros())
                    .bind(horizon)
                    .bind(limit)
                    .fetch_all(&mut *connection)
                    .await?;
                    let ids = rows.iter().map(|row| row.try_get("id")).collect::<Result<Vec<String>, _>>()?;
                    // Nobody else writes between the two statements.
                    sqlx::query(
                        "UPDATE checkouts SET fence = fence + 1, owner = ?, lease_until = ? \
                         WHERE id IN (SELECT value FROM json_each(?))",
                    )
                    .bind(owner.to_string())
                    .bind(lease_until)
                    .bind(rows::json(&ids)?)
                    .execute(connection)
                    .await?;
                    Ok::<_, Error>(rows)
                })
            })
            .await?;
        Ok(rows.iter().filter_map(rows::readable).collect())
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        let mut connection = self.database.read("SELECT checkouts").await?;
        let due: Option<i64> = sqlx::query_scalar(concat!(
            "SELECT min(max(due_at, lease_until)) FROM checkouts WHERE ",
            unfinished!(),
        ))
        .fetch_one(&mut *connection)
        .await?;
        Ok(due.map(Timestamp::from_micros))
    }

    async fn backlog(&self) -> Result<Backlog, Error> {
        let states = sqlx::query_as(
            "SELECT state, count(*), count(*) FILTER (WHERE json_extract(timeline, '$[#-1].attempt') >= ?) \
             FROM checkouts WHERE state NOT IN ('COMPLETED', 'FAILED') GROUP BY state",
        )
        .bind(STUCK_AFTER)
        .fetch_all(&mut *self.database.read("SELECT checkouts").await?)
        .await?;
        Ok(Backlog::of(states))
    }

    async fn give_back(&self, owner: Uuid) -> Result<(), Error> {
        self.database
            .write("UPDATE checkouts", move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE checkouts SET lease_until = 0 WHERE owner = ? AND state NOT IN ('COMPLETED', 'FAILED')",
                    )
                    .bind(owner.to_string())
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    async fn snapshot(&self) -> Result<Snapshot, Error> {
        let mut connection = self.database.read("SELECT checkouts").await?;
        let mut transaction = sqlx::Connection::begin(&mut *connection).await?;
        let checkouts =
            sqlx::query("SELECT * FROM checkouts ORDER BY id").fetch_all(&mut *transaction).await?;
        let keys: Vec<(i64, String, String)> =
            sqlx::query_as("SELECT user_id, key, checkout_id FROM idempotency_keys")
                .fetch_all(&mut *transaction)
                .await?;
        let events = outbox::all(&mut transaction).await?;
        let keys =
            keys.into_iter().map(|(user, key, id)| Ok((rows::parse_user(user)?, key, rows::parse_id(&id)?)));
        let events = events.into_iter().map(entry);
        Ok(Snapshot {
            checkouts: checkouts.iter().map(rows::read).collect::<Result<_, Error>>()?,
            keys: keys.collect::<Result<_, Error>>()?,
            events: events.collect::<Result<_, Error>>()?,
        })
    }

    async fn ping(&self) -> Result<(), Error> {
        self.database.ping().await
    }

    async fn close(&self) {
        self.database.close().await;
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
