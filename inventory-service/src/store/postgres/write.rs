//! The statements that change something. Each of those that commit by themselves does all or nothing, and says
//! whether it did.

use sql::Error;
use sql::postgres::Transaction;
use sqlx::PgConnection;
use sqlx::postgres::PgQueryResult;
use sqlx::types::Uuid;
use sqlx::types::time::OffsetDateTime;
use types::{ProductId, Timestamp};

use super::rows::{self, StockRow};
use crate::ledger::{Effect, Kind};
use crate::reservation::{Lines, Reservation, State, Transition};
use crate::stock::Stock;

/// Writes a transition if the reservation is still in the state that was decided on and the stock is still there;
/// whether it did.
pub(super) async fn transition(
    c: &mut PgConnection,
    transition: &Transition,
    now: Timestamp,
) -> Result<bool, Error> {
    let Transition { from, to, movements } = transition;
    let now = OffsetDateTime::from(now);
    match (from, movements) {
        (None, []) => keep(c, to, now).await,
        (None, movements) => take(c, to, movements, now).await,
        (Some(from), movements) => replace(c, from, to, movements, now).await,
    }
}

/// A new reservation that moves nothing: a rejection or a tombstone.
async fn keep(c: &mut PgConnection, to: &Reservation, now: OffsetDateTime) -> Result<bool, Error> {
    let (products, units) = columns(&to.lines);
    let lacking: Vec<i64> = lacking(&to.state).iter().map(|product_id| product_id.get()).collect();
    let made: i64 = sqlx::query_scalar(
        "WITH made AS (
             INSERT INTO reservations (id, status, expires_at, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $4) ON CONFLICT DO NOTHING RETURNING id
         ), lines AS (
             INSERT INTO reservation_lines (reservation_id, product_id, quantity, lacking)
             SELECT id, product_id, units, product_id = ANY($7)
             FROM made, UNNEST($5::bigint[], $6::bigint[]) AS line (product_id, units)
         )
         SELECT count(*) FROM made",
    )
    .bind(to.id.0)
    .bind(to.state.as_str())
    .bind(expires_at(&to.state))
    .bind(now)
    .bind(products)
    .bind(units)
    .bind(lacking)
    .fetch_one(c)
    .await
    .map_err(Error::of_autocommit)?;
    Ok(made == 1)
}

/// A new reservation that moves its lines.
async fn take(
    c: &mut PgConnection,
    to: &Reservation,
    movements: &[Kind],
    now: OffsetDateTime,
) -> Result<bool, Error> {
    let (products, units) = columns(&to.lines);
    let effect = sum(movements);
    // The condition of `made` counts what was locked, so that the stock is locked before the key is taken.
    let made: i64 = sqlx::query_scalar(
        "WITH line AS (
             SELECT * FROM UNNEST($5::bigint[], $6::bigint[]) AS line (product_id, units)
         ), locked AS (
             SELECT stock.product_id FROM stock JOIN line ON stock.product_id = line.product_id
             WHERE available + $7 * units >= 0
             ORDER BY stock.product_id FOR NO KEY UPDATE OF stock
         ), made AS (
             INSERT INTO reservations (id, status, expires_at, created_at, updated_at)
             SELECT $1, $2, $3, $4, $4 WHERE (SELECT count(*) FROM locked) = cardinality($5)
             ON CONFLICT DO NOTHING RETURNING id
         ), lines AS (
             INSERT INTO reservation_lines (reservation_id, product_id, quantity, lacking)
             SELECT id, product_id, units, false FROM made, line
         ), moved AS (
             UPDATE stock
             SET available = available + $7 * units, held = held + $8 * units, sold = sold + $9 * units
             FROM made, line WHERE stock.product_id = line.product_id
             RETURNING stock.product_id, units
         ), recorded AS (
             INSERT INTO movements (product_id, kind, quantity, reservation_id, at)
             SELECT product_id, kind, units, $1, $4
             FROM moved, UNNEST($10::text[]) WITH ORDINALITY AS step (kind, number)
             ORDER BY number, product_id
         )
         SELECT count(*) FROM made",
    )
    .bind(to.id.0)
    .bind(to.state.as_str())
    .bind(expires_at(&to.state))
    .bind(now)
    .bind(products)
    .bind(units)
    .bind(effect.available)
    .bind(effect.held)
    .bind(effect.sold)
    .bind(names(movements))
    .fetch_one(c)
    .await
    .map_err(Error::of_autocommit)?;
    Ok(made == 1)
}

/// Every later transition.
async fn replace(
    c: &mut PgConnection,
    from: &State,
    to: &Reservation,
    movements: &[Kind],
    now: OffsetDateTime,
) -> Result<bool, Error> {
    // What moves nothing needs no lock on the stock.
    let (products, units) = if movements.is_empty() { Default::default() } else { columns(&to.lines) };
    let effect = sum(movements);
    let replaced: i64 = sqlx::query_scalar(
        "WITH line AS (
             SELECT * FROM UNNEST($6::bigint[], $7::bigint[]) AS line (product_id, units)
         ), locked AS (
             SELECT stock.product_id FROM stock JOIN line ON stock.product_id = line.product_id
             WHERE available + $8 * units >= 0
             ORDER BY stock.product_id FOR NO KEY UPDATE OF stock
         ), replaced AS (
             UPDATE reservations SET status = $3, expires_at = $4, updated_at = $5
             WHERE id = $1 AND status = $2 AND (SELECT count(*) FROM locked) = cardinality($6)
             RETURNING id
         ), moved AS (
             UPDATE stock
             SET available = available + $8 * units, held = held + $9 * units, sold = sold + $10 * units
             FROM replaced, line WHERE stock.product_id = line.product_id
             RETURNING stock.product_id, units
         ), recorded AS (
             INSERT INTO movements (product_id, kind, quantity, reservation_id, at)
             SELECT product_id, kind, units, $1, $5
             FROM moved, UNNEST($11::text[]) WITH ORDINALITY AS step (kind, number)
             ORDER BY number, product_id
         )
         SELECT count(*) FROM replaced",
    )
    .bind(to.id.0)
    .bind(from.as_str())
    .bind(to.state.as_str())
    .bind(expires_at(&to.state))
    .bind(now)
    .bind(products)
    .bind(units)
    .bind(effect.available)
    .bind(effect.held)
    .bind(effect.sold)
    .bind(names(movements))
    .fetch_one(c)
    .await
    .map_err(Error::of_autocommit)?;
    Ok(replaced == 1)
}

