//! What the services tell each other after the fact: topics, event types and their JSON.
//!
//! Readers ignore fields that they don't know, so that writers may add some.

use serde::{Deserialize, Serialize};
use types::{Address, CheckoutId, Money, OrderId, ProductId, Quantity, Timestamp, UserId};

/// What became of checkouts; the key is the user id.
pub const CHECKOUT_EVENTS: &str = "checkout-events";
/// What became of orders; the key is the user id.
pub const ORDER_EVENTS: &str = "order-events";

/// A line of what was bought, at the price that was paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The product.
    pub product_id: ProductId,
    /// Its name at the time.
    pub product_name: String,
    /// Units bought.
    pub quantity: Quantity,
    /// Price of one.
    pub unit_price: Money,
    /// Price of all.
    pub line_total: Money,
}

/// `checkout.completed.v1`: the money is taken and the stock is sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutCompleted {
    /// The checkout.
    pub checkout_id: CheckoutId,
    /// The order that it becomes.
    pub order_id: OrderId,
    /// Who bought.
    pub user_id: UserId,
    /// What was bought.
    pub items: Vec<Item>,
    /// What was paid.
    pub total: Money,
    /// Where it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<Address>,
    /// The version of the cart that was bought.
    pub cart_version: i64,
    /// When the checkout ended.
    pub completed_at: Timestamp,
}

impl CheckoutCompleted {
    /// The event type.
    pub const TYPE: &'static str = "checkout.completed.v1";
}

/// `checkout.failed.v1`: nothing was bought, nothing is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutFailed {
    /// The checkout.
    pub checkout_id: CheckoutId,
    /// Who tried to buy.
    pub user_id: UserId,
    /// Why not: `payment_declined`, `insufficient_stock`, `checkout_expired`.
    pub code: String,
    /// When the checkout ended.
    pub failed_at: Timestamp,
}

impl CheckoutFailed {
    /// The event type.
    pub const TYPE: &'static str = "checkout.failed.v1";
}

/// `order.created.v1`: an order was made from a completed checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCreated {
    /// The order.
    pub order_id: OrderId,
    /// The checkout that it was made from.
    pub checkout_id: CheckoutId,
    /// Who bought.
    pub user_id: UserId,
    /// What was paid.
    pub total: Money,
    /// When the order was made.
    pub created_at: Timestamp,
}

impl OrderCreated {
    /// The event type.
    pub const TYPE: &'static str = "order.created.v1";
}

/// `order.status_changed.v1`: an order took a step of its lifecycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderStatusChanged {
    /// The order.
    pub order_id: OrderId,
    /// Who bought.
    pub user_id: UserId,
    /// The status before: `CONFIRMED`.
    pub from: String,
    /// The status now: `PROCESSING`.
    pub to: String,
    /// When it changed.
    pub changed_at: Timestamp,
}

impl OrderStatusChanged {
    /// The event type.
    pub const TYPE: &'static str = "order.status_changed.v1";
}

/// `order.cancelled.v1`: the money of an order was given back, and its stock is for sale again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancelled {
    /// The order.
    pub order_id: OrderId,
    /// The checkout that it was made from.
    pub checkout_id: CheckoutId,
    /// Who bought.
    pub user_id: UserId,
    /// What was given back.
    pub refunded: Money,
    /// When both were back.
    pub cancelled_at: Timestamp,
}

impl OrderCancelled {
    /// The event type.
    pub const TYPE: &'static str = "order.cancelled.v1";
}
