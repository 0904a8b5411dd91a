//! From rows to values. A row that makes no value was not written by us.

use sql::Error;
use sqlx::types::Uuid;
use sqlx::types::time::OffsetDateTime;
use types::{ProductId, Quantity, ReservationId};

use crate::ledger::{Kind, Movement};
use crate::reservation::{Lines, Reservation, State};
use crate::stock::{Available, Stock};

/// `product_id, available, held, sold`.
pub(super) type StockRow = (i64, i64, i64, i64);

/// `id, product_id, kind, quantity, reservation_id, at`.
pub(super) type MovementRow = (i64, i64, String, i64, Option<Uuid>, OffsetDateTime);

/// One line of a reservation; the last three are NULL for a reservation without lines.
#[derive(sqlx::FromRow)]
pub(super) struct ReservationRow {
    id: Uuid,
    status: String,
    expires_at: Option<OffsetDateTime>,
    product_id: Option<i64>,
    quantity: Option<i64>,
    lacking: Option<bool>,
}

/// One line of the reservation with what is available of it, or only what is available of a product.
#[derive(sqlx::FromRow)]
pub(super) struct LookRow {
    id: Option<Uuid>,
    status: Option<String>,
    expires_at: Option<OffsetDateTime>,
    product_id: Option<i64>,
    quantity: Option<i64>,
    lacking: Option<bool>,
    available: Option<i64>,
}

/// What a command may go by.
pub(super) struct Look {
    pub(super) existing: Option<Reservation>,
    pub(super) available: Available,
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
        reservation_id: reservation.map(ReservationId),
        at: at.into(),
    })
}

/// The rows of one reservation at most, and of products.
pub(super) fn look(rows: Vec<LookRow>) -> Result<Look, Error> {
    let (mut lines, mut available) = (Vec::new(), Available::new());
    for row in rows {
        let LookRow { id, status, expires_at, product_id: product, quantity, lacking, available: units } =
            row;
        if let (Some(product), Some(units)) = (product, units) {
            available.insert(product_id(product)?, units);
        }
        if let (Some(id), Some(status)) = (id, status) {
            lines.push(ReservationRow { id, status, expires_at, product_id: product, quantity, lacking });
        }
    }
    Ok(Look { existing: reservations(lines)?.pop(), available })
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
    // The rows of a look are in no order.
    lacking.sort_unstable();
    let state = state(&first.status, first.expires_at, lacking)?;
    Ok(Reservation { id: ReservationId(first.id), lines, state })
}

fn state(status: &str, expires_at: Option<OffsetDateTime>, lacking: Vec<ProductId>) -> Result<State, Error> {
    match (status, expires_at) {
        ("HELD", Some(until)) => Ok(State::Held { until: until.into() }),
        ("EXPIRED", Some(since)) => Ok(State::Expired { since: since.into() }),
        ("COMMITTED", None) => Ok(State::Committed),
        ("RELEASED", None) => Ok(State::Released),
        ("REJECTED", None) => Ok(State::Rejected { lacking }),
        ("RESTOCKED", None) => Ok(State::Restocked),
        _ => Err(Error::defect(format!("a reservation that is {status} and expires at {expires_at:?}"))),
    }
}

fn product_id(id: i64) -> Result<ProductId, Error> {
    ProductId::try_from(id).map_err(Error::defect)
}
