//! Shapes that several resources share, and words to describe others with.
//!
//! Replies are described by the types that handlers answer with. Requests are read field by field (`fields.rs`), so
//! there is no type of their shape to derive from: [`Fields`] says what a reader asks for.

use std::ops::RangeInclusive;

use serde_json::Value;
use types::{Address as RealAddress, PageSize};
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// An exact amount of money.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes types::Money, which knows nothing of OpenAPI")]
pub(crate) struct Money {
    /// Decimal text with as many digits after the point as the currency has, never a floating point number.
    #[schema(pattern = r"^[0-9]+(\.[0-9]+)?$", example = "1299.99")]
    amount: String,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "USD")]
    currency: String,
}

/// Where a parcel goes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes types::Address, which knows nothing of OpenAPI")]
pub(crate) struct Address {
    /// Who receives.
    name: String,
    /// Street and number.
    line1: String,
    /// Whatever more is needed.
    #[schema(required = false)]
    line2: String,
    city: String,
    postal_code: String,
    /// ISO 3166-1 alpha-2.
    #[schema(pattern = "^[A-Z]{2}$", example = "DE")]
    country: String,
}

/// A moment in UTC, to the millisecond (RFC 3339).
pub(crate) struct Moment;

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        text("A moment in UTC, to the millisecond (RFC 3339)")
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2026-11-22T20:15:30.123Z"])
            .into()
    }
}

impl ToSchema for Moment {}

/// The fields of a JSON object that a request carries; it may have no others.
pub(crate) struct Fields(ObjectBuilder);

impl Fields {
    pub(crate) fn new() -> Self {
        let none = AdditionalProperties::FreeForm(false);
        Self(ObjectBuilder::new().schema_type(Type::Object).additional_properties(Some(none)))
    }

    pub(crate) fn required(self, name: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        Self(self.0.property(name, schema).required(name))
    }

    /// Null is as good as absent.
    pub(crate) fn optional(self, name: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        let null = ObjectBuilder::new().schema_type(Type::Null);
        let schema: RefOr<Schema> = match schema.into() {
            RefOr::T(Schema::Object(mut object)) => {
                if let SchemaType::Type(only) = &object.schema_type {
                    object.schema_type = SchemaType::Array(vec![only.clone(), Type::Null]);
                }
                if let Some(values) = &mut object.enum_values {
                    values.push(Value::Null);
                }
                object.into()
            }
            other => AnyOfBuilder::new().item(other).item(null).into(),
        };
        Self(self.0.property(name, schema))
    }

    pub(crate) fn build(self) -> Schema {
        self.0.build().into()
    }
}

/// Any text.
pub(crate) fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

/// A text of so many visible characters, which begins and ends with none of white space.
pub(crate) fn line(description: &str, longest: usize) -> ObjectBuilder {
    let pattern = format!(r"^[^\s{CONTROLS}{UNSEEN}]([^{CONTROLS}{UNSEEN}]*[^\s{CONTROLS}{UNSEEN}])?$");
    text(description).min_length(Some(1)).max_length(Some(longest)).pattern(Some(pattern))
}

/// The control characters, as part of a class of a pattern.
const CONTROLS: &str = r"\x00-\x1f\x7f-\x9f";
/// What is not visible besides (`types::text`), as part of a class of a pattern. The tags at U+E0000 are not here: nothing
/// beyond U+FFFF is written in one way that all readers of patterns know.
pub(crate) const UNSEEN: &str =
    r"\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb";

/// A whole number within these bounds.
pub(crate) fn integer(description: &str, bounds: RangeInclusive<i64>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .description(Some(description))
        .minimum(Some(*bounds.start()))
        .maximum(Some(*bounds.end()))
}

/// One of these texts.
pub(crate) fn one_of<'a>(description: &str, values: impl IntoIterator<Item = &'a str>) -> ObjectBuilder {
    text(description).enum_values(Some(values))
}

/// The id of a product.
pub(crate) fn product_id() -> ObjectBuilder {
    integer("A product", 1..=i64::MAX)
}

/// The id of a checkout or an order.
pub(crate) fn uuid(description: &str) -> ObjectBuilder {
    text(description).format(Some(SchemaFormat::Custom("uuid".to_owned())))
}

/// How many of a list at most.
pub(crate) fn page_size() -> ObjectBuilder {
    let default = PageSize::default().get().into();
    integer("How many at most", 1..=PageSize::MAX.into()).default(Some(default))
}

/// Where a page begins.
pub(crate) fn page_token() -> ObjectBuilder {
    text("`next_page_token` of the page before, with the same filters and order; empty for the first page")
}

/// Money in a request. How many digits may come after the point depends on the currency.
pub(crate) fn money(description: &str) -> Schema {
    let amount = text("Decimal text").pattern(Some(r"^[0-9]{1,15}(\.[0-9]{1,4})?$"));
    let currency = text("ISO 4217").pattern(Some("^[A-Z]{3}$"));
    let fields = Fields::new().required("amount", amount).required("currency", currency);
    fields.0.description(Some(description)).build().into()
}

/// An address in a request.
pub(crate) fn address() -> Schema {
    let part = |description| line(description, RealAddress::MAX_PART);
    Fields::new()
        .required("name", part("Who receives"))
        .required("line1", part("Street and number"))
        .optional("line2", part("Whatever more is needed"))
        .required("city", part("City"))
        .required("postal_code", part("Postal code"))
        .required("country", text("ISO 3166-1 alpha-2").pattern(Some("^[A-Z]{2}$")))
        .build()
}
