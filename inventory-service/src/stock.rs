//! What there is of a product.

use std::collections::BTreeMap;

use types::ProductId;

use crate::ledger::Kind;

/// Units that are free to be reserved, by product; a product that is missing has none.
pub type Available = BTreeMap<ProductId, i64>;

/// The stock of one product, in units, none negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    /// The product.
    pub product_id: ProductId,
    /// Free to be reserved.
    pub available: i64,
    /// Held by reservations that are not yet confirmed.
    pub held: i64,
    /// Sold by confirmed reservations.
    pub sold: i64,
}

/// More is held than is said to be on hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{held} of product {product_id} are held by reservations: on hand can't be less")]
pub struct BelowHeld {
    /// The product.
    pub product_id: ProductId,
    /// Units that reservations hold.
    pub held: i64,
}

impl Stock {
    /// Nothing of a product.
    pub const fn none(product_id: ProductId) -> Self {
        Self { product_id, available: 0, held: 0, sold: 0 }
    }

    /// Units in the house: what is free and what is held.
    pub const fn on_hand(&self) -> i64 {
        self.available + self.held
    }

    /// The adjustment, in units, that makes `on_hand` true.
    pub fn adjustment_to(&self, on_hand: OnHand) -> Result<i64, BelowHeld> {
        if on_hand.get() < self.held {
            return Err(BelowHeld { product_id: self.product_id, held: self.held });
        }
        Ok(on_hand.get() - self.on_hand())
    }

    /// The stock after a movement; `None` where there is not enough to move.
    #[must_use]
    pub fn after(self, kind: Kind, quantity: i64) -> Option<Self> {
        let effect = kind.effect();
        let moved = |units: i64, sign: i64| {
            let units = units.checked_add(sign.checked_mul(quantity)?)?;
            (units >= 0).then_some(units)
        };
        Some(Self {
            product_id: self.product_id,
            available: moved(self.available, effect.available)?,
            held: moved(self.held, effect.held)?,
            sold: moved(self.sold, effect.sold)?,
        })
    }
}

/// Units said to be in the house: 0 to [`OnHand::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnHand(i64);

/// A number that can't be on hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be between 0 and {}", OnHand::MAX)]
pub struct InvalidOnHand;

impl OnHand {
    /// The most that can be on hand.
    pub const MAX: i64 = 1_000_000_000;

    /// The units.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for OnHand {
    type Error = InvalidOnHand;

    fn try_from(units: i64) -> Result<Self, InvalidOnHand> {
        if (0..=Self::MAX).contains(&units) { Ok(Self(units)) } else { Err(InvalidOnHand) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laptops(available: i64, held: i64, sold: i64) -> Stock {
        Stock { product_id: ProductId::try_from(1).unwrap(), available, held, sold }
    }

    fn on_hand(units: i64) -> OnHand {
        OnHand::try_from(units).unwrap()
    }

    #[test]
    fn on_hand_is_what_is_free_and_what_is_held() {
        let stock = laptops(5, 3, 7);
        assert_eq!(stock.adjustment_to(on_hand(10)), Ok(2));
        assert_eq!(stock.adjustment_to(on_hand(8)), Ok(0));
        assert_eq!(stock.adjustment_to(on_hand(3)), Ok(-5));
        let refusal = stock.adjustment_to(on_hand(2)).unwrap_err();
        assert_eq!(refusal.to_string(), "3 of product 1 are held by reservations: on hand can't be less");
    }

    #[test]
    fn on_hand_is_bounded() {
        for bad in [-1, i64::MIN, OnHand::MAX + 1, i64::MAX] {
            assert_eq!(OnHand::try_from(bad), Err(InvalidOnHand));
        }
        assert_eq!(OnHand::try_from(OnHand::MAX).map(OnHand::get), Ok(1_000_000_000));
    }

    #[test]
    fn a_movement_never_takes_what_is_not_there() {
        let stock = laptops(5, 3, 7);
        for (kind, quantity, after) in [
            (Kind::Adjust, 2, Some(laptops(7, 3, 7))),
            (Kind::Adjust, -5, Some(laptops(0, 3, 7))),
            (Kind::Adjust, -6, None),
            (Kind::Reserve, 5, Some(laptops(0, 8, 7))),
            (Kind::Reserve, 6, None),
            (Kind::Commit, 3, Some(laptops(5, 0, 10))),
            (Kind::Commit, 4, None),
            (Kind::Release, 3, Some(laptops(8, 0, 7))),
            (Kind::Release, 4, None),
            (Kind::Expire, 3, Some(laptops(8, 0, 7))),
            (Kind::Expire, 4, None),
            (Kind::Restock, 7, Some(laptops(12, 3, 0))),
            (Kind::Restock, 8, None),
            (Kind::Adjust, i64::MAX, None),
        ] {
            assert_eq!(stock.after(kind, quantity), after, "{kind:?} {quantity}");
        }
    }
}
