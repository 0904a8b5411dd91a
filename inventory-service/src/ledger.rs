//! The ledger: every unit's way in and out. Stock is what the ledger adds up to, and [`Snapshot::violations`]
//! says where it does not.

use std::collections::BTreeMap;

use types::{ProductId, ReservationId, Timestamp};

use crate::reservation::{Reservation, State};
use crate::stock::Stock;

/// Which way units moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// On hand was set: units in, or out when negative.
    Adjust,
    /// Available to held.
    Reserve,
    /// Held to sold.
    Commit,
    /// Held to available.
    Release,
    /// Held to available, because the hold ended.
    Expire,
    /// Sold to available.
    Restock,
}

/// What one unit moved does to the stock: the sign of each part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// On what is free.
    pub available: i64,
    /// On what is held.
    pub held: i64,
    /// On what is sold.
    pub sold: i64,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Adjust, Self::Reserve, Self::Commit, Self::Release, Self::Expire, Self::Restock];

    /// The only place that says what a movement does; both the adapters and [`replay`] go by it.
    pub const fn effect(self) -> Effect {
        let (available, held, sold) = match self {
            Self::Adjust => (1, 0, 0),
            Self::Reserve => (-1, 1, 0),
            Self::Commit => (0, -1, 1),
            Self::Release | Self::Expire => (1, -1, 0),
            Self::Restock => (1, 0, -1),
        };
        Effect { available, held, sold }
    }

    /// The kind as it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adjust => "ADJUST",
            Self::Reserve => "RESERVE",
            Self::Commit => "COMMIT",
            Self::Release => "RELEASE",
            Self::Expire => "EXPIRE",
            Self::Restock => "RESTOCK",
        }
    }

    /// Reads [`Kind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Units that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Ascending in the order of the movements.
    pub id: i64,
    /// The product.
    pub product_id: ProductId,
    /// Which way.
    pub kind: Kind,
    /// How many; negative only for an adjustment that takes away.
    pub quantity: i64,
    /// The reservation that moved them; none for an adjustment.
    pub reservation_id: Option<ReservationId>,
    /// When.
    pub at: Timestamp,
}

/// The stock of a product that its movements, oldest first, add up to; `Err` with the first movement that
/// moves more than there is.
pub fn replay<'a>(
    product_id: ProductId,
    movements: impl IntoIterator<Item = &'a Movement>,
) -> Result<Stock, &'a Movement> {
    movements
        .into_iter()
        .filter(|movement| movement.product_id == product_id)
        .try_fold(Stock::none(product_id), |stock, movement| {
            stock.after(movement.kind, movement.quantity).ok_or(movement)
        })
}

/// Everything there is, read at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// By product.
    pub stock: Vec<Stock>,
    /// By id.
    pub reservations: Vec<Reservation>,
    /// Oldest first.
    pub movements: Vec<Movement>,
}

/// A promise of the ledger that is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A movement of more than there was.
    #[error("movement {movement} of product {product_id} moves more than there is")]
    Impossible {
        /// The product.
        product_id: ProductId,
        /// The movement.
        movement: i64,
    },
    /// The stock is not what its movements add up to.
    #[error("stock is {stock:?}, its movements add up to {replayed:?}")]
    NotReplayed {
        /// As stored.
        stock: Stock,
        /// As replayed.
        replayed: Stock,
    },
    /// Movements of a product that no stock is kept for.
    #[error("product {0} has movements and no stock")]
    NoStock(ProductId),
    /// What is held or sold is not what the reservations hold or bought.
    #[error("stock is {stock:?}, reservations hold {held} and bought {sold}")]
    NotReserved {
        /// As stored.
        stock: Stock,
        /// The sum of the lines of all held reservations.
        held: i64,
        /// The sum of the lines of all committed reservations.
        sold: i64,
    },
    /// The movements of a reservation do not lead to its state.
    #[error("reservation {reservation_id} and its movements of product {product_id} disagree")]
    NotExplained {
        /// The reservation.
        reservation_id: ReservationId,
        /// The product.
        product_id: ProductId,
    },
}

/// Units held and units sold.
type Claim = (i64, i64);

impl Snapshot {
    /// Every broken promise, none on a sound store: the stock of each product is what its movements add up
    /// to (so what came in is available, held or sold, none negative), held and sold are the sums of the held and
    /// committed reservations, and the movements of each reservation lead to its state.
    pub fn violations(&self) -> Vec<Violation> {
        let mut violations = self.replay_violations();
        let claimed = self.claimed();
        violations.extend(self.sum_violations(&claimed));
        violations.extend(self.reservation_violations(&claimed));
        violations
    }

    fn replay_violations(&self) -> Vec<Violation> {
        let mut ledger: BTreeMap<ProductId, Vec<&Movement>> = BTreeMap::new();
        for movement in &self.movements {
            ledger.entry(movement.product_id).or_default().push(movement);
        }
        let mut violations = Vec::new();
        for &stock in &self.stock {
            let product_id = stock.product_id;
            let movements = ledger.remove(&product_id).unwrap_or_default();
            match replay(product_id, movements) {
                Ok(replayed) if replayed == stock => {}
                Ok(replayed) => violations.push(Violation::NotReplayed { stock, replayed }),
                Err(movement) => violations.push(Violation::Impossible { product_id, movement: movement.id }),
            }
        }
        violations.extend(ledger.into_keys().map(Violation::NoStock));
        violations
    }

    /// What each reservation holds and bought of each product, by its state.
    fn claimed(&self) -> BTreeMap<(ReservationId, ProductId), Claim> {
        let mut claimed = BTreeMap::new();
        for reservation in &self.reservations {
            for (product_id, quantity) in reservation.lines.iter() {
                let claim = match reservation.state {
                    State::Held { .. } => (quantity.get(), 0),
                    State::Committed => (0, quantity.get()),
                    State::Released | State::Expired { .. } | State::Rejected { .. } | State::Restocked => {
                        (0, 0)
                    }
                };
                claimed.insert((reservation.id, product_id), claim);
            }
        }
        claimed
    }

    fn sum_violations(&self, claimed: &BTreeMap<(ReservationId, ProductId), Claim>) -> Vec<Violation> {
        let mut sums: BTreeMap<ProductId, Claim> = BTreeMap::new();
        for ((_, product_id), (held, sold)) in claimed {
            let sum = sums.entry(*product_id).or_default();
            sum.0 += held;
            sum.1 += sold;
        }
        let violation = |&stock: &Stock| {
            let (held, sold) = sums.get(&stock.product_id).copied().unwrap_or_default();
            ((held, sold) != (stock.held, stock.sold)).then_some(Violation::NotReserved { stock, held, sold })
        };
        self.stock.iter().filter_map(violation).collect()
    }

    fn reservation_violations(
        &self,
        claimed: &BTreeMap<(ReservationId, ProductId), Claim>,
    ) -> Vec<Violation> {
        let mut unexplained = claimed.clone();
        for movement in &self.movements {
            let Some(reservation_id) = movement.reservation_id else {
                continue;
            };
            let effect = movement.kind.effect();
            let rest = unexplained.entry((reservation_id, movement.product_id)).or_default();
            rest.0 -= effect.held * movement.quantity;
            rest.1 -= effect.sold * movement.quantity;
        }
        unexplained
            .into_iter()
            .filter(|(_, rest)| *rest != (0, 0))
            .map(|((reservation_id, product_id), _)| Violation::NotExplained { reservation_id, product_id })
            .collect()
    }
}

#[cfg(test)]
mod tests;
