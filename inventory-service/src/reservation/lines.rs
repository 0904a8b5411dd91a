//! What a reservation asks for.

use std::collections::BTreeMap;

use types::{InvalidQuantity, ProductId, Quantity};

use crate::stock::Available;

/// Units by product, in the order of the products.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lines(BTreeMap<ProductId, Quantity>);

impl Lines {
    /// Adds to what is asked for of a product, unless the sum is more than [`Quantity::MAX`].
    pub fn add(&mut self, product_id: ProductId, quantity: Quantity) -> Result<(), InvalidQuantity> {
        let sum = match self.0.get(&product_id) {
            Some(before) => before.checked_add(quantity)?,
            None => quantity,
        };
        self.0.insert(product_id, sum);
        Ok(())
    }

    /// Each product once, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (ProductId, Quantity)> {
        self.0.iter().map(|(&product_id, &quantity)| (product_id, quantity))
    }

    /// How many products.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Nothing is asked for: a tombstone.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The products of which there is not enough.
    pub(super) fn lacking(&self, available: &Available) -> Vec<ProductId> {
        self.iter()
            .filter(|(product_id, quantity)| available.get(product_id).copied().unwrap_or(0) < quantity.get())
            .map(|(product_id, _)| product_id)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(quantity: i64) -> Quantity {
        Quantity::try_from(quantity).unwrap()
    }

    #[test]
    fn are_summed_by_product_and_in_its_order() {
        let [one, two] = [1, 2].map(|id| ProductId::try_from(id).unwrap());
        let mut lines = Lines::default();
        assert!(lines.is_empty());
        for (product_id, quantity) in [(two, 1), (one, 4), (two, 2)] {
            lines.add(product_id, units(quantity)).unwrap();
        }
        assert_eq!(lines.iter().collect::<Vec<_>>(), [(one, units(4)), (two, units(3))]);
        assert_eq!(lines.lacking(&[(one, 4), (two, 2)].into()), [two]);
        assert_eq!(lines.lacking(&[(two, 3)].into()), [one]);
    }

    #[test]
    fn never_overflow() {
        let mut lines = Lines::default();
        let product_id = ProductId::try_from(1).unwrap();
        lines.add(product_id, units(Quantity::MAX)).unwrap();
        assert_eq!(lines.add(product_id, units(1)), Err(InvalidQuantity));
        assert_eq!(lines.iter().collect::<Vec<_>>(), [(product_id, units(Quantity::MAX))]);
    }
}
