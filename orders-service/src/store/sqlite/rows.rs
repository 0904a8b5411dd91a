//! Rows as SQLite has them, and the way to what they mean. A row that means nothing is a defect.

use std::collections::HashMap;
use std::str::FromStr;

use platform::Origin;
use sql::Error;
use types::{Address, Currency, Money, OrderId, ProductId, Quantity, Timestamp, UserId};
use uuid::Uuid;

use crate::cancellation;
use crate::order::{self, Purchase, Status};
use crate::store;

#[derive(sqlx::FromRow)]
pub(super) struct Order {
    pub(super) id: String,
    checkout_id: String,
    user_id: i64,
    status: String,
    total_minor: i64,
    currency: String,
    shipping_address: Option<String>,
    created_at: i64,
    updated_at: i64,
    /// Of its cancellation, while that runs.
    attempts: Option<i64>,
}

#[derive(sqlx::FromRow)]
pub(super) struct Line {
    order_id: String,
    product_id: i64,
    product_name: String,
    quantity: i64,
    unit_price_minor: i64,
    line_total_minor: i64,
}

#[derive(sqlx::FromRow)]
pub(super) struct Applied {
    event_id: String,
    order_id: String,
    applied_at: i64,
}

#[derive(sqlx::FromRow)]
pub(super) struct Cancellation {
    order_id: String,
    state: String,
    attempts: i64,
    traceparent: String,
    request_id: String,
    requested_at: i64,
    due_at: i64,
    fence: i64,
    ended_at: Option<i64>,
    checkout_id: String,
    user_id: i64,
    total_minor: i64,
    currency: String,
}

/// The orders in their order, each with its lines in theirs.
pub(super) fn join(orders: Vec<Order>, lines: Vec<Line>) -> Result<Vec<order::Order>, Error> {
    let mut lines_of: HashMap<String, Vec<Line>> = HashMap::with_capacity(orders.len());
    for line in lines {
        lines_of.entry(line.order_id.clone()).or_default().push(line);
    }
    let with_lines = |order: Order| {
        let lines = lines_of.remove(&order.id).unwrap_or_default();
        order.into_domain(lines)
    };
    orders.into_iter().map(with_lines).collect()
}

/// The address as JSON.
pub(super) fn address_text(address: Option<&Address>) -> Result<Option<String>, Error> {
    address.map(serde_json::to_string).transpose().map_err(Error::defect)
}

impl Order {
    fn into_domain(self, lines: Vec<Line>) -> Result<order::Order, Error> {
        let currency: Currency = parse(&self.currency)?;
        let status = Status::parse(&self.status)
            .ok_or_else(|| Error::defect(format!("an order has the status {}", self.status)))?;
        let address = self.shipping_address.as_deref().map(serde_json::from_str).transpose();
        Ok(order::Order {
            id: parse(&self.id)?,
            purchase: Purchase {
                checkout_id: parse(&self.checkout_id)?,
                user_id: UserId::try_from(self.user_id).map_err(Error::defect)?,
                lines: lines.into_iter().map(|line| line.into_domain(currency)).collect::<Result<_, _>>()?,
                total: Money::new(self.total_minor, currency),
                shipping_address: address.map_err(Error::defect)?,
            },
            status,
            stuck: self.attempts.is_some_and(|attempts| attempts >= i64::from(cancellation::STUCK_AFTER)),
            created_at: Timestamp::from_micros(self.created_at),
            updated_at: Timestamp::from_micros(self.updated_at),
        })
    }
}

impl Line {
    fn into_domain(self, currency: Currency) -> Result<order::Line, Error> {
        Ok(order::Line {
            product_id: ProductId::try_from(self.product_id).map_err(Error::defect)?,
            product_name: self.product_name,
            quantity: Quantity::try_from(self.quantity).map_err(Error::defect)?,
            unit_price: Money::new(self.unit_price_minor, currency),
            line_total: Money::new(self.line_total_minor, currency),
        })
    }
}

impl Applied {
    pub(super) fn into_domain(self) -> Result<store::Applied, Error> {
        Ok(store::Applied {
            event_id: parse::<Uuid>(&self.event_id)?,
            order_id: parse::<OrderId>(&self.order_id)?,
            applied_at: Timestamp::from_micros(self.applied_at),
        })
    }
}

impl Cancellation {
    /// A cancellation that was claimed, unless it can't be read: it is left until its lease is over, and then for
    /// whoever can.
    pub(super) fn readable(self) -> Option<cancellation::Cancellation> {
        let order_id = self.order_id.clone();
        let cancellation = self.into_domain();
        if let Err(error) = &cancellation {
            tracing::error!(%order_id, %error, "a cancellation can't be read");
        }
        cancellation.ok()
    }

    pub(super) fn into_domain(self) -> Result<cancellation::Cancellation, Error> {
        let currency: Currency = parse(&self.currency)?;
        let state = cancellation::State::parse(&self.state)
            .ok_or_else(|| Error::defect(format!("a cancellation is in the unknown state {}", self.state)))?;
        Ok(cancellation::Cancellation {
            order_id: parse(&self.order_id)?,
            checkout_id: parse(&self.checkout_id)?,
            user_id: UserId::try_from(self.user_id).map_err(Error::defect)?,
            total: Money::new(self.total_minor, currency),
            origin: Origin { request_id: self.request_id, traceparent: self.traceparent },
            state,
            attempts: u32::try_from(self.attempts).map_err(Error::defect)?,
            requested_at: Timestamp::from_micros(self.requested_at),
            due_at: Timestamp::from_micros(self.due_at),
            fence: self.fence,
            ended_at: self.ended_at.map(Timestamp::from_micros),
        })
    }
}

fn parse<T>(text: &str) -> Result<T, Error>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(Error::defect)
}
