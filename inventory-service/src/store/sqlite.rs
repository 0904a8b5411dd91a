//! Stock in a SQLite file. Every change goes through the file's one writer, so what is read in a job is what
//! its writes meet; the conditions in the statements say so once more, and a broken one is a defect.

mod rows;
mod write;

use std::path::Path;

use async_trait::async_trait;
use platform::metrics::Metrics;
use sql::Error;
use sql::sqlite::{Database, OpenError, Sharing};
use sqlx::{Connection as _, SqliteConnection};
use types::{ProductId, ReservationId, Timestamp};

use super::{Held, Store};
use crate::ledger::{Kind, Movement, Snapshot};
use crate::reservation::{Command, Decision, Lines, Reply, Reservation, decide};
use crate::stock::{Available, BelowHeld, OnHand, Stock};
use rows::{MovementRow, ReservationRow, StockRow};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations/sqlite");

/// The adapter.
#[derive(Debug, Clone)]
pub struct Sqlite {
    database: Database,
}

impl Sqlite {
    /// Opens the file for this process alone; a new one begins with the stock of the first catalogue.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(path: &Path, metrics: &Metrics) -> Result<Self, OpenError> {
        let database = Database::open(path, &MIGRATIONS, Sharing::Exclusive, metrics).await?;
        Ok(Self { database })
    }

    /// Opens the file of a shop that may be running, to look only: every change is refused.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        let database = Database::open_read_only(path).await?;
        Ok(Self { database })
    }

    /// Finishes what is queued and gives the file back.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn apply(&self, id: ReservationId, command: Command, now: Timestamp) -> Result<Reply, Error> {
        self.database.write("UPDATE reservations", move |c| Box::pin(apply(c, id, command, now))).await
    }

    async fn expire_due(&self, now: Timestamp, limit: u32) -> Result<u32, Error> {
        self.database.write("UPDATE reservations", move |c| Box::pin(expire_due(c, now, limit))).await
    }

    async fn next_expiry(&self) -> Result<Option<Timestamp>, Error> {
        let mut connection = self.database.read("SELECT reservations").await?;
        let earliest: Option<i64> =
            sqlx::query_scalar("SELECT MIN(expires_at) FROM reservations WHERE status = 'HELD'")
                .fetch_one(&mut *connection)
                .await?;
        Ok(earliest.map(Timestamp::from_micros))
    }

    async fn held(&self) -> Result<Held, Error> {
        let (reservations, units): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM reservations WHERE status = 'HELD'), \
             (SELECT COALESCE(SUM(held), 0) FROM stock)",
        )
        .fetch_one(&mut *self.database.read("SELECT stock").await?)
        .await?;
        Ok(Held { reservations: reservations.unsigned_abs(), units: units.unsigned_abs() })
    }

    async fn stock(&self, product_id: ProductId) -> Result<Option<Stock>, Error> {
        let mut connection = self.database.read("SELECT stock").await?;
        stock(&mut connection, product_id).await
    }

    async fn set_on_hand(
        &self,
        product_id: ProductId,
        on_hand: OnHand,
        now: Timestamp,
    ) -> Result<Result<Stock, BelowHeld>, Error> {
        self.database.write("UPDATE stock", move |c| Box::pin(set_on_hand(c, product_id, on_hand, now))).await
    }

    async fn movements(
        &self,
        product_id: ProductId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Movement>, Error> {
        let mut connection = self.database.read("SELECT movements").await?;
        let rows: Vec<MovementRow> = sqlx::query_as(
            "SELECT id, product_id, kind, quantity, reservation_id, at FROM movements
             WHERE product_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
        )
        .bind(product_id.get())
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *connection)
        .await?;
        rows.into_iter().map(rows::movement).collect()
    }

    async fn snapshot(&self) -> Result<Snapshot, Error> {
        let mut connection = self.database.read("SELECT stock").await?;
        let mut moment = connection.begin().await?;
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
        moment.rollback().await?;
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
    c: &mut SqliteConnection,
    id: ReservationId,
    command: Command,
    now: Timestamp,
) -> Result<Reply, Error> {
    let existing = reservation(c, id).await?;
    let settled = match decide(id, existing, command, now) {
        Decision::Settled(settled) => settled,
        Decision::Take(taking) => {
            let available = available(c, taking.lines()).await?;
            taking.settle(&available)
        }
    };
    if let Some(transition) = &settled.write {
        write::transition(c, transition, now).await?;
    }
    Ok(settled.reply)
}

async fn expire_due(c: &mut SqliteConnection, now: Timestamp, limit: u32) -> Result<u32, Error> {
    let due: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM reservations WHERE status = 'HELD' AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
    )
    .bind(now.micros())
    .bind(limit)
    .fetch_all(&mut *c)
    .await?;
    let mut expired = 0;
    for id in due {
        // Due by the query, and nobody else writes: the answer can only be that it expired.
        let _ = apply(c, rows::reservation_id(&id)?, Command::Expire, now).await?;
        expired += 1;
    }
    Ok(expired)
}

async fn set_on_hand(
    c: &mut SqliteConnection,
    product_id: ProductId,
    on_hand: OnHand,
    now: Timestamp,
) -> Result<Result<Stock, BelowHeld>, Error> {
    let before = match stock(c, product_id).await? {
        Some(stock) => stock,
        None => {
            write::first_stock(c, product_id).await?;
            Stock::none(product_id)
        }
    };
    let difference = match before.adjustment_to(on_hand) {
        Ok(difference) => difference,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if difference != 0 {
        write::adjustment(c, product_id, difference, now).await?;
    }
    let after = before.after(Kind::Adjust, difference);
    Ok(Ok(after.ok_or_else(|| Error::defect("an adjustment made stock negative"))?))
}

async fn reservation(c: &mut SqliteConnection, id: ReservationId) -> Result<Option<Reservation>, Error> {
    let rows: Vec<ReservationRow> = sqlx::query_as(
        "SELECT r.id, r.status, r.expires_at, l.product_id, l.quantity, l.lacking
         FROM reservations r LEFT JOIN reservation_lines l ON l.reservation_id = r.id
         WHERE r.id = ?1 ORDER BY l.product_id",
    )
    .bind(id.to_string())
    .fetch_all(c)
    .await?;
    Ok(rows::reservations(rows)?.pop())
}

async fn stock(c: &mut SqliteConnection, product_id: ProductId) -> Result<Option<Stock>, Error> {
    let row: Option<StockRow> =
        sqlx::query_as("SELECT product_id, available, held, sold FROM stock WHERE product_id = ?1")
            .bind(product_id.get())
            .fetch_optional(c)
            .await?;
    row.map(rows::stock).transpose()
}

async fn available(c: &mut SqliteConnection, lines: &Lines) -> Result<Available, Error> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT stock.product_id, stock.available
         FROM json_each(?1) line JOIN stock ON stock.product_id = line.value ->> 0",
    )
    .bind(write::json(lines))
    .fetch_all(c)
    .await?;
    rows.into_iter().map(|(product_id, units)| Ok((rows::product_id(product_id)?, units))).collect()
}

#[cfg(test)]
mod tests;
