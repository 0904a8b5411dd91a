//! `/api/v1/products`

mod wanted;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::{CACHE_CONTROL, ETAG, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use platform::Context;
use proto::product as pb;
use proto::{Reason, Rejection};
use serde::Serialize;
use tonic::{Code, Status};
use types::{Money, ProductId, Timestamp};

use crate::body::Body;
use crate::conditional::{Wanted, etag, has_already, if_match};
use crate::gateway::Shop;
use crate::path::Id;
use crate::problem::Problem;
use crate::query::Query;
use crate::{inventory, reply};
use wanted::{Filter, NewProduct, WholeProduct};

/// Lists may be a few seconds old wherever they are kept.
const LIST_CACHING: &str = "public, max-age=5";
/// A product may be kept, but whoever keeps it asks each time whether it is still good.
const PRODUCT_CACHING: &str = "public, no-cache";

#[derive(Serialize)]
struct Product {
    id: i64,
    name: String,
    description: String,
    category: String,
    price: Money,
    image_url: String,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Serialize)]
struct Products {
    products: Vec<Product>,
    next_page_token: String,
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
) -> Result<Response, Problem> {
    let call = || {
        let (mut catalogue, request) = (shop.peers.products(), context.request(filter.clone()));
        async move { catalogue.get_products(request).await }
    };
    let page = shop.retries.read(call).await?;
    let products = page.products.into_iter().map(Product::try_from).collect::<Result<_, _>>()?;
    let body = Products { products, next_page_token: page.next_page_token };
    Ok(([(CACHE_CONTROL, LIST_CACHING)], Json(body)).into_response())
}

/// `GET /api/v1/products/{id}`
pub(crate) async fn show(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    Id(id): Id<ProductId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let product = find(&shop, &context, id).await?;
    let known = has_already(&headers, product.version);
    let headers = [(CACHE_CONTROL, PRODUCT_CACHING.to_owned()), (ETAG, etag(product.version))];
    if known {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, Json(Product::try_from(product)?)).into_response())
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
    let made = shop.peers.products().create_product(context.request(wanted.product)).await?.into_inner();
    let location = format!("/api/v1/products/{}", made.id);
    let stock = inventory::on_hand(made.id, wanted.initial_stock.unwrap_or(0));
    if let Err(status) = stocked(&shop, &context, stock).await {
        if wanted.initial_stock.is_some_and(|stock| stock > 0) {
            return Err(without_stock(made.id, &location, &status));
        }
        let (product_id, request_id) = (made.id, context.request_id());
        tracing::warn!(product_id, request_id, %status, "new product without a stock record");
    }
    let headers = [(LOCATION, location), (ETAG, etag(made.version))];
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
    product.expected_version = match if_match(&headers)? {
        Wanted::Any => None,
        Wanted::OneOf(versions) => match versions.as_slice() {
            [only] => Some(*only),
            several => {
                let current = find(&shop, &context, id).await?.version;
                Some(several.iter().copied().find(|version| *version == current).ok_or_else(stale)?)
            }
        },
    };
    let made = shop.peers.products().update_product(context.request(product)).await?.into_inner();
    Ok(([(ETAG, etag(made.version))], Json(Product::try_from(made)?)).into_response())
}

/// `DELETE /api/v1/products/{id}`
pub(crate) async fn delete(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    Id(id): Id<ProductId>,
) -> Result<StatusCode, Problem> {
    let request = pb::DeleteProductRequest { product_id: id.get() };
    shop.peers.products().delete_product(context.request(request)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(shop: &Shop, context: &Context, id: ProductId) -> Result<pb::Product, Problem> {
    let call = || {
        let request = context.request(pb::GetProductRequest { product_id: id.get() });
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

fn stale() -> Problem {
    Rejection::new(Code::Aborted, Reason::StaleVersion, "the product is no longer of a version in If-Match")
        .into()
}
