//! Checkouts in a PostgreSQL schema that several instances share.
//!
//! Leases and delays are moments of the database's clock, so that instances whose clocks differ agree on them:
//! what an instance says of its own clock is written as a distance from now, and read back as one.

mod rows;

use std::sync::Arc;

use async_trait::async_trait;
use event_log::postgres::outbox;
use event_log::{Event, Outbox, OutboxRow, Waiting};
use platform::World;
use platform::clock::Clock;
use platform::config::Server;
use proto::events::CHECKOUT_EVENTS;
use sql::postgres::{Database, OpenError, micros};
use sqlx::types::time::OffsetDateTime;
use types::{CheckoutId, Timestamp, UserId};
use uuid::Uuid;

use super::{
    Accepted, Backlog, Claimed, Error, HORIZON, Held, IdempotencyKey, KeyUse, LEASE, Lease, Snapshot, Store,
    entry,
};
use crate::checkout::{Checkout, STUCK_AFTER};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations/postgres");

const SCHEMA: &str = "checkout";

/// What this version can go on with; the first half is that of the index.
macro_rules! unfinished {
    () => {
        "state NOT IN ('COMPLETED', 'FAILED') AND state IN ('RESERVING', 'AUTHORIZING', 'COMMITTING', 'CAPTURING', \
         'VOIDING', 'REFUNDING', 'RELEASING')"
    };
}

/// Checkouts in a PostgreSQL schema.
pub struct Postgres {
    database: Database,
    clock: Arc<dyn Clock>,
    /// This instance, as the claims of its outbox rows name it.
    carrier: Uuid,
}

impl Postgres {
    /// Opens the schema `checkout`, made if it is not there; a server that is not there is waited for.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(server: &Server, world: &World) -> Result<Self, OpenError> {
        let database = Database::open(server, SCHEMA, &MIGRATIONS, &world.metrics).await?;
        Ok(Self { database, clock: world.clock.clone(), carrier: world.ids.next() })
    }

    /// Opens a schema that exists for reading only, beside a running shop.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_read_only(server: &Server, world: &World) -> Result<Self, OpenError> {
        let database = Database::open_read_only(server, SCHEMA).await?;
        Ok(Self { database, clock: world.clock.clone(), carrier: Uuid::nil() })
    }

    /// Runs a statement that changes one checkout, and says whether it found it.
    async fn update(
        &self,
        statement: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
    ) -> Result<Held, Error> {
        let mut connection = self.database.connection().await?;
        let written = statement.execute(&mut *connection).await.map_err(Error::of_autocommit)?;
        Ok(if written.rows_affected() == 0 { Held::Lost } else { Held::Yes })
    }
}

