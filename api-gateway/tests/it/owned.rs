//! Services in which all goes well, and things belong to somebody.

use proto::{Reason, Rejection, cart, checkout, inventory, orders, product};
use tonic::{Code, Status};

use crate::changes::Changes;
use crate::fake::Fake;
use crate::replies;

/// Whose checkout and order there are.
pub(crate) const OWNER: i64 = 7;

/// Services that know whose things are whose.
pub(crate) fn everything_works(services: &Fake) {
    let product_page = product::GetProductsResponse {
        products: vec![replies::product()],
        ..product::GetProductsResponse::default()
    };
    services.replies("get_products", product_page);
    for rpc in ["get_product", "create_product", "update_product"] {
        services.replies(rpc, replies::product());
    }
    services.replies("delete_product", ());
    for rpc in ["get_stock", "set_stock"] {
        services.replies::<inventory::Stock>(rpc, replies::stock());
    }
    services.replies("update_order_status", replies::order());

    fn theirs(user_id: i64) -> Result<cart::Cart, Status> {
        Ok(cart::Cart { user_id, ..replies::cart() })
    }
    services.decides("get_cart", |asked: &cart::GetCartRequest| theirs(asked.user_id));
    services.decides("clear_cart", |asked: &cart::ClearCartRequest| theirs(asked.user_id));
    services.decides("add_item", |asked: &cart::AddItemRequest| theirs(asked.user_id));
    services.decides("update_quantity", |asked: &cart::UpdateQuantityRequest| theirs(asked.user_id));
    services.decides("remove_item", |asked: &cart::RemoveItemRequest| theirs(asked.user_id));

    services.decides("initiate_checkout", |asked: &checkout::InitiateCheckoutRequest| {
        let checkout = checkout::Checkout { user_id: asked.user_id, ..done() };
        Ok(checkout::InitiateCheckoutResponse { checkout: Some(checkout), replayed: false })
    });
    services.decides("get_checkout", |asked: &checkout::GetCheckoutRequest| match asked.user_id {
        OWNER => Ok(done()),
        _ => Err(missing(Reason::CheckoutNotFound)),
    });
    services.decides("watch_checkout", |asked: &checkout::WatchCheckoutRequest| match asked.user_id {
        OWNER => Ok(Changes::ending([Ok(done())])),
        _ => Err(missing(Reason::CheckoutNotFound)),
    });
    services.decides("watch_order", |asked: &orders::WatchOrderRequest| {
        let order = order_of(asked.user_id)?;
        let status = orders::OrderStatus::Delivered.into();
        Ok(Changes::ending([Ok(orders::Order { status, ..order })]))
    });
    services.decides("list_orders", |asked: &orders::ListOrdersRequest| {
        let order = orders::Order { user_id: asked.user_id, ..replies::order() };
        Ok(orders::ListOrdersResponse { orders: vec![order], next_page_token: String::new() })
    });
    services.decides("get_order", |asked: &orders::GetOrderRequest| order_of(asked.user_id));
    services.decides("cancel_order", |asked: &orders::CancelOrderRequest| order_of(asked.user_id));
}

fn done() -> checkout::Checkout {
    replies::checkout(checkout::CheckoutStatus::Completed)
}

fn missing(reason: Reason) -> Status {
    Rejection::new(Code::NotFound, reason, "not found").into_status()
}

/// 0 asks for anybody's.
fn order_of(user_id: i64) -> Result<orders::Order, Status> {
    match user_id {
        0 | OWNER => Ok(orders::Order { user_id: OWNER, ..replies::order() }),
        _ => Err(missing(Reason::OrderNotFound)),
    }
}
