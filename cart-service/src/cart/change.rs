//! What can be done to a cart, decided without doing it.

use std::collections::BTreeSet;

use types::{ProductId, Timestamp, UserId};

use super::{Cart, LineQuantity, Purchase, Refusal};
use crate::catalogue::Listings;

/// Something done to a cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Units are added, to those that are there.
    Add {
        /// Of which product.
        product: ProductId,
        /// How many.
        quantity: LineQuantity,
    },
    /// A line gets another quantity.
    SetQuantity {
        /// Of which product.
        product: ProductId,
        /// How many from now on.
        quantity: LineQuantity,
    },
    /// A line is removed, if it is there.
    Remove {
        /// Of which product.
        product: ProductId,
    },
    /// All lines are removed.
    Clear,
    /// What was bought is taken out.
    TakeOut(Purchase),
}

/// What a [`Change`] makes of a cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There is nothing to change, so there is no new version.
    Unchanged(Option<Cart>),
    /// The cart is to be stored in place of what was found.
    Changed(Cart),
}

impl Outcome {
    /// The cart afterwards; `None` where there is none.
    pub(crate) fn cart(&self) -> Option<&Cart> {
        match self {
            Self::Unchanged(cart) => cart.as_ref(),
            Self::Changed(cart) => Some(cart),
        }
    }
}

impl Change {
    /// The products that the catalogue has to be asked for, to decide and to show what comes out.
    pub(crate) fn needs(&self, found: Option<&Cart>, now: Timestamp) -> BTreeSet<ProductId> {
        let lines = Cart::alive(found, now).into_iter().flat_map(Cart::products);
        match self {
            Self::Add { product, .. } => lines.chain([*product]).collect(),
            Self::SetQuantity { .. } => lines.collect(),
            Self::Remove { product } => lines.filter(|line| line != product).collect(),
            Self::Clear | Self::TakeOut(_) => BTreeSet::new(),
        }
    }

    /// What becomes of `found`, the stored cart of `user`. An expired one counts as none.
    ///
    /// # Errors
    /// A [`Refusal`]; the cart stays as it was.
    pub(crate) fn apply(
        &self,
        user: UserId,
        found: Option<&Cart>,
        listings: &Listings,
        now: Timestamp,
    ) -> Result<Outcome, Refusal> {
        let alive = Cart::alive(found, now);
        let unchanged = || Ok(Outcome::Unchanged(alive.cloned()));
        let mut cart = match alive {
            Some(cart) => cart.clone(),
            None => Cart::begin(user, found, now),
        };
        match self {
            Self::Add { product, quantity } => {
                let listing = listings.find(*product).ok_or(Refusal::ProductNotFound(*product))?;
                cart.add(*product, *quantity, listing, now)?;
            }
            Self::SetQuantity { product, quantity } => {
                let line = cart.line(*product).ok_or(Refusal::NotInCart(*product))?;
                if line.quantity == *quantity {
                    return unchanged();
                }
                line.quantity = *quantity;
            }
            Self::Remove { product } => {
                if cart.line(*product).is_none() {
                    return unchanged();
                }
                cart.lines.retain(|line| line.product != *product);
            }
            Self::Clear => {
                if cart.lines.is_empty() {
                    return unchanged();
                }
                cart.lines.clear();
            }
            Self::TakeOut(purchase) => {
                // A user without a cart needs no mark: the next cart begins above every version that could
                // have been bought, so that this purchase is already a past one to it.
                if alive.is_none() || cart.purchases.has(purchase.taken) {
                    return unchanged();
                }
                for (product, units) in &purchase.items {
                    cart.take(*product, *units);
                }
                cart.purchases.note(purchase.taken);
            }
        }
        cart.version = cart.version.next();
        cart.updated_at = now;
        Ok(Outcome::Changed(cart))
    }
}
