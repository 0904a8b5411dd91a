//! The statements that change something. Each checks that it changed what it meant to.

use serde_json::json;
use sql::Error;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteQueryResult;
use types::{ProductId, Timestamp};

use crate::ledger::Kind;
use crate::reservation::{Lines, Reservation, State, Transition};

/// Lines as SQLite's `json_each` takes them, so that a statement need not be sent once a line:
/// `[[product_id, quantity], ...]` in the order of the products.
pub(super) fn json(lines: &Lines) -> String {
    let pairs: Vec<(i64, i64)> =
        lines.iter().map(|(product_id, quantity)| (product_id.get(), quantity.get())).collect();
    json!(pairs).to_string()
}

pub(super) async fn transition(
    c: &mut SqliteConnection,
    transition: &Transition,
    now: Timestamp,
) -> Result<(), Error> {
    let Transition { from, to, movements } = transition;
    match from {
        None => insert(c, to, now).await?,
        Some(from) => replace(c, from, to, now).await?,
    }
    for &kind in *movements {
        move_lines(c, kind, to, now).await?;
    }
    Ok(())
}

async fn insert(c: &mut SqliteConnection, reservation: &Reservation, now: Timestamp) -> Result<(), Error> {
    let id = reservation.id.to_string();
    sqlx::query(
        "INSERT INTO reservations (id, status, expires_at, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)",
    )
    .bind(&id)
    .bind(reservation.state.as_str())
    .bind(expires_at(&reservation.state))
    .bind(now.micros())
    .execute(&mut *c)
    .await?;
    sqlx::query(
        "INSERT INTO reservation_lines (reservation_id, product_id, quantity, lacking)
         SELECT ?1, line.value ->> 0, line.value ->> 1, line.value ->> 0 IN (SELECT value FROM json_each(?3))
         FROM json_each(?2) line",
    )
    .bind(&id)
    .bind(json(&reservation.lines))
    .bind(json!(lacking(&reservation.state)).to_string())
    .execute(c)
    .await
    .map_err(Error::from)
    .and_then(|done| all(&done, reservation.lines.len()))
}

/// The guarded write of every later transition.
async fn replace(
    c: &mut SqliteConnection,
    from: &State,
    to: &Reservation,
    now: Timestamp,
) -> Result<(), Error> {
    let done = sqlx::query(
        "UPDATE reservations SET status = ?3, expires_at = ?4, updated_at = ?5 WHERE id = ?1 AND status = ?2",
    )
    .bind(to.id.to_string())
    .bind(from.as_str())
    .bind(to.state.as_str())
    .bind(expires_at(&to.state))
    .bind(now.micros())
    .execute(c)
    .await?;
    all(&done, 1)
}

async fn move_lines(
    c: &mut SqliteConnection,
    kind: Kind,
    reservation: &Reservation,
    now: Timestamp,
) -> Result<(), Error> {
    let (lines, effect) = (json(&reservation.lines), kind.effect());
    let moved = sqlx::query(
        "UPDATE stock SET available = available + ?2 * line.units, held = held + ?3 * line.units,
                          sold = sold + ?4 * line.units
         FROM (SELECT value ->> 0 AS product_id, value ->> 1 AS units FROM json_each(?1)) line
         WHERE stock.product_id = line.product_id",
    )
    .bind(&lines)
    .bind(effect.available)
    .bind(effect.held)
    .bind(effect.sold)
    .execute(&mut *c)
    .await?;
    all(&moved, reservation.lines.len())?;
    let recorded = sqlx::query(
        "INSERT INTO movements (product_id, kind, quantity, reservation_id, at)
         SELECT value ->> 0, ?2, value ->> 1, ?3, ?4 FROM json_each(?1) ORDER BY key",
    )
    .bind(&lines)
    .bind(kind.as_str())
    .bind(reservation.id.to_string())
    .bind(now.micros())
    .execute(c)
    .await?;
    all(&recorded, reservation.lines.len())
}

/// The row of a product that no stock was kept for.
pub(super) async fn first_stock(c: &mut SqliteConnection, product_id: ProductId) -> Result<(), Error> {
    sqlx::query("INSERT INTO stock (product_id, available, held, sold, on_hand_in) VALUES (?1, 0, 0, 0, 0)")
        .bind(product_id.get())
        .execute(c)
        .await?;
    Ok(())
}

/// Units come in, or go out when negative; all of them from what is available.
pub(super) async fn adjustment(
    c: &mut SqliteConnection,
    product_id: ProductId,
    difference: i64,
    now: Timestamp,
) -> Result<(), Error> {
    let done = sqlx::query(
        "UPDATE stock SET available = available + ?2, on_hand_in = on_hand_in + ?2 WHERE product_id = ?1",
    )
    .bind(product_id.get())
    .bind(difference)
    .execute(&mut *c)
    .await?;
    all(&done, 1)?;
    sqlx::query("INSERT INTO movements (product_id, kind, quantity, at) VALUES (?1, ?2, ?3, ?4)")
        .bind(product_id.get())
        .bind(Kind::Adjust.as_str())
        .bind(difference)
        .bind(now.micros())
        .execute(c)
        .await?;
    Ok(())
}

fn expires_at(state: &State) -> Option<i64> {
    match state {
        State::Held { until } => Some(until.micros()),
        State::Expired { since } => Some(since.micros()),
        State::Committed | State::Released | State::Rejected { .. } | State::Restocked => None,
    }
}

fn lacking(state: &State) -> &[ProductId] {
    match state {
        State::Rejected { lacking } => lacking,
        State::Held { .. }
        | State::Committed
        | State::Released
        | State::Expired { .. }
        | State::Restocked => &[],
    }
}

fn all(done: &SqliteQueryResult, rows: usize) -> Result<(), Error> {
    if done.rows_affected() == rows as u64 {
        Ok(())
    } else {
        Err(Error::defect(format!("{} rows changed in place of {rows}", done.rows_affected())))
    }
}
