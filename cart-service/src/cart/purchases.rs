//! Which purchases have been taken out of a cart.
//!
//! A purchase must be taken out exactly once, however often and in whatever order its event arrives. The
//! mark of having done so is a part of the cart and is stored with the lines, so that there is no moment at
//! which only one of the two is there. The last [`REMEMBERED`] checkouts are known by their id. Of older ones
//! only the highest version is kept, the `floor`: whatever is not above it counts as taken out. That loses
//! nothing, since checkout sells a version only once all lower ones that it sold are taken out, so that
//! purchases come with growing versions; the ids add that even if [`REMEMBERED`] of them came in any order,
//! each would count once.
//!
//! A new cart begins with its floor just below its first version, hence with every purchase of an earlier
//! cart of the user behind it.

use proto::events::CheckoutCompleted;
use types::{CheckoutId, ProductId, Quantity, UserId};

use super::Version;

/// How many checkouts are known by their id.
const REMEMBERED: usize = 100;

/// A checkout, and the version of the cart that it bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The checkout.
    pub checkout: CheckoutId,
    /// What it bought.
    pub version: Version,
}

/// The purchases that a cart has behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchases {
    /// Every purchase up to this version is behind it.
    pub floor: Version,
    /// Purchases above the floor that are behind it too, in the order in which they were taken out.
    pub recent: Vec<Taken>,
}

impl Purchases {
    /// All up to a version.
    pub(super) fn since(floor: Version) -> Self {
        Self { floor, recent: Vec::new() }
    }

    /// The highest version whose purchase has been taken out.
    pub fn bought_version(&self) -> Version {
        self.recent.iter().map(|taken| taken.version).fold(self.floor, Version::max)
    }

    pub(super) fn has(&self, purchase: Taken) -> bool {
        purchase.version <= self.floor || self.recent.iter().any(|taken| taken.checkout == purchase.checkout)
    }

    pub(super) fn note(&mut self, purchase: Taken) {
        self.recent.push(purchase);
        if self.recent.len() > REMEMBERED
            && let Some(lowest) = self.recent.iter().map(|taken| taken.version).min()
        {
            self.floor = lowest;
            self.recent.retain(|taken| taken.version > lowest);
        }
    }
}

/// What a user bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Purchase {
    /// Who bought.
    pub(crate) user: UserId,
    /// The checkout, and the version of the cart that was bought.
    pub(crate) taken: Taken,
    /// The units of each product.
    pub(crate) items: Vec<(ProductId, Quantity)>,
}

impl From<CheckoutCompleted> for Purchase {
    fn from(event: CheckoutCompleted) -> Self {
        Self {
            user: event.user_id,
            taken: Taken { checkout: event.checkout_id, version: Version(event.cart_version) },
            items: event.items.into_iter().map(|item| (item.product_id, item.quantity)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn taken(version: i64) -> Taken {
        Taken {
            checkout: CheckoutId(Uuid::from_u128(version.unsigned_abs().into())),
            version: Version(version),
        }
    }

    #[test]
    fn memory_is_bounded_and_forgets_nothing_that_can_come_back() {
        let mut purchases = Purchases::since(Version(10));
        assert_eq!(purchases.bought_version(), Version(10));
        for version in 11..=1000 {
            assert!(!purchases.has(taken(version)));
            purchases.note(taken(version));
            assert!(purchases.recent.len() <= REMEMBERED);
        }
        assert_eq!((purchases.floor, purchases.bought_version()), (Version(900), Version(1000)));
        for version in 1..=1000 {
            assert!(purchases.has(taken(version)), "{version}");
        }
    }

    proptest! {
        #[test]
        fn each_counts_once_in_any_order(versions in prop::collection::vec(11_i64..=10 + 100, 0..400)) {
            let mut purchases = Purchases::since(Version(10));
            let mut counted = Vec::new();
            for version in &versions {
                if !purchases.has(taken(*version)) {
                    purchases.note(taken(*version));
                    counted.push(*version);
                }
            }
            let distinct: BTreeSet<i64> = versions.iter().copied().collect();
            prop_assert_eq!(&counted.iter().copied().collect::<BTreeSet<i64>>(), &distinct);
            prop_assert_eq!(counted.len(), distinct.len());
            prop_assert_eq!(purchases.bought_version().0, distinct.last().copied().unwrap_or(10));
        }
    }
}
