//! The whole catalogue in memory, as of one moment, ready-sorted.

mod query;
mod text;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use types::{PageSize, ProductId};

use crate::product::Product;
pub use query::{Filter, InvalidFilter, Position, PriceRange, Sort, Start};
use text::Folded;

/// Every product as of one moment. A change makes a new catalogue that shares the products with the old
/// one, so that readers go on with theirs undisturbed.
#[derive(Debug, Clone)]
pub struct Catalogue {
    by_id: BTreeMap<ProductId, Arc<Entry>>,
    /// The sum of what each product counts for.
    sum: u64,
    orders: [Order; Sort::ALL.len()],
}

/// A part of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Page<'a> {
    /// In the order asked for.
    pub products: Vec<&'a Product>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Position>,
}

/// A product with what is looked for in it.
#[derive(Debug)]
struct Entry {
    product: Product,
    name: Folded,
    description: Folded,
}

/// Every product, in one order.
#[derive(Debug, Clone)]
struct Order {
    sort: Sort,
    entries: Vec<Arc<Entry>>,
}

impl Catalogue {
    /// Tells catalogues apart without comparing them: the same products, each in the same version, have the same
    /// state, in every instance; others have the same by a chance of one in 2^64. Never 0.
    pub fn state(&self) -> u64 {
        self.sum.max(1)
    }

    /// The product with this id.
    pub fn product(&self, id: ProductId) -> Option<&Product> {
        self.by_id.get(&id).map(|entry| &entry.product)
    }

    /// Up to `size` products that the filter lets through, from `start` on. Following [`Page::next`] shows
    /// each product once that is there, and matches, from the first page to the last, whatever is added or
    /// removed in between.
    pub fn page(&self, filter: &Filter, start: &Start, size: PageSize) -> Page<'_> {
        let order = self.orders.iter().find(|order| order.sort == start.sort());
        let mut found = order
            .map_or(&[][..], |order| order.beginning_at(start))
            .iter()
            .filter(|entry| filter.lets_through(entry))
            .peekable();
        let page: Vec<&Arc<Entry>> = found.by_ref().take(size.get()).collect();
        let more = found.peek().is_some();
        Page {
            next: page.last().filter(|_| more).map(|entry| Position::of(entry, start.sort())),
            products: page.into_iter().map(|entry| &entry.product).collect(),
        }
    }

    /// This catalogue with the product in its new state, or added to it.
    #[must_use]
    pub fn with(&self, product: Product) -> Self {
        let mut next = self.without(product.id);
        let entry = Arc::new(Entry::from(product));
        for order in &mut next.orders {
            order.insert(entry.clone());
        }
        next.sum = next.sum.wrapping_add(entry.mark());
        next.by_id.insert(entry.product.id, entry);
        next
    }

    /// This catalogue without a product.
    #[must_use]
    pub fn without(&self, id: ProductId) -> Self {
        let mut next = self.clone();
        if let Some(entry) = next.by_id.remove(&id) {
            next.sum = next.sum.wrapping_sub(entry.mark());
            for order in &mut next.orders {
                order.entries.retain(|entry| entry.product.id != id);
            }
        }
        next
    }
}

impl FromIterator<Product> for Catalogue {
    fn from_iter<I: IntoIterator<Item = Product>>(products: I) -> Self {
        let entries: Vec<_> = products.into_iter().map(|product| Arc::new(Entry::from(product))).collect();
        let orders = Sort::ALL.map(|sort| {
            let mut entries = entries.clone();
            entries.sort_by_cached_key(|entry| Position::of(entry, sort));
            Order { sort, entries }
        });
        let sum = entries.iter().fold(0_u64, |sum, entry| sum.wrapping_add(entry.mark()));
        Self { by_id: entries.into_iter().map(|entry| (entry.product.id, entry)).collect(), sum, orders }
    }
}

impl Entry {
    /// What it counts for in the state of a catalogue. The time tells a version from the same one of a store that was
    /// put back to an earlier day.
    fn mark(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.product.id, self.product.version, self.product.updated_at.micros()).hash(&mut hasher);
        hasher.finish()
    }
}

impl From<Product> for Entry {
    fn from(product: Product) -> Self {
        let parts = product.details.parts();
        Self { name: Folded::from(&*parts.name), description: Folded::from(&*parts.description), product }
    }
}

impl Order {
    fn beginning_at(&self, start: &Start) -> &[Arc<Entry>] {
        match start {
            Start::First(_) => &self.entries,
            Start::After(last) => {
                let seen = self.entries.partition_point(|entry| Position::of(entry, self.sort) <= *last);
                self.entries.get(seen..).unwrap_or_default()
            }
        }
    }

    fn insert(&mut self, entry: Arc<Entry>) {
        let position = Position::of(&entry, self.sort);
        let at = self.entries.partition_point(|other| Position::of(other, self.sort) < position);
        self.entries.insert(at, entry);
    }
}

#[cfg(test)]
mod tests;
