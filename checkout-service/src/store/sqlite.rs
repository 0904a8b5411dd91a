//! Checkouts in a SQLite file that this process alone has open.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use event_log::sqlite::outbox;
use event_log::{Event, Outbox, OutboxRow};
use platform::clock::Clock;
use proto::events::CHECKOUT_EVENTS;
use sql::sqlite::{Database, Sharing};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use types::{CheckoutId, Currency, Money, Timestamp, UserId};
use uuid::Uuid;

use super::{Accepted, Error, HORIZON, Held, IdempotencyKey, KeyUse, LEASE, Lease, Snapshot, Store, entry};
use crate::checkout::Checkout;
use crate::saga::state::State;

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
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let database = Database::open(path, &MIGRATIONS, Sharing::Exclusive).await?;
        database
            .write(|connection| {
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE checkouts SET lease_until = 0 WHERE state NOT IN ('COMPLETED', 'FAILED')",
                    )
                    .execute(connection)
                    .await?;
                    Ok::<_, Error>(())
                })
            })
            .await?;
        Ok(Self { database, clock })
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
            .write(move |connection| {
                Box::pin(async move {
                    if let Some(used) = key_use(connection, key.user_id, &key.text).await? {
                        return Ok(Accepted::Repeated(used));
                    }
                    if let Some(other) = in_progress(connection, checkout.user_id, bought_version).await? {
                        return Ok(Accepted::InProgress(other));
                    }
                    insert(connection, &checkout, owner, lease_until).await?;
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
        key_use(&mut *self.database.read().await?, user_id, key).await
    }

    async fn find(&self, id: CheckoutId) -> Result<Option<Checkout>, Error> {
        let mut connection = self.database.read().await?;
        let row = sqlx::query("SELECT * FROM checkouts WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(&mut *connection)
            .await?;
        row.map(|row| read(&row)).transpose()
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
            .write(move |connection| {
                Box::pin(async move {
                    let failure = after.state.failure().map(json).transpose()?;
                    let written = sqlx::query(
                        "UPDATE checkouts SET state = ?, failure = ?, due_at = ?, timeline = ?, completed_at = ?, lease_until = ? \
                         WHERE id = ? AND fence = ? AND state = ?",
                    )
                    .bind(after.state.name())
                    .bind(failure)
                    .bind(after.due_at.micros())
                    .bind(json(&after.timeline)?)
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
            .write(move |connection| {
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

    async fn claim(&self, owner: Uuid, limit: usize) -> Result<Vec<Checkout>, Error> {
        let (now, lease_until) = (self.clock.now(), self.lease(Lease::Keep));
        let horizon = now.after(HORIZON).micros();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self
            .database
            .write(move |connection| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        "UPDATE checkouts SET fence = fence + 1, owner = ?1, lease_until = ?2 WHERE id IN ( \
                           SELECT id FROM checkouts WHERE ",
                        unfinished!(),
                        " AND (due_at <= ?3 OR due_at > ?4) AND (lease_until <= ?3 OR lease_until > ?4) \
                           ORDER BY due_at LIMIT ?5) RETURNING *",
                    ))
                    .bind(owner.to_string())
                    .bind(lease_until)
                    .bind(now.micros())
                    .bind(horizon)
                    .bind(limit)
                    .fetch_all(connection)
                    .await?;
                    Ok::<_, Error>(rows)
                })
            })
            .await?;
        Ok(rows.iter().filter_map(readable).collect())
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        let mut connection = self.database.read().await?;
        let due: Option<i64> = sqlx::query_scalar(concat!(
            "SELECT min(max(due_at, lease_until)) FROM checkouts WHERE ",
            unfinished!(),
        ))
        .fetch_one(&mut *connection)
        .await?;
        Ok(due.map(Timestamp::from_micros))
    }

    async fn give_back(&self, owner: Uuid) -> Result<(), Error> {
        self.database
            .write(move |connection| {
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
        let mut connection = self.database.read().await?;
        let mut transaction = sqlx::Connection::begin(&mut *connection).await?;
        let checkouts =
            sqlx::query("SELECT * FROM checkouts ORDER BY id").fetch_all(&mut *transaction).await?;
        let keys: Vec<(i64, String, String)> =
            sqlx::query_as("SELECT user_id, key, checkout_id FROM idempotency_keys")
                .fetch_all(&mut *transaction)
                .await?;
        let events = outbox::all(&mut transaction).await?;
        let keys = keys.into_iter().map(|(user, key, id)| Ok((parse_user(user)?, key, parse_id(&id)?)));
        let events = events.into_iter().map(entry);
        Ok(Snapshot {
            checkouts: checkouts.iter().map(read).collect::<Result<_, Error>>()?,
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
}

async fn key_use(
    connection: &mut SqliteConnection,
    user_id: UserId,
    key: &str,
) -> Result<Option<KeyUse>, Error> {
    let row: Option<(String, String)> =
        sqlx::query_as("SELECT checkout_id, fingerprint FROM idempotency_keys WHERE user_id = ? AND key = ?")
            .bind(user_id.get())
            .bind(key)
            .fetch_optional(connection)
            .await?;
    row.map(|(id, fingerprint)| Ok(KeyUse { checkout_id: parse_id(&id)?, fingerprint })).transpose()
}

/// A purchase that is running or done, and that the cart has not seen yet.
async fn in_progress(
    connection: &mut SqliteConnection,
    user_id: UserId,
    bought_version: i64,
) -> Result<Option<CheckoutId>, Error> {
    let id: Option<String> = sqlx::query_scalar(
        "SELECT id FROM checkouts WHERE user_id = ? AND cart_version > ? AND state <> 'FAILED' \
         ORDER BY cart_version DESC LIMIT 1",
    )
    .bind(user_id.get())
    .bind(bought_version)
    .fetch_optional(connection)
    .await?;
    id.as_deref().map(parse_id).transpose()
}

async fn insert(
    connection: &mut SqliteConnection,
    checkout: &Checkout,
    owner: Uuid,
    lease_until: i64,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO checkouts (id, user_id, cart_version, items, total_minor, currency, payment_method, \
         shipping_address, traceparent, created_at, deadline, state, due_at, fence, owner, lease_until, timeline) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(checkout.id.to_string())
    .bind(checkout.user_id.get())
    .bind(checkout.cart_version)
    .bind(json(&checkout.items)?)
    .bind(checkout.total.minor)
    .bind(checkout.total.currency.code())
    .bind(&checkout.payment_method)
    .bind(checkout.shipping_address.as_ref().map(json).transpose()?)
    .bind(&checkout.traceparent)
    .bind(checkout.created_at.micros())
    .bind(checkout.deadline.micros())
    .bind(checkout.state.name())
    .bind(checkout.due_at.micros())
    .bind(checkout.fence)
    .bind(owner.to_string())
    .bind(lease_until)
    .bind(json(&checkout.timeline)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// A checkout that was claimed, unless it can't be read: it is left until its lease is over, and then for
/// whoever can. What the row says is not logged: it names people.
fn readable(row: &SqliteRow) -> Option<Checkout> {
    let checkout = read(row);
    if let Err(error) = &checkout {
        let id: Option<String> = row.try_get("id").ok();
        tracing::error!(checkout_id = id, %error, "a checkout can't be read");
    }
    checkout.ok()
}

fn read(row: &SqliteRow) -> Result<Checkout, Error> {
    let state: String = row.try_get("state")?;
    let failure: Option<String> = row.try_get("failure")?;
    let failure = failure.as_deref().map(from_json).transpose()?;
    let currency: Currency = row.try_get::<String, _>("currency")?.parse().map_err(Error::defect)?;
    let address: Option<String> = row.try_get("shipping_address")?;
    let moment = |column| row.try_get(column).map(Timestamp::from_micros);
    Ok(Checkout {
        id: parse_id(row.try_get("id")?)?,
        user_id: parse_user(row.try_get("user_id")?)?,
        cart_version: row.try_get("cart_version")?,
        items: from_json(row.try_get("items")?)?,
        total: Money::new(row.try_get("total_minor")?, currency),
        payment_method: row.try_get("payment_method")?,
        shipping_address: address.as_deref().map(from_json).transpose()?,
        traceparent: row.try_get("traceparent")?,
        created_at: moment("created_at")?,
        deadline: moment("deadline")?,
        state: State::from_parts(&state, failure)
            .ok_or_else(|| Error::defect(format!("a checkout is in the unknown state {state}")))?,
        due_at: moment("due_at")?,
        fence: row.try_get("fence")?,
        timeline: from_json(row.try_get("timeline")?)?,
        completed_at: row.try_get::<Option<i64>, _>("completed_at")?.map(Timestamp::from_micros),
    })
}

fn parse_id(text: &str) -> Result<CheckoutId, Error> {
    text.parse().map_err(Error::defect)
}

fn parse_user(id: i64) -> Result<UserId, Error> {
    UserId::try_from(id).map_err(Error::defect)
}

fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(Error::defect)
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(Error::defect)
}
