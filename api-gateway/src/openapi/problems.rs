//! Problem documents (RFC 9457), as replies.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};
use utoipa::openapi::schema::{AllOfBuilder, Components, SchemaType};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Response, Schema, example::ExampleBuilder};
use utoipa::{PartialSchema, ToSchema};

use super::codes::{CODES, code};
use super::{headers, schemas};
use crate::problem::title;

/// Why a request failed. Programs look at `code`; the texts are for people and may change.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what problem.rs writes, in which any fact may be")]
struct Problem {
    /// `/errors/` and the code, relative to the shop.
    #[schema(rename = "type", pattern = "^/errors/[a-z_]+$")]
    type_: String,
    /// The code in words.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: i32,
    /// What is wrong this time.
    detail: String,
    code: Code,
    /// As in `X-Request-Id` and in the logs.
    request_id: String,
    /// Which fields can't be used.
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// The checkout that is meant.
    #[schema(required = false, format = "uuid")]
    checkout_id: String,
    /// Why the payment was declined.
    #[schema(required = false, example = "card_declined")]
    decline_code: String,
    /// The product that was made.
    #[schema(required = false)]
    product_id: i64,
    /// The products that are meant.
    #[schema(required = false)]
    product_ids: Vec<i64>,
    /// What the cart costs now.
    #[schema(required = false)]
    total: schemas::Money,
    /// What does not serve.
    #[schema(required = false)]
    dependencies: Vec<String>,
}

/// A field that can't be used.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes problem::FieldError as part of a document")]
struct FieldError {
    /// As in the request: `quantity`, `price.amount`.
    field: String,
    /// What it must be.
    message: String,
}

/// Why, for programs.
struct Code;

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let meanings = CODES.iter().map(|code| format!("- `{}`: {}", code.name, code.meaning));
        let meanings = meanings.collect::<Vec<_>>().join("\n");
        schemas::one_of(&meanings, CODES.iter().map(|code| code.name)).into()
    }
}

impl ToSchema for Code {}

/// The shape of all of them.
pub(super) fn add_to(components: &mut Components) {
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    components.schemas.extend(schemas);
}

/// The name of the reply that has one of these codes, which is among the components then.
pub(super) fn refer_to(status: StatusCode, codes: &BTreeSet<&str>, components: &mut Components) -> String {
    let names: Vec<_> = codes.iter().copied().collect();
    let name = format!("{}.{}", status.as_str(), names.join("."));
    components.responses.entry(name.clone()).or_insert_with(|| reply(status, &names).into());
    name
}

fn reply(status: StatusCode, codes: &[&str]) -> Response {
    let meaning = |name: &&str| format!("`{name}`: {}", code(name).map_or("", |code| code.meaning));
    let mut reply = Response::new(codes.iter().map(meaning).collect::<Vec<_>>().join("\n\n"));
    headers::add(&mut reply, &headers::OF_ALL);
    headers::add(&mut reply, &headers::OF_A_LIMIT);
    match status {
        StatusCode::UNAUTHORIZED => headers::add(&mut reply, &["WWW-Authenticate"]),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            headers::add(&mut reply, &["Retry-After"]);
        }
        _ => {}
    }
    for code in codes.iter().filter_map(|name| code(name)) {
        headers::add(&mut reply, code.headers);
    }
    let exactly = ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .property(
            "status",
            ObjectBuilder::new().schema_type(SchemaType::AnyValue).enum_values(Some([status.as_u16()])),
        )
        .property(
            "code",
            ObjectBuilder::new().schema_type(SchemaType::AnyValue).enum_values(Some(codes.iter().copied())),
        );
    let schema = AllOfBuilder::new().item(Ref::from_schema_name(Problem::name())).item(exactly);
    let examples = codes.iter().map(|code| {
        let example = ExampleBuilder::new().value(Some(example(status, code))).build();
        ((*code).to_owned(), example)
    });
    let content = ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples).build();
    reply.content.insert("application/problem+json".to_owned(), content.into());
    reply
}

fn example(status: StatusCode, name: &str) -> Value {
    json!({
        "type": format!("/errors/{name}"),
        "title": title(name),
        "status": status.as_u16(),
        "detail": code(name).map_or("", |code| code.meaning),
        "code": name,
        "request_id": "01a20891-74f5-73ee-8e87-36d2ca11ae50",
    })
}
