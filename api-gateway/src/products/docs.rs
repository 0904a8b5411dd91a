//! `/api/v1/products`, described.

use http::StatusCode;
use serde_json::{Value, json};
use types::Quantity;
use utoipa::openapi::schema::ObjectBuilder;

use super::Product;
use super::pages::Products;
use super::wanted::LONGEST_QUERY;
use crate::openapi::Operation;
use crate::openapi::schemas::{
    Fields, UNSEEN, integer, line, money, one_of, page_size, page_token, product_id, text,
};

const TAG: &str = "Catalogue";

pub(crate) fn list() -> Operation {
    Operation::new(TAG, "listProducts", "Products, a page at a time")
        .in_query("q", text("In the name or the description, in any case").max_length(Some(LONGEST_QUERY)))
        .in_query("category", text("Exactly this category"))
        .in_query("currency", currency())
        .in_query("min_price", amount("The lowest price"))
        .in_query("max_price", amount("The highest price"))
        .in_query("sort", one_of("In which order", ["id", "name", "price", "-price", "newest"]))
        .in_query("page_size", page_size())
        .in_query("page_token", page_token())
        .honours_if_none_match()
        .replies::<Products>(
            StatusCode::OK,
            "A page",
            &["ETag", "Vary"],
            json!({"products": [laptop()], "next_page_token": "eyJwcmljZV9kZXNjZW5kaW5nIjpbIlVTRCIsODk5OSwzXX0"}),
        )
}

pub(crate) fn show() -> Operation {
    Operation::new(TAG, "getProduct", "One product")
        .in_path("id", product_id())
        .honours_if_none_match()
        .replies::<Product>(StatusCode::OK, "The product", &["ETag", "Vary"], laptop())
        .refuses(StatusCode::BAD_REQUEST, &["invalid_product_id"])
        .refuses(StatusCode::NOT_FOUND, &["product_not_found"])
}

pub(crate) fn create() -> Operation {
    let fields = Fields::new()
        .required("name", name())
        .optional("description", description())
        .required("category", category())
        .required("price", money("At least one minor unit"))
        .optional("image_url", image_url())
        .optional("initial_stock", integer("Units on the shelf", 0..=Quantity::MAX));
    let example = json!({
        "name": "Webcam",
        "description": "Sees you",
        "category": "Accessories",
        "price": {"amount": "59.90", "currency": "USD"},
        "initial_stock": 3,
    });
    Operation::new(TAG, "createProduct", "A new product")
        .takes("NewProduct", fields.build(), example)
        .replies::<Product>(StatusCode::CREATED, "The product", &["ETag", "Location"], webcam())
        .leads_to(StatusCode::CREATED, "getProduct", "id", "$response.body#/id")
        .leads_to(StatusCode::CREATED, "replaceProduct", "id", "$response.body#/id")
        .leads_to(StatusCode::CREATED, "deleteProduct", "id", "$response.body#/id")
        .leads_to(StatusCode::CREATED, "getStock", "product_id", "$response.body#/id")
        .leads_to(StatusCode::CREATED, "setStock", "product_id", "$response.body#/id")
        .refuses(StatusCode::SERVICE_UNAVAILABLE, &["initial_stock_not_set"])
}

pub(crate) fn replace() -> Operation {
    let fields = Fields::new()
        .required("name", name())
        .required("description", description())
        .required("category", category())
        .required("price", money("At least one minor unit"))
        .required("image_url", image_url());
    Operation::new(TAG, "replaceProduct", "All of a product, anew")
        .in_path("id", product_id())
        .honours_if_match()
        .takes("WholeProduct", fields.build(), details())
        .replies::<Product>(StatusCode::OK, "The product", &["ETag"], webcam())
        .refuses(StatusCode::BAD_REQUEST, &["invalid_product_id"])
        .refuses(StatusCode::NOT_FOUND, &["product_not_found"])
}

pub(crate) fn delete() -> Operation {
    Operation::new(TAG, "deleteProduct", "Takes a product out of the catalogue")
        .says("Carts and orders that name it stay as they are; it can't be bought any more.")
        .in_path("id", product_id())
        .honours_if_match()
        .replies_nothing(StatusCode::NO_CONTENT, "It is gone", &[])
        .refuses(StatusCode::BAD_REQUEST, &["invalid_product_id"])
        .refuses(StatusCode::NOT_FOUND, &["product_not_found"])
}

fn name() -> ObjectBuilder {
    line("What it is called", 200)
}

fn description() -> ObjectBuilder {
    text("Visible characters, line breaks and tabs")
        .max_length(Some(4000))
        .pattern(Some(format!(r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f{UNSEEN}]*$")))
}

fn category() -> ObjectBuilder {
    line("Where it is found", 100)
}

fn image_url() -> ObjectBuilder {
    text("Empty, or a URL that starts with http:// or https://, or a path that starts with /")
        .max_length(Some(2000))
        .pattern(Some(r"^((https?://[!-~]+)|(/[!-~]*))?$"))
}

fn currency() -> ObjectBuilder {
    text("What prices are compared in, ISO 4217").pattern(Some("^[A-Z]{3}$")).default(Some(json!("USD")))
}

fn amount(description: &str) -> ObjectBuilder {
    text(description).pattern(Some(r"^[0-9]{1,15}(\.[0-9]{1,4})?$"))
}

fn laptop() -> Value {
    json!({
        "id": 1,
        "name": "Laptop",
        "description": "A light 14-inch laptop with 16 GB of memory, a 1 TB drive and a battery that lasts the day.",
        "category": "Computers",
        "price": {"amount": "1299.99", "currency": "USD"},
        "image_url": "/images/laptop.jpg",
        "version": 1,
        "created_at": "2025-01-01T00:00:00.000Z",
        "updated_at": "2025-01-01T00:00:00.000Z",
    })
}

/// What an admin says of a product.
fn details() -> Value {
    json!({
        "name": "Webcam",
        "description": "Sees you",
        "category": "Accessories",
        "price": {"amount": "59.90", "currency": "USD"},
        "image_url": "",
    })
}

fn webcam() -> Value {
    json!({
        "id": 6,
        "name": "Webcam",
        "description": "Sees you",
        "category": "Accessories",
        "price": {"amount": "59.90", "currency": "USD"},
        "image_url": "",
        "version": 1,
        "created_at": "2026-11-23T13:21:20.751Z",
        "updated_at": "2026-11-23T13:21:20.751Z",
    })
}
