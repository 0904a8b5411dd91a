//! `/openapi.json` and `/docs`, described.

use http::StatusCode;
use utoipa::openapi::schema::ObjectBuilder;

use crate::openapi::Operation;
use crate::openapi::schemas::{one_of, text};

const TAG: &str = "Reference";

pub(crate) fn document() -> Operation {
    let anything = ObjectBuilder::new();
    Operation::new(TAG, "getDocument", "This document").asks_nobody().honours_if_none_match().replies_with(
        StatusCode::OK,
        "OpenAPI 3.1",
        &["ETag", "Vary"],
        "application/json",
        anything,
    )
}

pub(crate) fn page() -> Operation {
    Operation::new(TAG, "getReference", "This document, to be read and tried").asks_nobody().replies_with(
        StatusCode::OK,
        "A page",
        &[],
        "text/html",
        text("HTML"),
    )
}

pub(crate) fn asset() -> Operation {
    Operation::new(TAG, "getReferenceAsset", "What the page is made of")
        .says("Scripts and styles, some of them compressed with gzip whatever the request says.")
        .asks_nobody()
        .in_path("asset", one_of("A file", ["start.js", "swagger-ui-bundle.js", "swagger-ui.css"]))
        .replies_with(StatusCode::OK, "The file", &[], "text/*", text("A script or a style sheet"))
        .refuses(StatusCode::NOT_FOUND, &["route_not_found"])
}
