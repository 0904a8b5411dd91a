//! `/api/v1/products`

pub(crate) mod docs;
pub(crate) mod pages;
mod wanted;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::{ETAG, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use platform::Context;
use proto::product as pb;
use serde::Serialize;
use tonic::Status;
use types::{Money, ProductId, Timestamp};
use utoipa::ToSchema;

use crate::body::Body;
use crate::conditional::{self, Tag, Wanted, if_match, stale};
use crate::gateway::Shop;
use crate::inventory;
use crate::openapi::schemas;
use crate::path::Id;
use crate::problem::Problem;
use crate::query::Query;
use crate::reply::{self, encoded};
use wanted::Filter;
pub(crate) use wanted::{NewProduct, WholeProduct};

/// A product may be kept, but whoever keeps it asks each time whether it is still good.
const PRODUCT_CACHING: &str = "public, no-cache";

/// What is for sale.
#[derive(Serialize, ToSchema)]
struct Product {
    id: i64,
    name: String,
    description: String,
    category: String,
    #[schema(value_type = schemas::Money)]
    price: Money,
    image_url: String,
    /// Goes up with each change.
    version: i64,
    #[schema(value_type = schemas::Moment)]
    created_at: Timestamp,
    #[schema(value_type = schemas::Moment)]
    updated_at: Timestamp,
}

impl TryFrom<pb::Product> for Product {
    type Error = Problem;

    fn try_from(product: pb::Product) -> Result<Self, Problem> {
        Ok(Self {
            id: product.id,
            name: product.name,
            description: product.description,
            category: product.category,
            price: reply::money("product.price", product.price)?,
            image_url: product.image_url,
            version: product.version,
            created_at: reply::moment("product.created_at", product.created_at)?,
            updated_at: reply::moment("product.updated_at", product.updated_at)?,
        })
    }
}

/// `GET /api/v1/products`
pub(crate) async fn list(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    Query(Filter(filter)): Query<Filter>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    pages::page(&shop, &context, filter, &headers).await
}

/// `GET /api/v1/products/{id}`
pub(crate) async fn show(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    Id(id): Id<ProductId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let product = find(&shop, &context, id).await?;
    let tag = Tag::of_version(product.version);
    conditional::json(&headers, PRODUCT_CACHING, &tag, || encoded(&Product::try_from(product)?))
}

/// `POST /api/v1/products`
///
/// Two services learn of a new product. If the inventory can't be reached, the product is there without stock: that
/// is what was asked for without `initial_stock`, so 201. With it, the answer is 503 `initial_stock_not_set` that
/// names the product, so that the stock can be set and the product is not made twice.
pub(crate) async fn create(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    Body(wanted): Body<NewProduct>,
) -> Result<Response, Problem> {
    let made = shop.peers.products().create_product(context.request(wanted.product)).await?;
    let made = shop.catalogue.changed(made);
    let location = format!("/api/v1/products/{}", made.id);
    let stock = inventory::on_hand(made.id, wanted.initial_stock.unwrap_or(0));
    if let Err(status) = stocked(&shop, &context, stock).await {
        if wanted.initial_stock.is_some_and(|stock| stock > 0) {
            return Err(without_stock(made.id, &location, &status));
        }
        let (product_id, request_id) = (made.id, context.request_id());
        tracing::warn!(product_id, request_id, %status, "new product without a stock record");
    }
    let headers = [(LOCATION, location), (ETAG, Tag::of_version(made.version).to_string())];
    Ok((StatusCode::CREATED, headers, Json(Product::try_from(made)?)).into_response())
}

/// `PUT /api/v1/products/{id}`
pub(crate) async fn replace(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    Id(id): Id<ProductId>,
    headers: HeaderMap,
    Body(WholeProduct(mut product)): Body<WholeProduct>,
) -> Result<Response, Problem> {
    product.product_id = id.get();
    product.expected_version = expected(&shop, &context, id, &headers).await?;
    let made = shop.peers.products().update_product(context.request(product)).await?;
    let made = shop.catalogue.changed(made);
    let tag = Tag::of_version(made.version).to_string();
    Ok(([(ETAG, tag)], Json(Product::try_from(made)?)).into_response())
}

/// `DELETE /api/v1/products/{id}`
pub(crate) async fn delete(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    Id(id): Id<ProductId>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let expected_version = expected(&shop, &context, id, &headers).await?;
    let request = pb::DeleteProductRequest { product_id: id.get(), expected_version };
    shop.catalogue.changed(shop.peers.products().delete_product(context.request(request)).await?);
    Ok(StatusCode::NO_CONTENT)
}

/// The version that a product must have for `If-Match`; `None` where any will do.
async fn expected(
    shop: &Shop,
    context: &Context,
    id: ProductId,
    headers: &HeaderMap,
) -> Result<Option<i64>, Problem> {
    let Wanted::OneOf(tags) = if_match(headers)? else { return Ok(None) };
    let versions: Vec<i64> = tags.iter().filter_map(Tag::version).filter(|version| *version > 0).collect();
    if let [only] = versions.as_slice() {
        return Ok(Some(*only));
    }
    let current = find(shop, context, id).await?.version;
    if versions.contains(&current) { Ok(Some(current)) } else { Err(stale()) }
}

async fn find(shop: &Shop, context: &Context, id: ProductId) -> Result<pb::Product, Problem> {
    let call = || {
        let request = shop.catalogue.request(context, pb::GetProductRequest { product_id: id.get() });
        let mut catalogue = shop.peers.products();
        async move { catalogue.get_product(request).await }
    };
    shop.retries.read(call).await
}

/// Sets the stock, and once more if that fails: setting it twice is setting it once.
async fn stocked(
    shop: &Shop,
    context: &Context,
    stock: proto::inventory::SetStockRequest,
) -> Result<(), Status> {
    match shop.peers.stock().set_stock(context.request(stock)).await {
        Ok(_) => Ok(()),
        Err(_) => shop.peers.stock().set_stock(context.request(stock)).await.map(drop),
    }
}

fn without_stock(product_id: i64, location: &str, status: &Status) -> Problem {
    let detail = "the product is made, its stock is not set; set it by PUT /api/v1/inventory/{product_id}";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "initial_stock_not_set", detail)
        .with("product_id", product_id)
        .because(status);
    match HeaderValue::from_str(location) {
        Ok(location) => problem.header(LOCATION, location),
        Err(_) => problem,
    }
}
