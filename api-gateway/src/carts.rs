//! `/api/v1/cart`

pub(crate) mod docs;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_LOCATION, CONTENT_TYPE, ETAG};
use http::{HeaderMap, StatusCode};
use platform::Context;
use proto::cart as pb;
use serde::Serialize;
use types::{Currency, Money, ProductId, Timestamp};
use utoipa::ToSchema;

use crate::body::Body;
use crate::conditional::{self, Tag, Wanted, if_match, stale};
use crate::fields::{Fields, Read};
use crate::gateway::Shop;
use crate::guard::Caller;
use crate::openapi::schemas;
use crate::path::Id;
use crate::problem::Problem;
use crate::reply::{self, encoded};

/// Where a cart is.
const PATH: &str = "/api/v1/cart";

/// What somebody wants.
#[derive(Serialize, ToSchema)]
pub(crate) struct Cart {
    user_id: i64,
    /// Goes up with each change.
    version: i64,
    items: Vec<Item>,
    /// The sum of the quantities.
    total_items: i64,
    /// The sum of what is available.
    #[schema(value_type = schemas::Money)]
    total: Money,
    /// Null for a cart that nothing was ever put into.
    #[schema(value_type = Option<schemas::Moment>, required = true)]
    updated_at: Option<Timestamp>,
}

/// A line of a cart.
#[derive(Serialize, ToSchema)]
#[schema(as = CartItem)]
struct Item {
    product_id: i64,
    name: String,
    quantity: i32,
    /// Null for a product that is no longer sold and whose price nobody knows any more.
    #[schema(value_type = Option<schemas::Money>, required = true)]
    unit_price: Option<Money>,
    #[schema(value_type = Option<schemas::Money>, required = true)]
    line_total: Option<Money>,
    #[schema(value_type = schemas::Moment)]
    added_at: Timestamp,
    /// Whether it is still for sale.
    available: bool,
}

impl TryFrom<pb::Cart> for Cart {
    type Error = Problem;

    fn try_from(cart: pb::Cart) -> Result<Self, Problem> {
        let nothing = Money::zero(Currency::USD).into();
        Ok(Self {
            user_id: cart.user_id,
            version: cart.version,
            items: cart.items.into_iter().map(Item::try_from).collect::<Result<_, _>>()?,
            total_items: cart.total_items,
            total: reply::money("cart.total", cart.total.or(Some(nothing)))?,
            updated_at: cart.updated_at.map(|at| reply::moment("cart.updated_at", Some(at))).transpose()?,
        })
    }
}

impl TryFrom<pb::CartItem> for Item {
    type Error = Problem;

    fn try_from(item: pb::CartItem) -> Result<Self, Problem> {
        let price = |field, money: Option<_>| money.map(|money| reply::money(field, Some(money))).transpose();
        Ok(Self {
            product_id: item.product_id,
            name: item.name,
            quantity: item.quantity,
            unit_price: price("item.unit_price", item.unit_price)?,
            line_total: price("item.line_total", item.line_total)?,
            added_at: reply::moment("item.added_at", item.added_at)?,
            available: item.available,
        })
    }
}

/// What to put into the cart.
pub(crate) struct NewItem {
    product_id: i64,
    quantity: i32,
}

impl Read for NewItem {
    fn read(fields: &mut Fields) -> Option<Self> {
        let product_id = fields.required("product_id", Fields::integer);
        let quantity = fields.required("quantity", Fields::integer);
        Some(Self { product_id: product_id?, quantity: on_the_wire(quantity?) })
    }
}

/// How many there should be.
pub(crate) struct NewQuantity(i32);

impl Read for NewQuantity {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("quantity", Fields::integer).map(on_the_wire).map(Self)
    }
}

/// What does not fit is out of bounds either way: the cart service says which bounds, as for any other quantity.
fn on_the_wire(quantity: i64) -> i32 {
    i32::try_from(quantity).unwrap_or(if quantity < 0 { i32::MIN } else { i32::MAX })
}