/// Writes many expiries at once, each if its reservation is still held; how many. Unlike [`transition`] they can't
/// fail for want of stock, and those of one product are summed.
pub(super) async fn expiries(
    c: &mut PgConnection,
    expiries: &[Transition],
    now: Timestamp,
) -> Result<u32, Error> {
    if expiries.is_empty() {
        return Ok(0);
    }
    let (mut ids, mut products, mut units) = (Vec::<Uuid>::new(), Vec::new(), Vec::new());
    for Transition { to, .. } in expiries {
        for (product_id, quantity) in to.lines.iter() {
            ids.push(to.id.0);
            products.push(product_id.get());
            units.push(quantity.get());
        }
    }
    let Effect { available, held, sold } = Kind::Expire.effect();
    // The condition of `expired` only makes sure that all the stock is locked before any reservation is.
    let expired: i64 = sqlx::query_scalar(
        "WITH line AS (
             SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[]) AS line (id, product_id, units)
         ), locked AS (
             SELECT product_id FROM stock WHERE product_id = ANY($2) ORDER BY product_id FOR NO KEY UPDATE
         ), expired AS (
             UPDATE reservations SET status = 'EXPIRED', updated_at = $4
             WHERE id = ANY($1) AND status = 'HELD' AND (SELECT count(*) FROM locked) > 0
             RETURNING id
         ), moved AS (
             UPDATE stock
             SET available = available + $5 * units, held = held + $6 * units, sold = sold + $7 * units
             FROM (SELECT product_id, SUM(units)::bigint AS units FROM line JOIN expired USING (id)
                   GROUP BY product_id) summed
             WHERE stock.product_id = summed.product_id
         ), recorded AS (
             INSERT INTO movements (product_id, kind, quantity, reservation_id, at)
             SELECT product_id, $8, units, id, $4 FROM line JOIN expired USING (id) ORDER BY id, product_id
         )
         SELECT count(*) FROM expired",
    )
    .bind(ids)
    .bind(products)
    .bind(units)
    .bind(OffsetDateTime::from(now))
    .bind(available)
    .bind(held)
    .bind(sold)
    .bind(Kind::Expire.as_str())
    .fetch_one(c)
    .await
    .map_err(Error::of_autocommit)?;
    u32::try_from(expired).map_err(Error::defect)
}

/// The stock of a product, locked until the transaction ends; from now on kept where it was not.
pub(super) async fn locked_stock(t: &mut Transaction, product_id: ProductId) -> Result<Stock, Error> {
    sqlx::query(
        "INSERT INTO stock (product_id, available, held, sold, on_hand_in) VALUES ($1, 0, 0, 0, 0)
         ON CONFLICT DO NOTHING",
    )
    .bind(product_id.get())
    .execute(&mut **t)
    .await?;
    let row: StockRow = sqlx::query_as(
        "SELECT product_id, available, held, sold FROM stock WHERE product_id = $1 FOR NO KEY UPDATE",
    )
    .bind(product_id.get())
    .fetch_one(&mut **t)
    .await?;
    rows::stock(row)
}

/// Units come in, or go out when negative; all of them from what is available.
pub(super) async fn adjustment(
    t: &mut Transaction,
    product_id: ProductId,
    difference: i64,
    now: Timestamp,
) -> Result<(), Error> {
    let done: PgQueryResult = sqlx::query(
        "WITH adjusted AS (
             UPDATE stock SET available = available + $2, on_hand_in = on_hand_in + $2 WHERE product_id = $1
             RETURNING product_id
         )
         INSERT INTO movements (product_id, kind, quantity, at) SELECT product_id, $3, $2, $4 FROM adjusted",
    )
    .bind(product_id.get())
    .bind(difference)
    .bind(Kind::Adjust.as_str())
    .bind(OffsetDateTime::from(now))
    .execute(&mut **t)
    .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(Error::defect("locked stock was not there")) }
}

/// Lines as two columns, in the order of the products.
fn columns(lines: &Lines) -> (Vec<i64>, Vec<i64>) {
    lines.iter().map(|(product_id, quantity)| (product_id.get(), quantity.get())).unzip()
}

/// What all of these movements do to the stock, one after the other.
fn sum(movements: &[Kind]) -> Effect {
    movements.iter().map(|kind| kind.effect()).fold(
        Effect { available: 0, held: 0, sold: 0 },
        |sum, effect| Effect {
            available: sum.available + effect.available,
            held: sum.held + effect.held,
            sold: sum.sold + effect.sold,
        },
    )
}

fn names(movements: &[Kind]) -> Vec<&'static str> {
    movements.iter().map(|kind| kind.as_str()).collect()
}

fn expires_at(state: &State) -> Option<OffsetDateTime> {
    match state {
        State::Held { until } => Some((*until).into()),
        State::Expired { since } => Some((*since).into()),
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
