//! What the services answer, and what the gateway makes of it.

use proto::{cart, checkout, common, convert, inventory, orders, product};
use serde_json::{Value, json};
use types::Timestamp;

pub(crate) const CHECKOUT: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
pub(crate) const ORDER: &str = "6f1c2f7e-5a53-5d6c-9d0c-1c1c1c1c1c1c";
const AT: &str = "2025-11-22T20:15:30.123Z";

fn at() -> Option<prost_types::Timestamp> {
    Some(convert::timestamp(Timestamp::from_micros(1_763_842_530_123_456)))
}

pub(crate) fn usd(minor_units: i64) -> Option<common::Money> {
    let currency_code = "USD".to_owned();
    Some(common::Money { currency_code, minor_units })
}

pub(crate) fn product() -> product::Product {
    product::Product {
        id: 1,
        name: "Laptop".into(),
        description: "Thin".into(),
        category: "computers".into(),
        price: usd(129_999),
        image_url: "https://img.example/1.png".into(),
        version: 3,
        created_at: at(),
        updated_at: at(),
    }
}

pub(crate) fn product_json() -> Value {
    json!({
        "id": 1, "name": "Laptop", "description": "Thin", "category": "computers",
        "price": {"amount": "1299.99", "currency": "USD"}, "image_url": "https://img.example/1.png",
        "version": 3, "created_at": AT, "updated_at": AT,
    })
}

pub(crate) fn stock() -> inventory::Stock {
    inventory::Stock { product_id: 1, available: 47, reserved: 3 }
}

pub(crate) fn cart() -> cart::Cart {
    let line = |product_id, name: &str, unit_price, line_total, available| cart::CartItem {
        product_id,
        name: name.into(),
        quantity: 2,
        unit_price,
        line_total,
        added_at: at(),
        available,
    };
    cart::Cart {
        user_id: 1,
        version: 7,
        items: vec![line(1, "Laptop", usd(129_999), usd(259_998), true), line(9, "Gone", None, None, false)],
        total_items: 4,
        total: usd(259_998),
        updated_at: at(),
        bought_version: 0,
    }
}

pub(crate) fn cart_json() -> Value {
    json!({
        "user_id": 1, "version": 7, "total_items": 4, "total": {"amount": "2599.98", "currency": "USD"},
        "updated_at": AT,
        "items": [
            {"product_id": 1, "name": "Laptop", "quantity": 2, "added_at": AT, "available": true,
             "unit_price": {"amount": "1299.99", "currency": "USD"},
             "line_total": {"amount": "2599.98", "currency": "USD"}},
            {"product_id": 9, "name": "Gone", "quantity": 2, "added_at": AT, "available": false,
             "unit_price": null, "line_total": null},
        ],
    })
}

pub(crate) fn checkout(status: checkout::CheckoutStatus) -> checkout::Checkout {
    let ended = matches!(status, checkout::CheckoutStatus::Completed | checkout::CheckoutStatus::Failed);
    let entry = |state: &str, outcome: &str| checkout::TimelineEntry {
        state: state.into(),
        at: at(),
        attempt: 1,
        outcome: outcome.into(),
    };
    checkout::Checkout {
        checkout_id: CHECKOUT.into(),
        user_id: 1,
        status: status.into(),
        total: usd(259_998),
        order_id: ORDER.into(),
        failure: None,
        created_at: at(),
        completed_at: ended.then(at).flatten(),
        timeline: vec![entry("RESERVING", "ok"), entry("AUTHORIZING", "")],
        stuck: false,
    }
}

/// Without `order_id`, `completed_at` and `failure`.
pub(crate) fn checkout_json(status: &str) -> Value {
    json!({
        "checkout_id": CHECKOUT, "status": status, "total": {"amount": "2599.98", "currency": "USD"},
        "created_at": AT,
        "timeline": [
            {"state": "RESERVING", "at": AT, "attempt": 1, "outcome": "ok"},
            {"state": "AUTHORIZING", "at": AT, "attempt": 1, "outcome": null},
        ],
    })
}

pub(crate) fn completed_json() -> Value {
    let mut json = checkout_json("COMPLETED");
    json["order_id"] = json!(ORDER);
    json["completed_at"] = json!(AT);
    json
}

pub(crate) fn failed(
    code: &str,
    message: &str,
    decline_code: &str,
    product_ids: &[i64],
) -> checkout::Checkout {
    checkout::Checkout {
        failure: Some(checkout::Failure {
            code: code.into(),
            message: message.into(),
            decline_code: decline_code.into(),
            product_ids: product_ids.to_vec(),
        }),
        ..checkout(checkout::CheckoutStatus::Failed)
    }
}

pub(crate) fn order() -> orders::Order {
    orders::Order {
        order_id: ORDER.into(),
        checkout_id: CHECKOUT.into(),
        user_id: 1,
        status: orders::OrderStatus::Confirmed.into(),
        total: usd(259_998),
        items: vec![orders::OrderItem {
            product_id: 1,
            product_name: "Laptop".into(),
            quantity: 2,
            unit_price: usd(129_999),
            line_total: usd(259_998),
        }],
        shipping_address: Some(address()),
        created_at: at(),
        updated_at: at(),
        stuck: false,
    }
}

pub(crate) fn order_json() -> Value {
    json!({
        "id": ORDER, "checkout_id": CHECKOUT, "user_id": 1, "status": "CONFIRMED",
        "total": {"amount": "2599.98", "currency": "USD"},
        "items": [{"product_id": 1, "product_name": "Laptop", "quantity": 2,
                   "unit_price": {"amount": "1299.99", "currency": "USD"},
                   "line_total": {"amount": "2599.98", "currency": "USD"}}],
        "shipping_address": address_json(),
        "created_at": AT, "updated_at": AT,
    })
}

pub(crate) fn address() -> common::Address {
    common::Address {
        name: "Ada".into(),
        line1: "1 Analytical Way".into(),
        line2: String::new(),
        city: "London".into(),
        postal_code: "N1".into(),
        country: "GB".into(),
    }
}

pub(crate) fn address_json() -> Value {
    json!({"name": "Ada", "line1": "1 Analytical Way", "city": "London", "postal_code": "N1", "country": "GB"})
}
