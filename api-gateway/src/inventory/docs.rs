//! `/api/v1/inventory`, described.

use http::StatusCode;
use serde_json::{Value, json};
use types::Quantity;

use super::Stock;
use crate::openapi::Operation;
use crate::openapi::schemas::{Fields, integer, product_id};

const TAG: &str = "Stock";

pub(crate) fn show() -> Operation {
    Operation::new(TAG, "getStock", "How much of a product there is")
        .in_path("product_id", product_id())
        .replies::<Stock>(StatusCode::OK, "Its stock", &[], example())
        .refuses(StatusCode::BAD_REQUEST, &["invalid_product_id"])
        .refuses(StatusCode::NOT_FOUND, &["product_not_found"])
}

pub(crate) fn set() -> Operation {
    let on_hand = integer("Units on the shelf, held or not", 0..=Quantity::MAX);
    Operation::new(TAG, "setStock", "Says how much of a product there is")
        .in_path("product_id", product_id())
        .takes("NewStock", Fields::new().required("on_hand", on_hand).build(), json!({"on_hand": 7}))
        .replies::<Stock>(StatusCode::OK, "Its stock now", &[], example())
        .refuses(StatusCode::BAD_REQUEST, &["invalid_product_id", "invalid_quantity"])
        .refuses(StatusCode::NOT_FOUND, &["product_not_found"])
        .refuses(StatusCode::CONFLICT, &["insufficient_stock"])
}

fn example() -> Value {
    json!({"product_id": 1, "available": 49, "reserved": 0})
}
