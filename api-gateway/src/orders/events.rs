//! `/api/v1/orders/{id}/events`

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use platform::Context;
use proto::orders as pb;
use types::OrderId;

use super::{Order, status, whose};
use crate::events::{self, END, Told, event};
use crate::gateway::Shop;
use crate::guard::Caller;
use crate::path::Id;
use crate::problem::Problem;

/// `GET /api/v1/orders/{id}/events`
///
/// The order as it stands, and again with each new status. An order has a status once at most, so that is the id. Who
/// was away for several of them is told the one that the order has.
pub(crate) async fn watch(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
    Id(id): Id<OrderId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut seen = events::seen(&headers, status)?;
    let whose = whose(&caller);
    let open = || {
        let request = pb::WatchOrderRequest { order_id: id.to_string(), user_id: whose };
        let (mut orders, request) = (shop.peers.orders(), context.request(request));
        async move { orders.watch_order(request).await }
    };
    let tell = move |order: pb::Order| {
        let before = seen.replace(order.status());
        behind(before, order)
    };
    events::stream(&shop, caller, context.request_id(), open, tell).await
}

/// The order, unless that is the status that was seen.
fn behind(seen: Option<pb::OrderStatus>, order: pb::Order) -> Result<Told, Problem> {
    use pb::OrderStatus::{Cancelled, Delivered};
    let is_over = matches!(order.status(), Delivered | Cancelled);
    let mut told = Vec::new();
    if seen != Some(order.status()) {
        let order = Order::try_from(order)?;
        let name = if is_over { END } else { "status" };
        told.push(event(order.status, name, &order)?);
    }
    Ok(if is_over { Told::Last(told) } else { Told::More(told) })
}
