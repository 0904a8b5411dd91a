//! The OpenAPI document: every route of the table, with all that it takes and all that it answers.
//!
//! A line of the table in `routes.rs` names a function that describes its route, in the file `docs.rs` beside the
//! handler, so there is no route that is not in the document, and nothing in it that is no route. That it is true of
//! requests and replies is for tests to show: `tests/it/contract.rs` holds every answer of the suite against it.

mod codes;
mod headers;
mod operation;
mod problems;
pub(crate) mod schemas;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method};
use utoipa::openapi::path::{ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{Components, HttpMethod, InfoBuilder, License, OpenApi, OpenApiBuilder, Required};

use crate::conditional::{self, Tag};
use crate::gateway::Shop;
use crate::problem::Problem;
use crate::routes::Policy;
pub(crate) use operation::Operation;

/// The name of the security scheme.
const SCHEME: &str = "token";
/// The name of the parameter that every request may have.
const REQUEST_ID: &str = "X-Request-Id";

const ABOUT: &str = "\
Products, carts, checkout and orders of a shop.

Whatever is refused is a problem document (RFC 9457) with a stable `code`. That holds for what is not in this document, \
too: a path that is not there is 404 `route_not_found`, a method that a path does not know is 405 `method_not_allowed` \
with `Allow`. Bodies are JSON of at most 64 KiB in which every field is known; a field that is null is as good as \
absent, and a whole number is written without a point or an exponent. Clients ignore fields of replies that they do not know.

Every client has a number of requests a second, by user, or by address without a token: one for what reads, a smaller \
one for what changes something, a smaller one yet for checkouts; `RateLimit` says where it stands. Every reply has the id of its request in `X-Request-Id`, which is the one that the client sent if that is 1 to \
128 visible ASCII characters.";

const TAGS: [(&str, &str); 8] = [
    ("Catalogue", "What is for sale"),
    ("Stock", "How much of it there is"),
    ("Cart", "What somebody wants"),
    ("Checkout", "Buying it, at most once for each key"),
    ("Orders", "What was bought"),
    ("Tokens", "For trying things out, where the shop runs with AUTH_MODE=dev"),
    ("Health", "For watchdogs"),
    ("Reference", "This document"),
];

/// The document of these routes.
pub(crate) fn document(routes: impl IntoIterator<Item = (Policy, Operation)>) -> OpenApi {
    let (mut paths, mut components) = (Paths::new(), Components::new());
    problems::add_to(&mut components);
    components.headers.extend(headers::all().map(|(name, header)| (name.to_owned(), header.into())));
    components.parameters.insert(REQUEST_ID.to_owned(), request_id().build().into());
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(
        "A JSON Web Token, as the shop's `oxcart token` or your identity provider makes them. With AUTH_MODE=dev, \
         whoever sends none is user 1, an administrator.",
    ));
    components.add_security_scheme(SCHEME, SecurityScheme::Http(scheme.build()));
    for (policy, operation) in routes {
        let operation = operation.build(policy.who, &mut components);
        paths.add_path_operation(policy.path, vec![method(&policy.method)], operation);
    }
    let info =
        InfoBuilder::new().title("oxcart").version("1").description(Some(ABOUT)).license(Some(license()));
    let tags =
        TAGS.map(|(name, description)| TagBuilder::new().name(name).description(Some(description)).build());
    OpenApiBuilder::new().info(info).tags(Some(tags)).paths(paths).components(Some(components)).build()
}

/// The document as it is served.
pub(crate) struct Document {
    tag: Tag,
    body: Bytes,
}

impl Document {
    /// # Errors
    /// What can't be said in JSON.
    pub(crate) fn new(document: &OpenApi) -> serde_json::Result<Self> {
        let body = Bytes::from(document.to_json()?);
        Ok(Self { tag: Tag::of(&body), body })
    }
}

/// It changes with the program only; whoever keeps it asks whether it is still good.
const CACHING: &str = "public, no-cache";

/// `GET /openapi.json`
pub(crate) async fn show(State(shop): State<Shop>, headers: HeaderMap) -> Result<Response, Problem> {
    let Document { tag, body } = &shop.document;
    conditional::json(&headers, CACHING, tag, || Ok(body.clone()))
}

fn method(method: &Method) -> HttpMethod {
    match method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn request_id() -> ParameterBuilder {
    ParameterBuilder::new()
        .name(REQUEST_ID)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("The id that the request is to have in all logs"))
        .schema(Some(schemas::text(
            "1 to 128 visible ASCII characters; another one is made in place of what is not",
        )))
}

fn license() -> License {
    let mut license = License::new("MIT OR Apache-2.0");
    license.identifier = Some("MIT OR Apache-2.0".to_owned());
    license
}
