//! Between the wire and [`types`]. Whatever comes in is checked here, once, and the field that can't be
//! used is named.

use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use types::{
    Address, AddressParts, Currency, InvalidId, Money, PageSize, PageToken, ProductId, Quantity, Timestamp,
    UserId,
};

use crate::common;
use crate::status::{Invalid, Reason};

impl From<Money> for common::Money {
    fn from(money: Money) -> Self {
        Self { currency_code: money.currency.code().to_owned(), minor_units: money.minor }
    }
}

impl From<Address> for common::Address {
    fn from(address: Address) -> Self {
        let parts = AddressParts::from(address);
        Self {
            name: parts.name,
            line1: parts.line1,
            line2: parts.line2.unwrap_or_default(),
            city: parts.city,
            postal_code: parts.postal_code,
            country: parts.country,
        }
    }
}

/// An amount that must be there.
pub fn money(field: &str, money: Option<common::Money>) -> Result<Money, Invalid> {
    let money = money.ok_or_else(|| Invalid::new(field, "is required"))?;
    let currency: Currency =
        money.currency_code.parse().map_err(|error| Invalid::new(format!("{field}.currency_code"), error))?;
    Ok(Money::new(money.minor_units, currency))
}

/// An address that may be absent.
pub fn address(field: &str, address: Option<common::Address>) -> Result<Option<Address>, Invalid> {
    let Some(address) = address else { return Ok(None) };
    let parts = AddressParts {
        name: address.name,
        line1: address.line1,
        line2: Some(address.line2).filter(|line| !line.is_empty()),
        city: address.city,
        postal_code: address.postal_code,
        country: address.country,
    };
    let invalid =
        |error: types::InvalidAddress| Invalid::new(format!("{field}.{}", error.field), error.message);
    Address::try_from(parts).map(Some).map_err(invalid)
}

/// A moment, for the wire.
pub fn timestamp(moment: Timestamp) -> prost_types::Timestamp {
    let micros = moment.micros();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1000).unwrap_or(0);
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

/// A moment, off the wire; `None` where it is absent.
pub fn moment(timestamp: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    let timestamp = timestamp?;
    let micros =
        timestamp.seconds.saturating_mul(1_000_000).saturating_add(i64::from(timestamp.nanos) / 1000);
    Some(Timestamp::from_micros(micros))
}

/// A product id; refused with [`Reason::InvalidProductId`].
pub fn product_id(field: &str, id: i64) -> Result<ProductId, Invalid> {
    ProductId::try_from(id).map_err(|error| Invalid::new(field, error).because(Reason::InvalidProductId))
}

/// A user id.
pub fn user_id(field: &str, id: i64) -> Result<UserId, Invalid> {
    UserId::try_from(id).map_err(|error| Invalid::new(field, error))
}

/// A user id where 0, what an absent field reads as, stands for anyone.
pub fn any_user_id(field: &str, id: i64) -> Result<Option<UserId>, Invalid> {
    if id == 0 { Ok(None) } else { user_id(field, id).map(Some) }
}

/// A UUID id: `parse::<CheckoutId>("checkout_id", text)`.
pub fn parse<I: FromStr<Err = InvalidId>>(field: &str, text: &str) -> Result<I, Invalid> {
    text.parse().map_err(|error| Invalid::new(field, error))
}

/// A quantity; refused with [`Reason::InvalidQuantity`].
pub fn quantity(field: &str, quantity: i64) -> Result<Quantity, Invalid> {
    Quantity::try_from(quantity).map_err(|error| Invalid::new(field, error).because(Reason::InvalidQuantity))
}

/// The field `page_size`.
pub fn page_size(size: i32) -> Result<PageSize, Invalid> {
    PageSize::try_from(size).map_err(|error| Invalid::new("page_size", error))
}

/// The cursor in the field `page_token`; `None` for the first page.
pub fn page_token<C: Serialize + DeserializeOwned>(token: &str) -> Result<Option<C>, Invalid> {
    PageToken::open(token).map_err(|error| Invalid::new("page_token", error))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    proptest! {
        #[test]
        fn moments_survive_the_wire(micros in -62_167_219_200_000_000_i64..253_402_300_799_999_999) {
            let there = Timestamp::from_micros(micros);
            prop_assert_eq!(moment(Some(timestamp(there))), Some(there));
        }
    }

    #[test]
    fn fields_are_named() {
        let unknown = common::Money { currency_code: "usd".into(), minor_units: 1 };
        assert_eq!(
            money("price", Some(unknown)).unwrap_err().to_string(),
            "price.currency_code must be an ISO 4217 currency code such as USD"
        );
        assert_eq!(money("price", None).unwrap_err().to_string(), "price is required");
        assert_eq!(
            product_id("product_id", 0).unwrap_err().to_string(),
            "product_id must be a positive integer"
        );
        assert_eq!(any_user_id("user_id", 0), Ok(None));
        assert!(any_user_id("user_id", -1).is_err());
    }

    /// What nobody knows is skipped, and what is skipped may hold more of its kind.
    #[test]
    fn b2_messages_do_not_nest_for_ever() {
        let nested = |levels: usize| {
            let (begin, end) = (0x7b, 0x7c); // a group of field 15
            [vec![begin; levels], vec![end; levels]].concat()
        };
        assert!(common::Money::decode(nested(50).as_slice()).is_ok());
        assert!(common::Money::decode(nested(101).as_slice()).is_err());
        assert!(common::Money::decode(nested(100_000).as_slice()).is_err());
    }
}
