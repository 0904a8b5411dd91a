//! `/api/v1/cart`

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use platform::Context;
use proto::cart as pb;
use serde::Serialize;
use types::{Currency, Money, ProductId, Timestamp};

use crate::body::Body;
use crate::fields::{Fields, Read};
use crate::gateway::Shop;
use crate::guard::Caller;
use crate::path::Id;
use crate::problem::Problem;
use crate::reply;

#[derive(Serialize)]
pub(crate) struct Cart {
    user_id: i64,
    version: i64,
    items: Vec<Item>,
    total_items: i64,
    total: Money,
    /// Null for a cart that nothing was ever put into.
    updated_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Item {
    product_id: i64,
    name: String,
    quantity: i32,
    /// Null for a product that is no longer sold and whose price nobody knows any more.
    unit_price: Option<Money>,
    line_total: Option<Money>,
    added_at: Timestamp,
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

/// `GET /api/v1/cart`
pub(crate) async fn show(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
) -> Result<Json<Cart>, Problem> {
    let call = || {
        let request = pb::GetCartRequest { user_id: caller.user_id.get(), fresh: false };
        let (mut carts, request) = (shop.peers.carts(), context.request(request));
        async move { carts.get_cart(request).await }
    };
    Cart::try_from(shop.retries.read(call).await?).map(Json)
}

/// `DELETE /api/v1/cart`
pub(crate) async fn clear(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
) -> Result<Json<Cart>, Problem> {
    let request = pb::ClearCartRequest { user_id: caller.user_id.get() };
    let cart = shop.peers.carts().clear_cart(context.request(request)).await?;
    Cart::try_from(cart.into_inner()).map(Json)
}

/// `POST /api/v1/cart/items`
pub(crate) async fn add(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
    Body(NewItem { product_id, quantity }): Body<NewItem>,
) -> Result<(StatusCode, Json<Cart>), Problem> {
    let request = pb::AddItemRequest { user_id: caller.user_id.get(), product_id, quantity };
    let cart = shop.peers.carts().add_item(context.request(request)).await?;
    Ok((StatusCode::CREATED, Json(Cart::try_from(cart.into_inner())?)))
}

/// `PUT /api/v1/cart/items/{product_id}`
pub(crate) async fn set(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
    Id(product_id): Id<ProductId>,
    Body(NewQuantity(quantity)): Body<NewQuantity>,
) -> Result<Json<Cart>, Problem> {
    let (user_id, product_id) = (caller.user_id.get(), product_id.get());
    let request = pb::UpdateQuantityRequest { user_id, product_id, quantity };
    let cart = shop.peers.carts().update_quantity(context.request(request)).await?;
    Cart::try_from(cart.into_inner()).map(Json)
}

/// `DELETE /api/v1/cart/items/{product_id}`
pub(crate) async fn remove(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
    Id(product_id): Id<ProductId>,
) -> Result<Json<Cart>, Problem> {
    let request = pb::RemoveItemRequest { user_id: caller.user_id.get(), product_id: product_id.get() };
    let cart = shop.peers.carts().remove_item(context.request(request)).await?;
    Cart::try_from(cart.into_inner()).map(Json)
}
