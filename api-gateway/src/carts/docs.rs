//! `/api/v1/cart`, described.

use http::StatusCode;
use serde_json::{Value, json};

use super::Cart;
use crate::openapi::Operation;
use crate::openapi::schemas::{Fields, integer, product_id};

const TAG: &str = "Cart";
/// Headers of a cart that was changed.
const CHANGED: [&str; 2] = ["Content-Location", "ETag"];

pub(crate) fn show() -> Operation {
    Operation::new(TAG, "getCart", "What is in your cart")
        .says("Whoever never put anything into it has an empty one.")
        .honours_if_none_match()
        .replies::<Cart>(StatusCode::OK, "Your cart", &["ETag", "Vary"], example(2, "2599.98"))
}

pub(crate) fn clear() -> Operation {
    Operation::new(TAG, "clearCart", "Empties your cart")
        .honours_if_match()
        .replies::<Cart>(StatusCode::OK, "Your cart, empty", &CHANGED, empty())
        .refuses(StatusCode::CONFLICT, &["cart_changed"])
}

pub(crate) fn add() -> Operation {
    let fields = Fields::new().required("product_id", product_id()).required("quantity", quantity());
    Operation::new(TAG, "addCartItem", "Puts a product into your cart")
        .says("What is there already gets more. A line holds 1 to 99 of a product, together with what is there; a cart 50 lines.")
        .takes("NewCartItem", fields.build(), json!({"product_id": 1, "quantity": 2}))
        .honours_if_match()
        .replies::<Cart>(StatusCode::CREATED, "Your cart now", &CHANGED, example(2, "2599.98"))
        .refuses(StatusCode::BAD_REQUEST, &["invalid_product_id", "invalid_quantity"])
        .refuses(StatusCode::NOT_FOUND, &["product_not_found"])
        .refuses(StatusCode::CONFLICT, &["cart_changed", "cart_full", "currency_mismatch"])
}

pub(crate) fn set() -> Operation {
    let fields = Fields::new().required("quantity", quantity());
    Operation::new(TAG, "setCartItem", "Says how many of a product are in your cart")
        .in_path("product_id", product_id())
        .takes("NewQuantity", fields.build(), json!({"quantity": 1}))
        .honours_if_match()
        .replies::<Cart>(StatusCode::OK, "Your cart now", &CHANGED, example(1, "1299.99"))
        .refuses(StatusCode::BAD_REQUEST, &["invalid_product_id", "invalid_quantity"])
        .refuses(StatusCode::NOT_FOUND, &["item_not_in_cart"])
        .refuses(StatusCode::CONFLICT, &["cart_changed"])
}

pub(crate) fn remove() -> Operation {
    Operation::new(TAG, "removeCartItem", "Takes a product out of your cart")
        .says("It is no error if it is not there.")
        .in_path("product_id", product_id())
        .honours_if_match()
        .replies::<Cart>(StatusCode::OK, "Your cart now", &CHANGED, empty())
        .refuses(StatusCode::BAD_REQUEST, &["invalid_product_id"])
        .refuses(StatusCode::CONFLICT, &["cart_changed"])
}

fn quantity() -> utoipa::openapi::schema::ObjectBuilder {
    integer("How many", 1..=99)
}

fn example(quantity: u32, total: &str) -> Value {
    let total = json!({"amount": total, "currency": "USD"});
    json!({
        "user_id": 1,
        "version": 1_795_440_080_086_i64,
        "items": [{
            "product_id": 1,
            "name": "Laptop",
            "quantity": quantity,
            "unit_price": {"amount": "1299.99", "currency": "USD"},
            "line_total": total,
            "added_at": "2026-11-23T13:21:20.086Z",
            "available": true,
        }],
        "total_items": quantity,
        "total": total,
        "updated_at": "2026-11-23T13:21:20.086Z",
    })
}

fn empty() -> Value {
    json!({
        "user_id": 1,
        "version": 1_795_440_080_088_i64,
        "items": [],
        "total_items": 0,
        "total": {"amount": "0.00", "currency": "USD"},
        "updated_at": "2026-11-23T13:21:20.177Z",
    })
}
