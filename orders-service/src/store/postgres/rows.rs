//! Rows as PostgreSQL has them, and the way to what they mean. A row that means nothing is a defect.

use std::collections::HashMap;

use platform::Origin;
use sql::Error;
use sqlx::types::time::OffsetDateTime;
use types::{Address, CheckoutId, Currency, Money, OrderId, ProductId, Quantity, UserId};
use uuid::Uuid;

use crate::cancellation;
use crate::order::{self, Purchase, Status};
use crate::store;

#[derive(sqlx::FromRow)]
pub(super) struct Order {
    pub(super) id: Uuid,
    checkout_id: Uuid,
    user_id: i64,
    status: String,
    total_minor: i64,
    currency: String,
    shipping_address: Option<String>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    /// Of its cancellation, while that runs.
    attempts: Option<i64>,
}

#[derive(sqlx::FromRow)]
pub(super) struct Line {
    order_id: Uuid,
    product_id: i64,
    product_name: String,
    quantity: i64,
    unit_price_minor: i64,
    line_total_minor: i64,
}

/// The lines of an order by column, as they are written.
pub(super) struct Lines<'a> {
    pub(super) product_ids: Vec<i64>,
    pub(super) product_names: Vec<&'a str>,
    pub(super) quantities: Vec<i64>,
    pub(super) unit_prices: Vec<i64>,
    pub(super) line_totals: Vec<i64>,
}

#[derive(sqlx::FromRow)]
pub(super) struct Applied {
    event_id: Uuid,
    order_id: Uuid,
    applied_at: OffsetDateTime,
}

#[derive(sqlx::FromRow)]
pub(super) struct Cancellation {
    order_id: Uuid,
    state: String,
    attempts: i64,
    traceparent: String,
    request_id: String,
    requested_at: OffsetDateTime,
    due_at: OffsetDateTime,
    fence: i64,
    ended_at: Option<OffsetDateTime>,
    checkout_id: Uuid,
    user_id: i64,
    total_minor: i64,
    currency: String,
}

/// The orders in their order, each with its lines in theirs.
pub(super) fn join(orders: Vec<Order>, lines: Vec<Line>) -> Result<Vec<order::Order>, Error> {
    let mut lines_of: HashMap<Uuid, Vec<Line>> = HashMap::with_capacity(orders.len());
    for line in lines {
        lines_of.entry(line.order_id).or_default().push(line);
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
        let currency: Currency = self.currency.parse().map_err(Error::defect)?;
        let status = Status::parse(&self.status)
            .ok_or_else(|| Error::defect(format!("an order has the status {}", self.status)))?;
        let address = self.shipping_address.as_deref().map(serde_json::from_str).transpose();
        Ok(order::Order {
            id: OrderId(self.id),
            purchase: Purchase {
                checkout_id: CheckoutId(self.checkout_id),
                user_id: UserId::try_from(self.user_id).map_err(Error::defect)?,
                lines: lines.into_iter().map(|line| line.into_domain(currency)).collect::<Result<_, _>>()?,
                total: Money::new(self.total_minor, currency),
                shipping_address: address.map_err(Error::defect)?,
            },
            status,
            stuck: self.attempts.is_some_and(|attempts| attempts >= i64::from(cancellation::STUCK_AFTER)),
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
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

impl<'a> Lines<'a> {
    pub(super) fn of(lines: &'a [order::Line]) -> Self {
        Self {
            product_ids: lines.iter().map(|line| line.product_id.get()).collect(),
            product_names: lines.iter().map(|line| line.product_name.as_str()).collect(),
            quantities: lines.iter().map(|line| line.quantity.get()).collect(),
            unit_prices: lines.iter().map(|line| line.unit_price.minor).collect(),
            line_totals: lines.iter().map(|line| line.line_total.minor).collect(),
        }
    }
}

impl Applied {
    pub(super) fn into_domain(self) -> store::Applied {
        store::Applied {
            event_id: self.event_id,
            order_id: OrderId(self.order_id),
            applied_at: self.applied_at.into(),
        }
    }
}

impl Cancellation {
    /// A cancellation that was claimed, unless it can't be read: it is left until its lease is over, and then for
    /// whoever can.
    pub(super) fn readable(self) -> Option<cancellation::Cancellation> {
        let order_id = self.order_id;
        let cancellation = self.into_domain();
        if let Err(error) = &cancellation {
            tracing::error!(%order_id, %error, "a cancellation can't be read");
        }
        cancellation.ok()
    }

    pub(super) fn into_domain(self) -> Result<cancellation::Cancellation, Error> {
        let currency: Currency = self.currency.parse().map_err(Error::defect)?;
        let state = cancellation::State::parse(&self.state)
            .ok_or_else(|| Error::defect(format!("a cancellation is in the unknown state {}", self.state)))?;
        Ok(cancellation::Cancellation {
            order_id: OrderId(self.order_id),
            checkout_id: CheckoutId(self.checkout_id),
            user_id: UserId::try_from(self.user_id).map_err(Error::defect)?,
            total: Money::new(self.total_minor, currency),
            origin: Origin { request_id: self.request_id, traceparent: self.traceparent },
            state,
            attempts: u32::try_from(self.attempts).map_err(Error::defect)?,
            requested_at: self.requested_at.into(),
            due_at: self.due_at.into(),
            fence: self.fence,
            ended_at: self.ended_at.map(Into::into),
        })
    }
}
