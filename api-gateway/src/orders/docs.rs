//! `/api/v1/orders`, described.

use http::StatusCode;
use serde_json::{Value, json};
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{Order, Orders, STATUSES};
use crate::openapi::Operation;
use crate::openapi::schemas::{Fields, one_of, page_size, page_token, uuid};

const TAG: &str = "Orders";

/// Where an order stands.
pub(super) struct OrderStatus;

impl PartialSchema for OrderStatus {
    fn schema() -> RefOr<Schema> {
        status("Where an order stands").into()
    }
}

impl ToSchema for OrderStatus {}

pub(crate) fn list() -> Operation {
    let page = json!({"orders": [example("CONFIRMED")], "next_page_token": ""});
    Operation::new(TAG, "listOrders", "Your orders, newest first, a page at a time")
        .in_query("status", status("Only those that stand there"))
        .in_query("page_size", page_size())
        .in_query("page_token", page_token())
        .replies::<Orders>(StatusCode::OK, "A page", &[], page)
        .leads_to(StatusCode::OK, "getOrder", "id", "$response.body#/orders/0/id")
        .leads_to(StatusCode::OK, "watchOrder", "id", "$response.body#/orders/0/id")
        .leads_to(StatusCode::OK, "advanceOrder", "id", "$response.body#/orders/0/id")
        .leads_to(StatusCode::OK, "cancelOrder", "id", "$response.body#/orders/0/id")
        .leads_to(StatusCode::OK, "getCheckout", "id", "$response.body#/orders/0/checkout_id")
}

pub(crate) fn show() -> Operation {
    Operation::new(TAG, "getOrder", "One order")
        .in_path("id", uuid("An order"))
        .replies::<Order>(StatusCode::OK, "The order", &[], example("CONFIRMED"))
        .refuses(StatusCode::NOT_FOUND, &["order_not_found"])
}

pub(crate) fn watch() -> Operation {
    let seen = STATUSES.map(|(name, _)| name).into_iter().chain([""]);
    Operation::new(TAG, "watchOrder", "An order, status by status")
        .in_path("id", uuid("An order"))
        .replies_events(
            one_of("The id of the last event that you have seen; empty for none", seen),
            "The whole Order as a `status`, now and with each change; its status is the id. DELIVERED and CANCELLED are \
             the `end`. Who was away for several of them is told the one that the order has.",
            "retry: 1000\n\nid: CONFIRMED\nevent: status\ndata: {\"id\":\"45859f46-685d-51ca-babc-dc00a9ae16d8\"}\n\n",
        )
        .refuses(StatusCode::NOT_FOUND, &["order_not_found"])
}

pub(crate) fn advance() -> Operation {
    let fields = Fields::new().required("status", status("The next step"));
    Operation::new(TAG, "advanceOrder", "The next step of an order")
        .says("From CONFIRMED to PROCESSING, SHIPPED and DELIVERED, one by one.")
        .in_path("id", uuid("An order"))
        .takes("NextStep", fields.build(), json!({"status": "PROCESSING"}))
        .replies::<Order>(StatusCode::OK, "The order", &[], example("PROCESSING"))
        .refuses(StatusCode::NOT_FOUND, &["order_not_found"])
        .refuses(StatusCode::CONFLICT, &["invalid_transition"])
}

pub(crate) fn cancel() -> Operation {
    Operation::new(TAG, "cancelOrder", "Cancels an order that is not shipped yet")
        .says("A moment later the money is given back, the stock is for sale again, and it is CANCELLED. To repeat it is harmless.")
        .in_path("id", uuid("An order"))
        .replies::<Order>(StatusCode::ACCEPTED, "It is being cancelled", &[], example("CANCELLING"))
        .refuses(StatusCode::NOT_FOUND, &["order_not_found"])
        .refuses(StatusCode::CONFLICT, &["invalid_transition"])
}

fn status(description: &str) -> ObjectBuilder {
    one_of(description, STATUSES.map(|(name, _)| name))
}

fn example(status: &str) -> Value {
    let price = json!({"amount": "1299.99", "currency": "USD"});
    json!({
        "id": "45859f46-685d-51ca-babc-dc00a9ae16d8",
        "checkout_id": "01a20891-7521-738d-940d-18a298043746",
        "user_id": 1,
        "status": status,
        "total": price,
        "items": [{
            "product_id": 1,
            "product_name": "Laptop",
            "quantity": 1,
            "unit_price": price,
            "line_total": price,
        }],
        "created_at": "2026-11-23T13:21:20.177Z",
        "updated_at": "2026-11-23T13:21:20.177Z",
    })
}
