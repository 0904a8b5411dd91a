//! The wire: parse, call, render.

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use platform::Context;
use proto::Invalid;
use proto::convert;
use proto::orders::orders_service_server::OrdersService;
use proto::orders::{
    CancelOrderRequest, GetOrderRequest, ListOrdersRequest, ListOrdersResponse, Order as WireOrder,
    OrderItem, OrderStatus, UpdateOrderStatusRequest, WatchOrderRequest,
};
use serde::{Deserialize, Serialize};
use tonic::{Request, Response};
use types::{InvalidPage, OrderId, PageToken, Timestamp, UserId};

use crate::order::{Line, Order, Status};
use crate::orders::Orders;
use crate::store::Position;

/// `orders.OrdersService`.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) orders: Orders,
}

#[tonic::async_trait]
impl OrdersService for Api {
    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<WireOrder>, tonic::Status> {
        let context = Context::of(&request);
        let request = request.into_inner();
        let owner = context.about(convert::any_user_id("user_id", request.user_id)?);
        let id: OrderId = convert::parse("order_id", &request.order_id)?;
        render(&context, self.orders.order(id, owner).await?)
    }

    async fn list_orders(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, tonic::Status> {
        let context = Context::of(&request);
        let request = request.into_inner();
        let user = context.about(convert::user_id("user_id", request.user_id)?);
        let status = status(request.status)?;
        let size = convert::page_size(request.page_size)?;
        let after = Cursor::open(&request.page_token, user, status)?;
        let page = self.orders.page(user, status, after, size).await?;
        Ok(Response::new(ListOrdersResponse {
            orders: page.orders.into_iter().map(WireOrder::from).collect(),
            next_page_token: page.next.map(|next| Cursor::seal(next, user, status)).unwrap_or_default(),
        }))
    }

    async fn update_order_status(
        &self,
        request: Request<UpdateOrderStatusRequest>,
    ) -> Result<Response<WireOrder>, tonic::Status> {
        let context = Context::of(&request);
        let request = request.into_inner();
        let id: OrderId = convert::parse("order_id", &request.order_id)?;
        let to = status(request.status)?.ok_or_else(unknown_status)?;
        render(&context, self.orders.change_status(id, to, &context.origin()).await?)
    }

    async fn cancel_order(
        &self,
        request: Request<CancelOrderRequest>,
    ) -> Result<Response<WireOrder>, tonic::Status> {
        let context = Context::of(&request);
        let request = request.into_inner();
        let owner = context.about(convert::any_user_id("user_id", request.user_id)?);
        let id: OrderId = convert::parse("order_id", &request.order_id)?;
        render(&context, self.orders.cancel(id, owner, &context.origin()).await?)
    }

    type WatchOrderStream = BoxStream<'static, Result<WireOrder, tonic::Status>>;

    async fn watch_order(
        &self,
        request: Request<WatchOrderRequest>,
    ) -> Result<Response<Self::WatchOrderStream>, tonic::Status> {
        let context = Context::of(&request);
        let request = request.into_inner();
        let owner = context.about(convert::any_user_id("user_id", request.user_id)?);
        let id: OrderId = convert::parse("order_id", &request.order_id)?;
        let changes = self.orders.watch(id, owner).await?;
        Ok(Response::new(changes.map_ok(WireOrder::from).map_err(tonic::Status::from).boxed()))
    }
}

fn render(context: &Context, order: Order) -> Result<Response<WireOrder>, tonic::Status> {
    context.about(order.purchase.user_id);
    Ok(Response::new(order.into()))
}

/// The key of the last order of a page, with what the list was asked for: a token of one list is of no use
/// in another.
#[derive(Serialize, Deserialize)]
struct Cursor {
    user: UserId,
    status: Option<String>,
    created_at_micros: i64,
    id: OrderId,
}

impl Cursor {
    fn seal(position: Position, user: UserId, status: Option<Status>) -> String {
        let cursor = Self {
            user,
            status: status.map(|status| status.to_string()),
            created_at_micros: position.created_at.micros(),
            id: position.id,
        };
        PageToken::seal(&cursor).into_string()
    }

    fn open(token: &str, user: UserId, status: Option<Status>) -> Result<Option<Position>, Invalid> {
        let Some(cursor) = convert::page_token::<Self>(token)? else {
            return Ok(None);
        };
        let position =
            Position { created_at: Timestamp::from_micros(cursor.created_at_micros), id: cursor.id };
        // No order was made at a moment that is none.
        if Self::seal(position, user, status) == token {
            Ok(Some(position))
        } else {
            Err(Invalid::new("page_token", InvalidPage::Token))
        }
    }
}

/// The field `status`; `None` where it is unspecified.
fn status(number: i32) -> Result<Option<Status>, Invalid> {
    match OrderStatus::try_from(number).map_err(|_| unknown_status())? {
        OrderStatus::Unspecified => Ok(None),
        OrderStatus::Confirmed => Ok(Some(Status::Confirmed)),
        OrderStatus::Processing => Ok(Some(Status::Processing)),
        OrderStatus::Shipped => Ok(Some(Status::Shipped)),
        OrderStatus::Delivered => Ok(Some(Status::Delivered)),
        OrderStatus::Cancelling => Ok(Some(Status::Cancelling)),
        OrderStatus::Cancelled => Ok(Some(Status::Cancelled)),
    }
}

fn unknown_status() -> Invalid {
    Invalid::new("status", "must be CONFIRMED, PROCESSING, SHIPPED, DELIVERED, CANCELLING or CANCELLED")
}

impl From<Status> for OrderStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Confirmed => Self::Confirmed,
            Status::Processing => Self::Processing,
            Status::Shipped => Self::Shipped,
            Status::Delivered => Self::Delivered,
            Status::Cancelling => Self::Cancelling,
            Status::Cancelled => Self::Cancelled,
        }
    }
}

impl From<Order> for WireOrder {
    fn from(order: Order) -> Self {
        let purchase = order.purchase;
        Self {
            order_id: order.id.to_string(),
            checkout_id: purchase.checkout_id.to_string(),
            user_id: purchase.user_id.get(),
            status: OrderStatus::from(order.status).into(),
            total: Some(purchase.total.into()),
            items: purchase.lines.into_iter().map(OrderItem::from).collect(),
            shipping_address: purchase.shipping_address.map(Into::into),
            created_at: Some(convert::timestamp(order.created_at)),
            updated_at: Some(convert::timestamp(order.updated_at)),
            stuck: order.stuck,
        }
    }
}

impl From<Line> for OrderItem {
    fn from(line: Line) -> Self {
        Self {
            product_id: line.product_id.get(),
            product_name: line.product_name,
            quantity: line.quantity.get(),
            unit_price: Some(line.unit_price.into()),
            line_total: Some(line.line_total.into()),
        }
    }
}

#[cfg(test)]
mod fuzz;
