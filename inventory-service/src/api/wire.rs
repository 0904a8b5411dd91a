//! Between the messages and our own types.

use proto::inventory as pb;
use proto::{Invalid, Reason, convert};
use types::{PageSize, ProductId};

use crate::ledger::{Kind, Movement};
use crate::reservation::{Lines, Reservation, State};
use crate::stock::{OnHand, Stock};

/// The most lines of one Reserve.
const MAX_LINES: usize = 100;

/// The lines of a Reserve: 1 to 100, summed by product.
pub(super) fn lines(wire: &[pb::Line]) -> Result<Lines, Invalid> {
    if !(1..=MAX_LINES).contains(&wire.len()) {
        return Err(Invalid::new("lines", format!("must be between 1 and {MAX_LINES} lines")));
    }
    let mut lines = Lines::default();
    for (index, line) in wire.iter().enumerate() {
        let product_id = convert::product_id(&format!("lines[{index}].product_id"), line.product_id)?;
        let field = format!("lines[{index}].quantity");
        let quantity = convert::quantity(&field, line.quantity)?;
        lines.add(product_id, quantity).map_err(|error| {
            let message = format!("summed with the other lines of product {product_id} {error}");
            Invalid::new(field, message).because(Reason::InvalidQuantity)
        })?;
    }
    Ok(lines)
}

/// What shall be on hand, of which product.
pub(super) fn on_hand(request: &pb::SetStockRequest) -> Result<(ProductId, OnHand), Invalid> {
    let product_id = convert::product_id("product_id", request.product_id)?;
    let on_hand = OnHand::try_from(request.on_hand)
        .map_err(|error| Invalid::new("on_hand", error).because(Reason::InvalidQuantity))?;
    Ok((product_id, on_hand))
}

/// A page of the ledger of a product.
pub(super) struct Page {
    pub(super) product_id: ProductId,
    pub(super) size: PageSize,
    /// The last movement of the page before.
    pub(super) before: Option<i64>,
}

impl TryFrom<pb::ListMovementsRequest> for Page {
    type Error = Invalid;

    fn try_from(request: pb::ListMovementsRequest) -> Result<Self, Invalid> {
        let product_id = convert::product_id("product_id", request.product_id)?;
        let size = convert::page_size(request.page_size)?;
        let before = match convert::page_token::<(ProductId, i64)>(&request.page_token)? {
            Some((of, _)) if of != product_id => {
                return Err(Invalid::new("page_token", types::InvalidPage::Token));
            }
            Some((_, movement)) => Some(movement),
            None => None,
        };
        Ok(Self { product_id, size, before })
    }
}

impl From<Stock> for pb::Stock {
    fn from(stock: Stock) -> Self {
        Self { product_id: stock.product_id.get(), available: stock.available, reserved: stock.held }
    }
}

impl From<Reservation> for pb::Reservation {
    fn from(reservation: Reservation) -> Self {
        let (status, expires_at) = match reservation.state {
            State::Held { until } => (pb::ReservationStatus::Held, Some(until)),
            State::Committed => (pb::ReservationStatus::Committed, None),
            State::Released => (pb::ReservationStatus::Released, None),
            State::Expired { since } => (pb::ReservationStatus::Expired, Some(since)),
            State::Rejected { .. } => (pb::ReservationStatus::Rejected, None),
            State::Restocked => (pb::ReservationStatus::Restocked, None),
        };
        let line = |(product_id, quantity): (ProductId, types::Quantity)| pb::Line {
            product_id: product_id.get(),
            quantity: quantity.get(),
        };
        Self {
            reservation_id: reservation.id.to_string(),
            status: status.into(),
            lines: reservation.lines.iter().map(line).collect(),
            expires_at: expires_at.map(convert::timestamp),
        }
    }
}

impl From<Movement> for pb::Movement {
    fn from(movement: Movement) -> Self {
        let kind = match movement.kind {
            Kind::Adjust => pb::MovementKind::Adjust,
            Kind::Reserve => pb::MovementKind::Reserve,
            Kind::Commit => pb::MovementKind::Commit,
            Kind::Release => pb::MovementKind::Release,
            Kind::Expire => pb::MovementKind::Expire,
            Kind::Restock => pb::MovementKind::Restock,
        };
        Self {
            id: movement.id,
            product_id: movement.product_id.get(),
            kind: kind.into(),
            quantity: movement.quantity,
            reservation_id: movement.reservation_id.map(|id| id.to_string()).unwrap_or_default(),
            at: Some(convert::timestamp(movement.at)),
        }
    }
}
