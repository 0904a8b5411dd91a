//! What clients may ask of the catalogue.

use proto::product as pb;
use types::{Currency, Quantity};

use crate::fields::{Fields, Read};
use crate::query::Page;

/// The longest text to look for, in characters.
pub(super) const LONGEST_QUERY: usize = 200;

/// What to list, and in which order.
pub(crate) struct Filter(pub(crate) pb::GetProductsRequest);

impl Read for Filter {
    fn read(fields: &mut Fields) -> Option<Self> {
        let currency = fields.parsed("currency", "must be an ISO 4217 currency code such as USD", |text| {
            text.parse::<Currency>().ok()
        });
        let currency = currency.unwrap_or(Currency::USD);
        let mut bound = |name: &str| {
            let text = fields.text(name)?;
            fields.amount(name, &text, currency)
        };
        let (min_price, max_price) = (bound("min_price"), bound("max_price"));
        let sort =
            fields.parsed("sort", "must be one of id, name, price, -price, newest", |text| match text {
                "id" => Some(pb::ProductSort::Unspecified),
                "name" => Some(pb::ProductSort::Name),
                "price" => Some(pb::ProductSort::Price),
                "-price" => Some(pb::ProductSort::PriceDescending),
                "newest" => Some(pb::ProductSort::Newest),
                _ => None,
            });
        // Asked here, since the catalogue knows it by another name.
        let query = fields.parsed("q", "must be at most 200 characters", |text| {
            (text.chars().count() <= LONGEST_QUERY).then(|| text.to_owned())
        });
        let page = Page::read(fields);
        Some(Self(pb::GetProductsRequest {
            query: query.unwrap_or_default(),
            category: fields.text("category").unwrap_or_default(),
            min_price: min_price.map(Into::into),
            max_price: max_price.map(Into::into),
            sort: sort.unwrap_or_default().into(),
            page_size: page.size,
            page_token: page.token,
            known_state: None,
        }))
    }
}

/// A product to be made. What is optional is empty where absent.
pub(crate) struct NewProduct {
    pub(crate) product: pb::CreateProductRequest,
    pub(crate) initial_stock: Option<i64>,
}

impl Read for NewProduct {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name", Fields::text);
        let category = fields.required("category", Fields::text);
        let price = fields.required("price", Fields::money);
        let description = fields.text("description").unwrap_or_default();
        let image_url = fields.text("image_url").unwrap_or_default();
        let initial_stock = fields.integer("initial_stock");
        if initial_stock.is_some_and(|stock| !(0..=Quantity::MAX).contains(&stock)) {
            // Asked here, since the product would be there already when the inventory says no.
            fields.note("initial_stock", format!("must be between 0 and {}", Quantity::MAX));
        }
        let price = Some(price?.into());
        let (name, category) = (name?, category?);
        let product = pb::CreateProductRequest { name, description, category, price, image_url };
        Some(Self { product, initial_stock })
    }
}

/// A product to be put in the place of another: all of it.
pub(crate) struct WholeProduct(pub(crate) pb::UpdateProductRequest);

impl Read for WholeProduct {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name", Fields::text);
        let description = fields.required("description", Fields::text);
        let category = fields.required("category", Fields::text);
        let price = fields.required("price", Fields::money);
        let image_url = fields.required("image_url", Fields::text);
        Some(Self(pb::UpdateProductRequest {
            product_id: 0,
            name: name?,
            description: description?,
            category: category?,
            price: Some(price?.into()),
            image_url: image_url?,
            expected_version: None,
        }))
    }
}
