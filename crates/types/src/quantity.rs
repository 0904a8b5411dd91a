//! How many of a product.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number that is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be between 1 and {}", Quantity::MAX)]
pub struct InvalidQuantity;

/// A positive number of units, small enough that sums of thousands can't overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Quantity(i64);

impl Quantity {
    /// The largest quantity.
    pub const MAX: i64 = 1_000_000_000;

    /// The units, 1 to [`Quantity::MAX`].
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum, unless it is more than [`Quantity::MAX`].
    pub fn checked_add(self, other: Self) -> Result<Self, InvalidQuantity> {
        Self::try_from(self.0 + other.0)
    }
}

impl TryFrom<i64> for Quantity {
    type Error = InvalidQuantity;

    fn try_from(value: i64) -> Result<Self, InvalidQuantity> {
        if (1..=Self::MAX).contains(&value) { Ok(Self(value)) } else { Err(InvalidQuantity) }
    }
}

impl From<Quantity> for i64 {
    fn from(quantity: Quantity) -> i64 {
        quantity.0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n1_is_positive_and_bounded() {
        assert_eq!(Quantity::try_from(1).map(Quantity::get), Ok(1));
        for bad in [0, -1, i64::MIN, i64::MAX, Quantity::MAX + 1] {
            assert_eq!(Quantity::try_from(bad), Err(InvalidQuantity));
        }
        let most = Quantity::try_from(Quantity::MAX).unwrap();
        assert_eq!(most.checked_add(most), Err(InvalidQuantity));
    }
}
