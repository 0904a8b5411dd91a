//! Identities. Numbers where people type them, UUIDs where programs make them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text or number that is no id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be {0}")]
pub struct InvalidId(&'static str);

/// A positive number that identifies a `$name`.
macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $name(i64);

        impl $name {
            /// The id as a number, always positive.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = InvalidId;

            fn try_from(value: i64) -> Result<Self, InvalidId> {
                if value > 0 { Ok(Self(value)) } else { Err(InvalidId("a positive integer")) }
            }
        }

        impl From<$name> for i64 {
            fn from(id: $name) -> i64 {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

/// A UUID that identifies a `$name`; its text is lower case with hyphens.
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl FromStr for $name {
            type Err = InvalidId;

            /// Reads the hyphenated form only: one id has one text.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                const WANTED: InvalidId = InvalidId("a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057");
                if text.len() != 36 {
                    return Err(WANTED);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| WANTED)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

numeric_id!(
    /// A product of the catalogue.
    ProductId
);
numeric_id!(
    /// A person who buys.
    UserId
);
uuid_id!(
    /// One attempt to buy a cart, and the idempotency key of all its steps.
    CheckoutId
);
uuid_id!(
    /// What a completed checkout became.
    OrderId
);
uuid_id!(
    /// A payment, one per checkout.
    PaymentId
);
uuid_id!(
    /// A hold on stock; its id is chosen by who reserves.
    ReservationId
);

impl CheckoutId {
    /// The order that this checkout becomes: UUIDv5 of the checkout id, so that whoever makes the
    /// order, and however often, makes the same one.
    pub fn order_id(self) -> OrderId {
        OrderId(Uuid::new_v5(&self.0, b"order"))
    }
}

impl From<CheckoutId> for ReservationId {
    /// A checkout holds stock under its own id.
    fn from(id: CheckoutId) -> Self {
        Self(id.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_ids_are_positive() {
        assert_eq!(ProductId::try_from(1).map(ProductId::get), Ok(1));
        for bad in [0, -1, i64::MIN] {
            assert!(UserId::try_from(bad).is_err());
        }
    }

    #[test]
    fn uuid_ids_have_one_text() {
        let text = "01890a5d-ac96-774b-bcce-b302099a8057";
        let id: CheckoutId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        for bad in ["", "1", "01890a5dac96774bbcceb302099a8057", "{01890a5d-ac96-774b-bcce-b302099a8057}"] {
            assert!(bad.parse::<CheckoutId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_order_id_follows_from_its_checkout() {
        let id: CheckoutId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(id.order_id(), id.order_id());
        assert_ne!(id.order_id().0, id.0);
    }
}
