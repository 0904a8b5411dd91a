//! `/api/v1/orders`

pub(crate) mod docs;
pub(crate) mod events;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use platform::Context;
use proto::orders as pb;
use serde::Serialize;
use types::{Address, Money, OrderId, Timestamp};
use utoipa::ToSchema;

use crate::auth::Role;
use crate::body::Body;
use crate::fields::{Fields, Read};
use crate::gateway::Shop;
use crate::guard::Caller;
use crate::openapi::schemas;
use crate::path::Id;
use crate::problem::Problem;
use crate::query::{Page, Query};
use crate::reply;

/// Every status by its name.
const STATUSES: [(&str, pb::OrderStatus); 6] = [
    ("CONFIRMED", pb::OrderStatus::Confirmed),
    ("PROCESSING", pb::OrderStatus::Processing),
    ("SHIPPED", pb::OrderStatus::Shipped),
    ("DELIVERED", pb::OrderStatus::Delivered),
    ("CANCELLING", pb::OrderStatus::Cancelling),
    ("CANCELLED", pb::OrderStatus::Cancelled),
];

/// What was bought.
#[derive(Serialize, ToSchema)]
pub(crate) struct Order {
    #[schema(format = "uuid")]
    id: String,
    /// The checkout that it was bought with.
    #[schema(format = "uuid")]
    checkout_id: String,
    user_id: i64,
    #[schema(value_type = docs::OrderStatus)]
    status: &'static str,
    #[schema(value_type = schemas::Money)]
    total: Money,
    items: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Address, required = false)]
    shipping_address: Option<Address>,
    #[schema(value_type = schemas::Moment)]
    created_at: Timestamp,
    #[schema(value_type = schemas::Moment)]
    updated_at: Timestamp,
}

/// A line of an order, as it was bought.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderItem)]
struct Item {
    product_id: i64,
    product_name: String,
    quantity: i64,
    #[schema(value_type = schemas::Money)]
    unit_price: Money,
    #[schema(value_type = schemas::Money)]
    line_total: Money,
}

/// A page of orders.
#[derive(Serialize, ToSchema)]
pub(crate) struct Orders {
    orders: Vec<Order>,
    /// Empty on the last page.
    next_page_token: String,
}

impl TryFrom<pb::Order> for Order {
    type Error = Problem;

    fn try_from(order: pb::Order) -> Result<Self, Problem> {
        let status = STATUSES.iter().find(|(_, status)| *status == order.status());
        let (status, _) = status.ok_or_else(|| reply::broken("an order without a status"))?;
        Ok(Self {
            id: order.order_id,
            checkout_id: order.checkout_id,
            user_id: order.user_id,
            status,
            total: reply::money("order.total", order.total)?,
            items: order.items.into_iter().map(Item::try_from).collect::<Result<_, _>>()?,
            shipping_address: reply::address("order.shipping_address", order.shipping_address)?,
            created_at: reply::moment("order.created_at", order.created_at)?,
            updated_at: reply::moment("order.updated_at", order.updated_at)?,
        })
    }
}

impl TryFrom<pb::OrderItem> for Item {
    type Error = Problem;

    fn try_from(item: pb::OrderItem) -> Result<Self, Problem> {
        Ok(Self {
            product_id: item.product_id,
            product_name: item.product_name,
            quantity: item.quantity,
            unit_price: reply::money("item.unit_price", item.unit_price)?,
            line_total: reply::money("item.line_total", item.line_total)?,
        })
    }
}

fn status(text: &str) -> Option<pb::OrderStatus> {
    STATUSES.iter().find(|(name, _)| *name == text).map(|(_, status)| *status)
}

const ONE_OF_THEM: &str = "must be one of CONFIRMED, PROCESSING, SHIPPED, DELIVERED, CANCELLING, CANCELLED";

/// Which orders.
pub(crate) struct Filter {
    status: pb::OrderStatus,
    page: Page,
}

impl Read for Filter {
    fn read(fields: &mut Fields) -> Option<Self> {
        let status = fields.parsed("status", ONE_OF_THEM, status).unwrap_or_default();
        Some(Self { status, page: Page::read(fields) })
    }
}

/// The next step of an order.
pub(crate) struct Step(pb::OrderStatus);

impl Read for Step {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("status", |fields, name| fields.parsed(name, ONE_OF_THEM, status)).map(Self)
    }
}

/// `GET /api/v1/orders`
pub(crate) async fn list(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Orders>, Problem> {
    let request = pb::ListOrdersRequest {
        user_id: caller.user_id.get(),
        status: filter.status.into(),
        page_size: filter.page.size,
        page_token: filter.page.token,
    };
    let call = || {
        let (mut orders, request) = (shop.peers.orders(), context.request(request.clone()));
        async move { orders.list_orders(request).await }
    };
    let page = shop.retries.read(call).await?;
    let orders = page.orders.into_iter().map(Order::try_from).collect::<Result<_, _>>()?;
    Ok(Json(Orders { orders, next_page_token: page.next_page_token }))
}

/// `GET /api/v1/orders/{id}`
pub(crate) async fn show(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
    Id(id): Id<OrderId>,
) -> Result<Json<Order>, Problem> {
    let whose = whose(&caller);
    let call = || {
        let request = pb::GetOrderRequest { order_id: id.to_string(), user_id: whose };
        let (mut orders, request) = (shop.peers.orders(), context.request(request));
        async move { orders.get_order(request).await }
    };
    Order::try_from(shop.retries.read(call).await?).map(Json)
}

/// `POST /api/v1/orders/{id}/cancel`
pub(crate) async fn cancel(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
    Id(id): Id<OrderId>,
) -> Result<(StatusCode, Json<Order>), Problem> {
    let request = pb::CancelOrderRequest { order_id: id.to_string(), user_id: whose(&caller) };
    let order = shop.peers.orders().cancel_order(context.request(request)).await?;
    Ok((StatusCode::ACCEPTED, Json(Order::try_from(order.into_inner())?)))
}

/// Whose orders a caller may see and cancel; 0 for anyone's.
fn whose(caller: &Caller) -> i64 {
    match caller.role {
        Role::User => caller.user_id.get(),
        Role::Admin => 0,
    }
}

/// `PATCH /api/v1/orders/{id}`
pub(crate) async fn advance(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    Id(id): Id<OrderId>,
    Body(Step(status)): Body<Step>,
) -> Result<Json<Order>, Problem> {
    let request = pb::UpdateOrderStatusRequest { order_id: id.to_string(), status: status.into() };
    let order = shop.peers.orders().update_order_status(context.request(request)).await?;
    Order::try_from(order.into_inner()).map(Json)
}
