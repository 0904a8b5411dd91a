//! What the unit tests have in common.

use proto::events::{CheckoutCompleted, Item};
use types::{Address, AddressParts, CheckoutId, Currency, Money, ProductId, Quantity, Timestamp, UserId};
use uuid::Uuid;

/// The event of the `number`th checkout: `user` bought two laptops and a mouse.
pub(crate) fn completed(number: u128, user: i64) -> CheckoutCompleted {
    let checkout_id = CheckoutId(Uuid::from_u128(number));
    CheckoutCompleted {
        checkout_id,
        order_id: checkout_id.order_id(),
        user_id: UserId::try_from(user).unwrap(),
        items: vec![item(1, "Laptop", 2, 129_999), item(2, "Mouse", 1, 2_999)],
        total: Money::new(129_999 * 2 + 2_999, Currency::USD),
        shipping_address: Some(address()),
        cart_version: 3,
        completed_at: Timestamp::from_micros(1_763_842_530_000_000),
    }
}

fn item(product: i64, name: &str, quantity: i64, price: i64) -> Item {
    Item {
        product_id: ProductId::try_from(product).unwrap(),
        product_name: name.to_owned(),
        quantity: Quantity::try_from(quantity).unwrap(),
        unit_price: Money::new(price, Currency::USD),
        line_total: Money::new(price * quantity, Currency::USD),
    }
}

fn address() -> Address {
    let parts = AddressParts {
        name: "Ada Lovelace".into(),
        line1: "1 Analytical Way".into(),
        line2: Some("Attic".into()),
        city: "London".into(),
        postal_code: "N1".into(),
        country: "GB".into(),
    };
    parts.try_into().unwrap()
}
