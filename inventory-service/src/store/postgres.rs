//! Stock in a PostgreSQL database, which several instances of the service may share.
//!
//! Nothing is locked between two statements, for a row that waits for its client is a row that everybody waits
//! for. A command looks, decides, and writes: the write is one statement that commits by itself and does nothing
//! unless what was decided on still holds under its locks. If it does not, somebody else was faster, and the
//! command looks again.
//!
//! Whoever locks, locks stock first, in the order of the products, and the reservation after it: so nobody ever
//! waits in a circle.

mod rows;
mod write;

use async_trait::async_trait;
use platform::config::Server;
use platform::metrics::Metrics;
use sql::Error;
use sql::postgres::{Database, OpenError};
use sqlx::PgConnection;
use sqlx::types::time::OffsetDateTime;
use types::{ProductId, ReservationId, Timestamp};

use super::{Held, Store};
use crate::ledger::{Kind, Movement, Snapshot};
use crate::reservation::{Command, Decision, Lines, Reply, Settled, decide};
use crate::stock::{BelowHeld, OnHand, Stock};
use rows::{Look, LookRow, MovementRow, ReservationRow, StockRow};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations/postgres");

/// The schema of the service.
const SCHEMA: &str = "inventory";

/// How often a command looks again because others were faster. Who loses has seen stock or a reservation change
/// in between, and a reservation changes three times at most.
const ATTEMPTS: usize = 16;

/// The adapter.
#[derive(Debug, Clone)]
pub struct Postgres {
    database: Database,
}

impl Postgres {
    /// Opens the schema of the service, made with the stock of the first catalogue if it is not there. A server
    /// that can't be reached yet is waited for in the background.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(server: &Server, metrics: &Metrics) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(server, SCHEMA, &MIGRATIONS, metrics).await? })
    }

    /// Opens the schema of a shop that may be running, to look only: every change is refused.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_read_only(server: &Server) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open_read_only(server, SCHEMA).await? })
    }
}

#[async_trait]
impl Store for Postgres {
    async fn apply(&self, id: ReservationId, command: Command, now: Timestamp) -> Result<Reply, Error> {
        let call = async {
            let mut connection = self.database.connection().await?;
            apply(&mut connection, id, &command, now).await
        };
        self.database.within("UPDATE reservations", call).await
    }

    async fn expire_due(&self, now: Timestamp, limit: u32) -> Result<u32, Error> {
        let call = async {
            let mut connection = self.database.connection().await?;
            expire_due(&mut connection, now, limit).await
        };
        self.database.within("UPDATE reservations", call).await
    }

    async fn next_expiry(&self) -> Result<Option<Timestamp>, Error> {
        let call = async {
            let mut connection = self.database.connection().await?;
            let earliest: Option<OffsetDateTime> =
                sqlx::query_scalar("SELECT MIN(expires_at) FROM reservations WHERE status = 'HELD'")
                    .fetch_one(&mut *connection)
                    .await?;
            Ok(earliest.map(Timestamp::from))
        };
        self.database.within("SELECT reservations", call).await
    }

    async fn held(&self) -> Result<Held, Error> {
        let count = async {
            let (reservations, units): (i64, i64) = sqlx::query_as(
                "SELECT (SELECT count(*) FROM reservations WHERE status = 'HELD'),
                        (SELECT COALESCE(SUM(held), 0)::bigint FROM stock)",
            )
            .fetch_one(&mut *self.database.connection().await?)
            .await?;
            Ok(Held { reservations: reservations.unsigned_abs(), units: units.unsigned_abs() })
        };
        self.database.within("SELECT stock", count).await
    }

    async fn stock(&self, product_id: ProductId) -> Result<Option<Stock>, Error> {
        let call = async {
            let mut connection = self.database.connection().await?;
            let row: Option<StockRow> =
                sqlx::query_as("SELECT product_id, available, held, sold FROM stock WHERE product_id = $1")
                    .bind(product_id.get())
                    .fetch_optional(&mut *connection)
                    .await?;
            row.map(rows::stock).transpose()
        };
        self.database.within("SELECT stock", call).await
    }

    async fn set_on_hand(
        &self,
        product_id: ProductId,
        on_hand: OnHand,
        now: Timestamp,
    ) -> Result<Result<Stock, BelowHeld>, Error> {
        // Here the row is locked while we decide: what is on hand must be what was said, whatever is bought in
        // between, and in a rush something is bought between any look and any write.
        let call = async {
            let mut transaction = self.database.begin().await?;
            let before = write::locked_stock(&mut transaction, product_id).await?;
            let difference = match before.adjustment_to(on_hand) {
                Ok(difference) => difference,
                Err(refusal) => return Ok(Err(refusal)),
            };
            if difference != 0 {
                write::adjustment(&mut transaction, product_id, difference, now).await?;
            }
            transaction.commit().await?;
            let after = before.after(Kind::Adjust, difference);
            Ok(Ok(after.ok_or_else(|| Error::defect("an adjustment made stock negative"))?))
        };
        self.database.within("UPDATE stock", call).await
    }

