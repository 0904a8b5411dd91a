//! From rows to values. A row that makes no value was not written by us.

use sql::Error;
use types::{ProductId, Quantity, ReservationId, Timestamp};

use crate::ledger::{Kind, Movement};
use crate::reservation::{Lines, Reservation, State};
use crate::stock::Stock;

/// `product_id, available, held, sold`.
pub(super) type StockRow = (i64, i64, i64, i64);

/// `id, product_id, kind, quantity, reservation_id, at`.
pub(super) type MovementRow = (i64, i64, String, i64, Option<String>, i64);

/// One line of a reservation: `id, status, expires_at, product_id, quantity, lacking`; the last three are
/// NULL for a reservation without lines.
#[derive(sqlx::FromRow)]
pub(super) struct ReservationRow {
    id: String,
    status: String,
    expires_at: Option<i64>,
    product_id: Option<i64>,
    quantity: Option<i64>,
    lacking: Option<bool>,
}

pub(super) fn stock((product, available, held, sold): StockRow) -> Result<Stock, Error> {
    Ok(Stock { product_id: product_id(product)?, available, held, sold })
}

pub(super) fn movement(row: MovementRow) -> Result<Movement, Error> {
    let (id, product, kind, quantity, reservation, at) = row;
    Ok(Movement {
        id,
        product_id: product_id(product)?,
        kind: Kind::parse(&kind).ok_or_else(|| Error::defect(format!("movement of kind {kind}")))?,
        quantity,
        reservation_id: reservation.as_deref().map(reservation_id).transpose()?,
        at: Timestamp::from_micros(at),
    })
}

/// Reservations of rows that are ordered by id.
pub(super) fn reservations(rows: Vec<ReservationRow>) -> Result<Vec<Reservation>, Error> {
    rows.chunk_by(|one, next| one.id == next.id).map(reservation).collect()
}

fn reservation(rows: &[ReservationRow]) -> Result<Reservation, Error> {
    let first = rows.first().ok_or_else(|| Error::defect("a reservation of no row"))?;
    let (mut lines, mut lacking) = (Lines::default(), Vec::new());
    for row in rows {
        let (Some(product), Some(units)) = (row.product_id, row.quantity) else {
            continue;
        };
        let product = product_id(product)?;
        lines.add(product, Quantity::try_from(units).map_err(Error::defect)?).map_err(Error::defect)?;
        if row.lacking == Some(true) {
            lacking.push(product);
        }
    }
    let state = state(&first.status, first.expires_at.map(Timestamp::from_micros), lacking)?;
    Ok(Reservation { id: reservation_id(&first.id)?, lines, state })
}

fn state(status: &str, expires_at: Option<Timestamp>, lacking: Vec<ProductId>) -> Result<State, Error> {
    match (status, expires_at) {
        ("HELD", Some(until)) => Ok(State::Held { until }),
        ("EXPIRED", Some(since)) => Ok(State::Expired { since }),
        ("COMMITTED", None) => Ok(State::Committed),
        ("RELEASED", None) => Ok(State::Released),
        ("REJECTED", None) => Ok(State::Rejected { lacking }),
        ("RESTOCKED", None) => Ok(State::Restocked),
        _ => Err(Error::defect(format!("a reservation that is {status} and expires at {expires_at:?}"))),
    }
}

pub(super) fn product_id(id: i64) -> Result<ProductId, Error> {
    ProductId::try_from(id).map_err(Error::defect)
}

pub(super) fn reservation_id(text: &str) -> Result<ReservationId, Error> {
    text.parse().map_err(Error::defect)
}
