//! The part of a cart that no statement looks into, as it is written: JSON in an SQLite file and in Redis, BSON in
//! MongoDB.
//!
//! Fields are only ever added, each with a default: a cart lives for up to 90 days without being rewritten.

use serde::{Deserialize, Serialize};
use types::{CheckoutId, Currency, InvalidMoney, Money, ProductId, Timestamp};

use crate::cart::{Cart, InvalidQuantity, Line, LineQuantity, Purchases, Taken, Version};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Document {
    lines: Vec<LineDocument>,
    purchases_floor: i64,
    purchases: Vec<TakenDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LineDocument {
    product_id: ProductId,
    name: String,
    price_minor: i64,
    price_currency: String,
    quantity: i64,
    /// Microseconds since the epoch.
    added_at: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct TakenDocument {
    /// As text also where BSON would have bytes: so it is found as it stands in the logs.
    #[serde(with = "text")]
    checkout_id: CheckoutId,
    version: i64,
}

/// Why what is on disk is no cart.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("a stored cart is not the expected JSON")]
    Json(#[from] serde_json::Error),
    #[error("a stored quantity is out of bounds")]
    Quantity(#[from] InvalidQuantity),
    #[error("a stored price is no money")]
    Price(#[from] InvalidMoney),
    #[error("a stored user is no user id")]
    User(#[from] types::InvalidId),
    #[error("a stored cart was written by a newer version")]
    Newer,
}

impl From<&Cart> for Document {
    fn from(cart: &Cart) -> Self {
        let line = |line: &Line| LineDocument {
            product_id: line.product,
            name: line.name.clone(),
            price_minor: line.price.minor,
            price_currency: line.price.currency.code().to_owned(),
            quantity: line.quantity.get(),
            added_at: line.added_at.micros(),
        };
        let taken = |taken: &Taken| TakenDocument { checkout_id: taken.checkout, version: taken.version.0 };
        Self {
            lines: cart.lines.iter().map(line).collect(),
            purchases_floor: cart.purchases.floor.0,
            purchases: cart.purchases.recent.iter().map(taken).collect(),
        }
    }
}

impl Document {
    pub(crate) fn into_parts(self) -> Result<(Vec<Line>, Purchases), Unreadable> {
        let taken =
            |taken: TakenDocument| Taken { checkout: taken.checkout_id, version: Version(taken.version) };
        let purchases = Purchases {
            floor: Version(self.purchases_floor),
            recent: self.purchases.into_iter().map(taken).collect(),
        };
        let lines: Result<_, _> = self.lines.into_iter().map(Line::try_from).collect();
        Ok((lines?, purchases))
    }
}

impl TryFrom<LineDocument> for Line {
    type Error = Unreadable;

    fn try_from(line: LineDocument) -> Result<Self, Unreadable> {
        let currency: Currency = line.price_currency.parse()?;
        Ok(Self {
            product: line.product_id,
            name: line.name,
            price: Money::new(line.price_minor, currency),
            quantity: LineQuantity::try_from(line.quantity)?,
            added_at: Timestamp::from_micros(line.added_at),
        })
    }
}

mod text {
    use serde::{Deserialize as _, Deserializer, Serializer, de};
    use types::CheckoutId;

    pub(super) fn serialize<S: Serializer>(id: &CheckoutId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CheckoutId, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