#[async_trait]
impl Store for Postgres {
    async fn accept(
        &self,
        checkout: &Checkout,
        key: &IdempotencyKey,
        bought_version: i64,
        owner: Uuid,
    ) -> Result<Accepted, Error> {
        let accept = async {
            let mut transaction = self.database.begin().await?;
            // Two requests of one buyer meet here: the second one's statement sees what the first one wrote.
            sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('oxcart buyer ' || $1::text, 0))")
                .bind(key.user_id.get())
                .execute(&mut *transaction)
                .await?;
            let accepted = rows::accept(&mut transaction, checkout, key, bought_version, owner).await?;
            if accepted == Accepted::New {
                transaction.commit().await?;
            }
            Ok(accepted)
        };
        self.database.within("INSERT checkouts", accept).await
    }

    async fn key_use(&self, user_id: UserId, key: &str) -> Result<Option<KeyUse>, Error> {
        let find = async {
            let row: Option<(Uuid, String)> = sqlx::query_as(
                "SELECT checkout_id, fingerprint FROM idempotency_keys WHERE user_id = $1 AND key = $2",
            )
            .bind(user_id.get())
            .bind(key)
            .fetch_optional(&mut *self.database.connection().await?)
            .await?;
            Ok(row.map(|(id, fingerprint)| KeyUse { checkout_id: CheckoutId(id), fingerprint }))
        };
        self.database.within("SELECT idempotency_keys", find).await
    }

    async fn find(&self, id: CheckoutId) -> Result<Option<Checkout>, Error> {
        let find = async {
            let row = sqlx::query(concat!("SELECT ", rows::columns!(), " FROM checkouts WHERE id = $1"))
                .bind(id.0)
                .fetch_optional(&mut *self.database.connection().await?)
                .await?;
            row.map(|row| rows::read(&row)).transpose()
        };
        self.database.within("SELECT checkouts", find).await
    }

    async fn save(
        &self,
        before: &Checkout,
        after: &Checkout,
        event: Option<Event>,
        lease: Lease,
    ) -> Result<Held, Error> {
        let failure = after.state.failure().map(rows::json).transpose()?;
        let timeline = rows::json(&after.timeline)?;
        let update = sqlx::query(
            "UPDATE checkouts
             SET state = $1, failure = $2::jsonb, due_at = now() + $3 * interval '1 microsecond',
                 timeline = $4::jsonb, completed_at = $5, lease_until = now() + $6 * interval '1 microsecond'
             WHERE id = $7 AND fence = $8 AND state = $9",
        )
        .bind(after.state.name())
        .bind(failure)
        .bind(micros(after.due_at.since(self.clock.now())))
        .bind(timeline)
        .bind(after.completed_at.map(OffsetDateTime::from))
        .bind(micros(lease.length()))
        .bind(after.id.0)
        .bind(after.fence)
        .bind(before.state.name());
        let save = async {
            let Some(event) = event else {
                return self.update(update).await;
            };
            let mut transaction = self.database.begin().await?;
            if update.execute(&mut *transaction).await?.rows_affected() == 0 {
                return Ok(Held::Lost);
            }
            outbox::write(&mut transaction, CHECKOUT_EVENTS, &event).await?;
            transaction.commit().await?;
            Ok(Held::Yes)
        };
        self.database.within("UPDATE checkouts", save).await
    }

    async fn renew(&self, checkout: &Checkout) -> Result<Held, Error> {
        let update = sqlx::query(
            "UPDATE checkouts SET lease_until = now() + $1 * interval '1 microsecond' WHERE id = $2 AND fence = $3",
        )
        .bind(micros(LEASE))
        .bind(checkout.id.0)
        .bind(checkout.fence);
        self.database.within("UPDATE checkouts", self.update(update)).await
    }

    async fn claim(&self, owner: Uuid, limit: usize) -> Result<Vec<Claimed>, Error> {
        let claim = async {
            let rows = sqlx::query(concat!(
                "WITH due AS MATERIALIZED (
                     SELECT id AS due_id, lease_until > due_at AS is_abandoned FROM checkouts
                     WHERE ",
                unfinished!(),
                "      AND (due_at <= now() OR due_at > now() + $3 * interval '1 microsecond')
                       AND (lease_until <= now() OR lease_until > now() + $3 * interval '1 microsecond')
                     ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED
                 )
                 UPDATE checkouts
                 SET fence = fence + 1, owner = $1, lease_until = now() + $2 * interval '1 microsecond'
                 FROM due WHERE id = due_id RETURNING ",
                rows::columns!(),
                ", is_abandoned",
            ))
            .bind(owner)
            .bind(micros(LEASE))
            .bind(micros(HORIZON))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.database.connection().await?)
            .await
            .map_err(Error::of_autocommit)?;
            Ok(rows.iter().filter_map(rows::readable).collect())
        };
        self.database.within("UPDATE checkouts", claim).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        let find = async {
            let wait: Option<i64> = sqlx::query_scalar(concat!(
                "SELECT (extract(epoch FROM min(greatest(due_at, lease_until)) - now()) * 1000000)::bigint
                 FROM checkouts WHERE ",
                unfinished!(),
            ))
            .fetch_one(&mut *self.database.connection().await?)
            .await?;
            let at = |wait: i64| Timestamp::from_micros(self.clock.now().micros().saturating_add(wait));
            Ok(wait.map(at))
        };
        self.database.within("SELECT checkouts", find).await
    }

    async fn backlog(&self) -> Result<Backlog, Error> {
        let count = async {
            let states = sqlx::query_as(
                "SELECT state, count(*), count(*) FILTER (WHERE (timeline -> -1 ->> 'attempt')::bigint >= $1)
                 FROM checkouts WHERE state NOT IN ('COMPLETED', 'FAILED') GROUP BY state",
            )
            .bind(i64::from(STUCK_AFTER))
            .fetch_all(&mut *self.database.connection().await?)
            .await?;
            Ok(Backlog::of(states))
        };
        self.database.within("SELECT checkouts", count).await
    }

    async fn give_back(&self, owner: Uuid) -> Result<(), Error> {
        let give_back = async {
            sqlx::query(
                // Not longer than until it is due, which is how a lease that was returned is told.
                "UPDATE checkouts SET lease_until = least(now(), due_at)
                 WHERE owner = $1 AND state NOT IN ('COMPLETED', 'FAILED')",
            )
            .bind(owner)
            .execute(&mut *self.database.connection().await?)
            .await
            .map_err(Error::of_autocommit)?;
            Ok(())
        };
        self.database.within("UPDATE checkouts", give_back).await
    }

    async fn snapshot(&self) -> Result<Snapshot, Error> {
        let mut moment = self.database.moment().await?;
        let checkouts = sqlx::query(concat!("SELECT ", rows::columns!(), " FROM checkouts ORDER BY id"))
            .fetch_all(&mut *moment)
            .await?;
        let keys: Vec<(i64, String, Uuid)> =
            sqlx::query_as("SELECT user_id, key, checkout_id FROM idempotency_keys")
                .fetch_all(&mut *moment)
                .await?;
        let events = outbox::all(&mut moment).await?;
        let keys = keys.into_iter().map(|(user, key, id)| Ok((rows::user(user)?, key, CheckoutId(id))));
        Ok(Snapshot {
            checkouts: checkouts.iter().map(rows::read).collect::<Result<_, Error>>()?,
            keys: keys.collect::<Result<_, Error>>()?,
            events: events.into_iter().map(entry).collect::<Result<_, Error>>()?,
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
impl Outbox for Postgres {
    async fn unpublished(&self, limit: usize) -> Result<Vec<OutboxRow>, Error> {
        outbox::unpublished(&self.database, self.carrier, limit).await
    }

    async fn mark_published(&self, seqs: &[i64]) -> Result<(), Error> {
        outbox::mark_published(&self.database, seqs).await
    }

    async fn waiting(&self) -> Result<Waiting, Error> {
        outbox::waiting(&self.database).await
    }
}
