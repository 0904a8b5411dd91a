//! What a reader asks for: which products, in which order, from where on.

use std::cmp::Reverse;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use types::{Currency, Money, ProductId};

use super::Entry;
use super::text::Folded;
use crate::product::composed;

/// The order of a list. The id decides between products that are equal otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// By id.
    Id,
    /// By name, without regard to case.
    Name,
    /// The cheapest first. Amounts of different currencies can't be compared: each currency is a list of its
    /// own, one after the other.
    Price,
    /// The dearest first, each currency by itself.
    PriceDescending,
    /// The last one added first.
    Newest,
}

impl Sort {
    /// Every order.
    pub const ALL: [Self; 5] = [Self::Id, Self::Name, Self::Price, Self::PriceDescending, Self::Newest];
}

/// The place of a product in an order, and the cursor of a page: it says the order, and everything that
/// decides in it, so that it stays meaningful when the product has changed or is gone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// In [`Sort::Id`].
    Id(ProductId),
    /// In [`Sort::Name`].
    Name(Folded, ProductId),
    /// In [`Sort::Price`].
    Price(Currency, i64, ProductId),
    /// In [`Sort::PriceDescending`].
    PriceDescending(Currency, Reverse<i64>, ProductId),
    /// In [`Sort::Newest`], by microseconds: [`types::Timestamp`] keeps no more than milliseconds as text.
    Newest(Reverse<i64>, Reverse<ProductId>),
}

impl Position {
    pub(super) fn of(entry: &Entry, sort: Sort) -> Self {
        let id = entry.product.id;
        let price = entry.product.details.parts().price;
        match sort {
            Sort::Id => Self::Id(id),
            Sort::Name => Self::Name(entry.name.clone(), id),
            Sort::Price => Self::Price(price.currency, price.minor, id),
            Sort::PriceDescending => Self::PriceDescending(price.currency, Reverse(price.minor), id),
            Sort::Newest => Self::Newest(Reverse(entry.product.created_at.micros()), Reverse(id)),
        }
    }

    /// The order that this is a place in.
    pub fn sort(&self) -> Sort {
        match self {
            Self::Id(..) => Sort::Id,
            Self::Name(..) => Sort::Name,
            Self::Price(..) => Sort::Price,
            Self::PriceDescending(..) => Sort::PriceDescending,
            Self::Newest(..) => Sort::Newest,
        }
    }
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At the beginning of an order.
    First(Sort),
    /// Behind a place.
    After(Position),
}

impl Start {
    /// The order of the page.
    pub fn sort(&self) -> Sort {
        match self {
            Self::First(sort) => *sort,
            Self::After(position) => position.sort(),
        }
    }
}

/// A filter that can't be used, and what the field must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct InvalidFilter {
    /// The field's name on the wire.
    pub field: &'static str,
    /// What it must be.
    pub message: &'static str,
}

/// Which products to show; the default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    text: Option<Folded>,
    category: Option<String>,
    prices: Option<PriceRange>,
}

impl Filter {
    /// The longest text that is looked for, in characters: that of a name.
    pub const MAX_TEXT: usize = 200;

    /// Products that have `text` in their name or description, in any case. Blank text is in every product.
    ///
    /// # Errors
    /// When the text is longer than [`Filter::MAX_TEXT`].
    pub fn containing(mut self, text: &str) -> Result<Self, InvalidFilter> {
        let text = text.trim();
        if text.chars().nth(Self::MAX_TEXT).is_some() {
            return Err(InvalidFilter { field: "query", message: "must be at most 200 characters" });
        }
        self.text = Some(text).filter(|text| !text.is_empty()).map(|text| Folded::from(&*composed(text)));
        Ok(self)
    }

    /// Products of exactly this category; blank text stands for all.
    #[must_use]
    pub fn of_category(mut self, category: &str) -> Self {
        self.category = Some(category.trim())
            .filter(|category| !category.is_empty())
            .map(|category| composed(category).into_owned());
        self
    }

    /// Products whose price is in a range.
    #[must_use]
    pub fn priced(mut self, prices: Option<PriceRange>) -> Self {
        self.prices = prices;
        self
    }

    pub(super) fn lets_through(&self, entry: &Entry) -> bool {
        let Self { text, category, prices } = self;
        let parts = entry.product.details.parts();
        category.as_ref().is_none_or(|category| *category == parts.category)
            && prices.as_ref().is_none_or(|prices| prices.contains(parts.price))
            && text.as_ref().is_none_or(|text| entry.name.contains(text) || entry.description.contains(text))
    }
}

/// Prices of one currency, both ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRange {
    currency: Currency,
    minor: RangeInclusive<i64>,
}

impl PriceRange {
    /// The range between two ends, either of which may be open; `None` when both are.
    ///
    /// # Errors
    /// When an end is negative, the ends differ in currency, or the range is upside down.
    pub fn between(lowest: Option<Money>, highest: Option<Money>) -> Result<Option<Self>, InvalidFilter> {
        for (field, end) in [("min_price", lowest), ("max_price", highest)] {
            if end.is_some_and(|end| end.minor < 0) {
                return Err(InvalidFilter { field, message: "must not be negative" });
            }
        }
        let (currency, minor) = match (lowest, highest) {
            (None, None) => return Ok(None),
            (Some(lowest), None) => (lowest.currency, lowest.minor..=i64::MAX),
            (None, Some(highest)) => (highest.currency, 0..=highest.minor),
            (Some(lowest), Some(highest)) if lowest.currency != highest.currency => {
                return Err(InvalidFilter {
                    field: "max_price",
                    message: "must be in the currency of min_price",
                });
            }
            (Some(lowest), Some(highest)) if lowest.minor > highest.minor => {
                return Err(InvalidFilter { field: "max_price", message: "must not be below min_price" });
            }
            (Some(lowest), Some(highest)) => (lowest.currency, lowest.minor..=highest.minor),
        };
        Ok(Some(Self { currency, minor }))
    }

    pub(super) fn contains(&self, price: Money) -> bool {
        price.currency == self.currency && self.minor.contains(&price.minor)
    }
}
