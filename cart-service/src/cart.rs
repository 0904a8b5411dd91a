//! A cart and its rules. Nothing here is asynchronous: time and the catalogue's answers come in as values.

mod change;
mod purchases;

use std::time::Duration;

use types::{Money, ProductId, Timestamp, UserId};

use crate::catalogue::Listing;
pub(crate) use change::{Change, Outcome};
pub(crate) use purchases::Purchase;
pub use purchases::{Purchases, Taken};

#[cfg(test)]
mod tests;

/// How many lines a cart can have.
pub const MAX_LINES: usize = 50;

/// A cart that nobody changed for so long is gone.
pub const LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Why a cart can't be what was asked for. Each is a definite answer, and nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A line would have no units, or too many.
    #[error("quantity {InvalidQuantity}")]
    Quantity,
    /// The catalogue has no such product.
    #[error("product {0} does not exist")]
    ProductNotFound(ProductId),
    /// The cart has no line for the product.
    #[error("product {0} is not in the cart")]
    NotInCart(ProductId),
    /// The cart has [`MAX_LINES`] lines.
    #[error("a cart can have at most {MAX_LINES} different products")]
    Full,
    /// The product is sold in another currency than the rest of the cart.
    #[error("a cart can't mix currencies")]
    CurrencyMismatch,
    /// The total can't be written as an amount of money.
    #[error("the total is out of range")]
    TotalOutOfRange,
}

/// A number of units that a line can't have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be between 1 and {}", LineQuantity::MAX)]
pub struct InvalidQuantity;

impl From<InvalidQuantity> for Refusal {
    fn from(_: InvalidQuantity) -> Self {
        Self::Quantity
    }
}

/// How many units of one product are in a cart: 1 to 99.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineQuantity(i64);

impl LineQuantity {
    /// The most of one product.
    pub const MAX: i64 = 99;

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    fn plus(self, more: Self) -> Result<Self, InvalidQuantity> {
        Self::try_from(self.0 + more.0)
    }

    /// What remains without so many units; `None` when nothing does.
    fn without(self, units: types::Quantity) -> Option<Self> {
        Self::try_from(self.0 - units.get()).ok()
    }
}

impl TryFrom<i64> for LineQuantity {
    type Error = InvalidQuantity;

    fn try_from(value: i64) -> Result<Self, InvalidQuantity> {
        if (1..=Self::MAX).contains(&value) { Ok(Self(value)) } else { Err(InvalidQuantity) }
    }
}

impl From<LineQuantity> for i32 {
    fn from(quantity: LineQuantity) -> Self {
        Self::try_from(quantity.0).unwrap_or(Self::MAX)
    }
}

/// The version of a cart. A user's versions only grow and never come back, even when a cart expired and the
/// next one begins: it begins at the milliseconds since the epoch, which no earlier one has reached, as a
/// cart does not change a thousand times a second for as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub i64);

impl Version {
    /// Where there is no cart; lower than the version of any.
    pub const NONE: Self = Self(0);

    fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The version just before the first one of a cart that begins now.
    fn before_first(now: Timestamp) -> Self {
        Self((now.micros() / 1000 - 1).max(0))
    }
}

/// One product in a cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The product.
    pub product: ProductId,
    /// Its name when it was last added, shown once the product is gone.
    pub name: String,
    /// Its price when it was last added. It fixes the currency of the cart, and is shown, not charged, once
    /// the product is gone.
    pub price: Money,
    /// Units.
    pub quantity: LineQuantity,
    /// When the product was first added.
    pub added_at: Timestamp,
}

/// A user's cart as it is stored: the whole of it, replaced as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cart {
    /// Whose it is.
    pub user: UserId,
    /// Grows by one with every change.
    pub version: Version,
    /// One per product, in the order in which they were added, all of one currency, at most [`MAX_LINES`].
    pub lines: Vec<Line>,
    /// The purchases that have been taken out.
    pub purchases: Purchases,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Cart {
    /// A cart without lines, one change before its first version.
    fn begin(user: UserId, after: Option<&Self>, now: Timestamp) -> Self {
        // The expired cart may still be there, and a clock may have gone back since.
        let before = Version::before_first(now).max(after.map_or(Version::NONE, |cart| cart.version));
        Self {
            user,
            version: before,
            lines: Vec::new(),
            purchases: Purchases::since(before),
            updated_at: now,
        }
    }

    /// The cart, unless nobody changed it for [`LIFETIME`]: then it is to be treated as none.
    pub fn alive(found: Option<&Self>, now: Timestamp) -> Option<&Self> {
        found.filter(|cart| now.since(cart.updated_at) < LIFETIME)
    }

    /// The products of its lines.
    pub fn products(&self) -> impl Iterator<Item = ProductId> {
        self.lines.iter().map(|line| line.product)
    }

    fn line(&mut self, product: ProductId) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.product == product)
    }

    fn add(
        &mut self,
        product: ProductId,
        quantity: LineQuantity,
        listing: &Listing,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let mut others = self.lines.iter().filter(|line| line.product != product);
        if others.any(|line| line.price.currency != listing.price.currency) {
            return Err(Refusal::CurrencyMismatch);
        }
        let (name, price) = (listing.name.clone(), listing.price);
        if let Some(line) = self.line(product) {
            let quantity = line.quantity.plus(quantity)?;
            *line = Line { product, name, price, quantity, added_at: line.added_at };
        } else if self.lines.len() < MAX_LINES {
            self.lines.push(Line { product, name, price, quantity, added_at: now });
        } else {
            return Err(Refusal::Full);
        }
        Ok(())
    }

    /// Takes units out; a line without any is no line.
    fn take(&mut self, product: ProductId, units: types::Quantity) {
        self.lines.retain_mut(|line| {
            if line.product != product {
                return true;
            }
            match line.quantity.without(units) {
                Some(rest) => {
                    line.quantity = rest;
                    true
                }
                None => false,
            }
        });
    }
}