/// A cart is its user's alone, and its prices are the catalogue's of the moment.
const CACHING: &str = "no-store";

/// `GET /api/v1/cart`
pub(crate) async fn show(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let body = encoded(&Cart::try_from(find(&shop, &context, caller, false).await?)?)?;
    conditional::json(&headers, CACHING, &Tag::of(&body), || Ok(body.clone()))
}

/// `DELETE /api/v1/cart`
pub(crate) async fn clear(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let expected_version = expected(&shop, &context, caller, &headers).await?;
    let request = pb::ClearCartRequest { user_id: caller.user_id.get(), expected_version };
    let cart = shop.peers.carts().clear_cart(context.request(request)).await?;
    changed(StatusCode::OK, cart.into_inner())
}

/// `POST /api/v1/cart/items`
pub(crate) async fn add(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
    headers: HeaderMap,
    Body(NewItem { product_id, quantity }): Body<NewItem>,
) -> Result<Response, Problem> {
    let expected_version = expected(&shop, &context, caller, &headers).await?;
    let user_id = caller.user_id.get();
    let request = pb::AddItemRequest { user_id, product_id, quantity, expected_version };
    let cart = shop.peers.carts().add_item(context.request(request)).await?;
    changed(StatusCode::CREATED, cart.into_inner())
}

/// `PUT /api/v1/cart/items/{product_id}`
pub(crate) async fn set(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
    Id(product_id): Id<ProductId>,
    headers: HeaderMap,
    Body(NewQuantity(quantity)): Body<NewQuantity>,
) -> Result<Response, Problem> {
    let expected_version = expected(&shop, &context, caller, &headers).await?;
    let (user_id, product_id) = (caller.user_id.get(), product_id.get());
    let request = pb::UpdateQuantityRequest { user_id, product_id, quantity, expected_version };
    let cart = shop.peers.carts().update_quantity(context.request(request)).await?;
    changed(StatusCode::OK, cart.into_inner())
}

/// `DELETE /api/v1/cart/items/{product_id}`
pub(crate) async fn remove(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
    Id(product_id): Id<ProductId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let expected_version = expected(&shop, &context, caller, &headers).await?;
    let (user_id, product_id) = (caller.user_id.get(), product_id.get());
    let request = pb::RemoveItemRequest { user_id, product_id, expected_version };
    let cart = shop.peers.carts().remove_item(context.request(request)).await?;
    changed(StatusCode::OK, cart.into_inner())
}

/// The cart after a change, with the tag that `GET /api/v1/cart` has for it.
fn changed(status: StatusCode, cart: pb::Cart) -> Result<Response, Problem> {
    let body = encoded(&Cart::try_from(cart)?)?;
    let tag = Tag::of(&body).to_string();
    let head = [(CONTENT_TYPE, "application/json"), (CONTENT_LOCATION, PATH)];
    Ok((status, head, [(ETAG, tag)], body).into_response())
}

/// The version that the cart must have for `If-Match`; `None` where any will do. A tag stands for all that is shown,
/// prices included; the version, which decides when the change is made, for all that the user has put there.
async fn expected(
    shop: &Shop,
    context: &Context,
    caller: Caller,
    headers: &HeaderMap,
) -> Result<Option<i64>, Problem> {
    let Wanted::OneOf(tags) = if_match(headers)? else { return Ok(None) };
    let cart = find(shop, context, caller, true).await?;
    let version = cart.version;
    let tag = Tag::of(&encoded(&Cart::try_from(cart)?)?);
    if tags.contains(&tag) { Ok(Some(version)) } else { Err(stale()) }
}

async fn find(shop: &Shop, context: &Context, caller: Caller, fresh: bool) -> Result<pb::Cart, Problem> {
    let call = || {
        let request = pb::GetCartRequest { user_id: caller.user_id.get(), fresh };
        let (mut carts, request) = (shop.peers.carts(), context.request(request));
        async move { carts.get_cart(request).await }
    };
    shop.retries.read(call).await
}