    async fn movements(
        &self,
        product_id: ProductId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Movement>, Error> {
        let call = async {
            let mut connection = self.database.connection().await?;
            let rows: Vec<MovementRow> = sqlx::query_as(
                "SELECT id, product_id, kind, quantity, reservation_id, at FROM movements
                 WHERE product_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
            )
            .bind(product_id.get())
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *connection)
            .await?;
            rows.into_iter().map(rows::movement).collect()
        };
        self.database.within("SELECT movements", call).await
    }

    async fn snapshot(&self) -> Result<Snapshot, Error> {
        let mut moment = self.database.moment().await?;
        let stock: Vec<StockRow> =
            sqlx::query_as("SELECT product_id, available, held, sold FROM stock ORDER BY product_id")
                .fetch_all(&mut *moment)
                .await?;
        let reservations: Vec<ReservationRow> = sqlx::query_as(
            "SELECT r.id, r.status, r.expires_at, l.product_id, l.quantity, l.lacking
             FROM reservations r LEFT JOIN reservation_lines l ON l.reservation_id = r.id
             ORDER BY r.id, l.product_id",
        )
        .fetch_all(&mut *moment)
        .await?;
        let movements: Vec<MovementRow> = sqlx::query_as(
            "SELECT id, product_id, kind, quantity, reservation_id, at FROM movements ORDER BY id",
        )
        .fetch_all(&mut *moment)
        .await?;
        Ok(Snapshot {
            stock: stock.into_iter().map(rows::stock).collect::<Result<_, _>>()?,
            reservations: rows::reservations(reservations)?,
            movements: movements.into_iter().map(rows::movement).collect::<Result<_, _>>()?,
        })
    }

    async fn ping(&self) -> Result<(), Error> {
        self.database.ping().await
    }
}

async fn apply(
    c: &mut PgConnection,
    id: ReservationId,
    command: &Command,
    now: Timestamp,
) -> Result<Reply, Error> {
    for _ in 0..ATTEMPTS {
        let Look { existing, available } = look(c, id, command).await?;
        let Settled { write, reply } = match decide(id, existing, command.clone(), now) {
            Decision::Settled(settled) => settled,
            Decision::Take(taking) => taking.settle(&available),
        };
        let written = match &write {
            None => true,
            Some(transition) => write::transition(c, transition, now).await?,
        };
        if written {
            return Ok(reply);
        }
    }
    Err(Error::unavailable("others were faster each time"))
}

/// Everything that a decision may need, as of one moment: the reservation, and what is available of its lines or
/// of those that are asked for.
async fn look(c: &mut PgConnection, id: ReservationId, command: &Command) -> Result<Look, Error> {
    let asked = match command {
        Command::Reserve(lines) => products(lines),
        Command::Confirm | Command::Release | Command::Expire | Command::Restock => Vec::new(),
    };
    let rows: Vec<LookRow> = sqlx::query_as(
        "SELECT r.id, r.status, r.expires_at, l.product_id, l.quantity, l.lacking, s.available
         FROM reservations r
         LEFT JOIN reservation_lines l ON l.reservation_id = r.id
         LEFT JOIN stock s ON s.product_id = l.product_id
         WHERE r.id = $1
         UNION ALL
         SELECT NULL, NULL, NULL, product_id, NULL, NULL, available FROM stock WHERE product_id = ANY($2)",
    )
    .bind(id.0)
    .bind(asked)
    .fetch_all(c)
    .await?;
    rows::look(rows)
}

/// Instances that sweep at the same moment find the same reservations due; each of these is expired by the one
/// whose write comes first, and the others expire the rest.
async fn expire_due(c: &mut PgConnection, now: Timestamp, limit: u32) -> Result<u32, Error> {
    let rows: Vec<ReservationRow> = sqlx::query_as(
        "WITH due AS (
             SELECT id, status, expires_at FROM reservations
             WHERE status = 'HELD' AND expires_at <= $1 ORDER BY expires_at LIMIT $2
         )
         SELECT due.id, due.status, due.expires_at, l.product_id, l.quantity, l.lacking
         FROM due LEFT JOIN reservation_lines l ON l.reservation_id = due.id
         ORDER BY due.id, l.product_id",
    )
    .bind(OffsetDateTime::from(now))
    .bind(i64::from(limit))
    .fetch_all(&mut *c)
    .await?;
    let mut transitions = Vec::new();
    for reservation in rows::reservations(rows)? {
        if let Decision::Settled(Settled { write: Some(expiry), .. }) =
            decide(reservation.id, Some(reservation), Command::Expire, now)
        {
            transitions.push(expiry);
        }
    }
    write::expiries(c, &transitions, now).await
}

fn products(lines: &Lines) -> Vec<i64> {
    lines.iter().map(|(product_id, _)| product_id.get()).collect()
}

#[cfg(test)]
mod tests;
