//! Which bodies are good, as a derived reader has it.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use types::{Address, Money, Quantity};

/// A derived reader takes an array for an object, too, with the fields in their order.
fn read<T: DeserializeOwned>(bytes: &[u8], objects: &[&str]) -> Option<T> {
    let all: Value = serde_json::from_slice(bytes).ok()?;
    let arrays = !all.is_object() || objects.iter().any(|name| all[name].is_array());
    serde_json::from_slice(bytes).ok().filter(|_| !arrays)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is all that is asked")]
struct Item {
    product_id: i64,
    quantity: i64,
}

pub(super) fn item(bytes: &[u8]) -> bool {
    read::<Item>(bytes, &[]).is_some()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is all that is asked")]
struct Quantities {
    quantity: i64,
}

pub(super) fn quantity(bytes: &[u8]) -> bool {
    read::<Quantities>(bytes, &[]).is_some()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is all that is asked")]
struct Checkout {
    idempotency_key: Option<String>,
    payment_method: Option<String>,
    shipping_address: Option<Address>,
    expected_total: Option<Money>,
}

pub(super) fn checkout(bytes: &[u8]) -> bool {
    read::<Checkout>(bytes, &["shipping_address", "expected_total"]).is_some()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is all that is asked")]
struct OnHand {
    on_hand: i64,
}

pub(super) fn on_hand(bytes: &[u8]) -> bool {
    read::<OnHand>(bytes, &[]).is_some()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    status: String,
}

pub(super) fn step(bytes: &[u8]) -> bool {
    let known = ["CONFIRMED", "PROCESSING", "SHIPPED", "DELIVERED", "CANCELLING", "CANCELLED"];
    read(bytes, &[]).is_some_and(|Step { status }| known.contains(&status.as_str()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is all that is asked of most")]
struct NewProduct {
    name: String,
    description: Option<String>,
    category: String,
    price: Money,
    image_url: Option<String>,
    initial_stock: Option<i64>,
}

pub(super) fn new_product(bytes: &[u8]) -> bool {
    read(bytes, &["price"]).is_some_and(|NewProduct { initial_stock, .. }| {
        initial_stock.is_none_or(|stock| (0..=Quantity::MAX).contains(&stock))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is all that is asked")]
struct WholeProduct {
    name: String,
    description: String,
    category: String,
    price: Money,
    image_url: String,
}

pub(super) fn whole_product(bytes: &[u8]) -> bool {
    read::<WholeProduct>(bytes, &["price"]).is_some()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    user_id: i64,
    role: Option<String>,
}

pub(super) fn token(bytes: &[u8]) -> bool {
    read(bytes, &[]).is_some_and(|Token { user_id, role }| {
        user_id > 0 && role.is_none_or(|role| ["user", "admin"].contains(&role.as_str()))
    })
}
