//! Values for the tests of this crate.

use types::{CheckoutId, Currency, Money, ProductId, Quantity, Timestamp, UserId};
use uuid::Uuid;

use crate::cart::{Cart, Line, LineQuantity, Purchase, Purchases, Taken, Version};
use crate::catalogue::{Listing, Listings};

/// 2025-11-22T20:15:30Z, where the clock of the tests begins too.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros(1_763_842_530_000_000)
}

pub(crate) fn user(id: i64) -> UserId {
    UserId::try_from(id).unwrap()
}

pub(crate) fn product(id: i64) -> ProductId {
    ProductId::try_from(id).unwrap()
}

pub(crate) fn units(number: i64) -> LineQuantity {
    LineQuantity::try_from(number).unwrap()
}

pub(crate) fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD)
}

pub(crate) fn listing(id: i64, price: Money) -> (ProductId, Option<Listing>) {
    (product(id), Some(Listing { name: format!("product {id}"), price }))
}

/// A catalogue of products 1 to 200; product n costs n dollars.
pub(crate) fn listings() -> Listings {
    (1..=200).map(|id| listing(id, usd(id * 100))).collect()
}

/// A cart with these products and quantities, never bought from.
pub(crate) fn cart(owner: i64, lines: &[(i64, i64)]) -> Cart {
    let line = |(id, quantity): &(i64, i64)| Line {
        product: product(*id),
        name: format!("product {id}"),
        price: usd(id * 100),
        quantity: units(*quantity),
        added_at: now(),
    };
    let version = Version(now().micros() / 1000);
    Cart {
        user: user(owner),
        version,
        lines: lines.iter().map(line).collect(),
        purchases: Purchases { floor: Version(version.0 - 1), recent: Vec::new() },
        updated_at: now(),
    }
}

pub(crate) fn taken(checkout: u128, version: Version) -> Taken {
    Taken { checkout: CheckoutId(Uuid::from_u128(checkout)), version }
}

pub(crate) fn purchase(taken: Taken, items: &[(i64, i64)]) -> Purchase {
    let item = |(id, quantity): &(i64, i64)| (product(*id), Quantity::try_from(*quantity).unwrap());
    Purchase { user: user(1), taken, items: items.iter().map(item).collect() }
}
