//! The port to where orders are kept. One method is one transaction; a method that changes something
//! writes the event that tells of it in the same one.

mod cancellations;
#[cfg(test)]
mod conformance;
pub mod postgres;
pub mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use event_log::{Event, Outbox, Written};
use platform::config::Location;
use platform::metrics::Metrics;
use sql::Error;
use types::{OrderId, Timestamp, UserId};
use uuid::Uuid;

use crate::cancellation::Cancellation;
use crate::order::{Order, Status};
pub use cancellations::Cancellations;
pub use postgres::Postgres;
pub use sqlite::Sqlite;

/// Opens the orders where they are: a file for this process alone, or a database that instances share, each
/// with a `carrier` of its own.
///
/// # Errors
/// When the file is in use or newer than this program, or the server refuses; one that can't be reached is
/// waited for, and the store answers [`Error::Unavailable`] meanwhile.
pub async fn open(location: &Location, carrier: Uuid, metrics: &Metrics) -> anyhow::Result<Arc<dyn Store>> {
    Ok(match location {
        Location::File(path) => Arc::new(Sqlite::open(path, metrics).await?),
        Location::Postgres(server) => Arc::new(Postgres::open(server, carrier, metrics).await?),
    })
}

/// Opens the orders for looking only, whether or not a shop runs on them.
///
/// # Errors
/// When they are not there, or can't be read.
pub async fn open_read_only(location: &Location) -> anyhow::Result<Arc<dyn Store>> {
    Ok(match location {
        Location::File(path) => Arc::new(Sqlite::open_read_only(path).await?),
        Location::Postgres(server) => Arc::new(Postgres::open_read_only(server).await?),
    })
}

/// Orders, those on their way back ([`Cancellations`]), and the events that wait to be told ([`Outbox`]). A change that ended in [`Error::Unknown`] may
/// have been made; each may be repeated, which changes nothing more.
#[async_trait]
pub trait Store: Outbox + Cancellations + 'static {
    /// Keeps a new order together with `cause`, the event that made it, and the announcement. Does nothing
    /// at all if the checkout has its order already.
    async fn make(&self, order: Order, cause: Uuid, announcement: Event) -> Result<Made, Error>;

    /// The order, if there is one.
    async fn order(&self, id: OrderId) -> Result<Option<Order>, Error>;

    /// Up to `limit` orders of a user, newest first by `(created_at, id)`, those after `after` only.
    async fn orders(
        &self,
        user: UserId,
        status: Option<Status>,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<Order>, Error>;

    /// Brings an order that is still `step.from` to `step.to`, with the announcement. `false`, and nothing
    /// is written, if it is not there or no longer `step.from`.
    async fn change_status(&self, step: Step, announcement: Event) -> Result<bool, Error>;

    /// All there is, as of one moment.
    async fn snapshot(&self) -> Result<Snapshot, Error>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), Error>;
}

/// What became of [`Store::make`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// The order is new.
    Now,
    /// The checkout had become this order before.
    Before(Box<Order>),
}

/// Where an order stands in the list of its user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// When the order was made.
    pub created_at: Timestamp,
    /// Which of those made at that moment.
    pub id: OrderId,
}

/// A change of status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Of which order.
    pub id: OrderId,
    /// The status that it must have.
    pub from: Status,
    /// The status that it gets.
    pub to: Status,
    /// When.
    pub at: Timestamp,
}

/// All that the store holds, for an audit.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Every order, by `(created_at, id)`.
    pub orders: Vec<Order>,
    /// Every cancellation that was accepted, by order id.
    pub cancellations: Vec<Cancellation>,
    /// Every event that made an order, by order id.
    pub inbox: Vec<Applied>,
    /// Every event ever written, in the order of writing.
    pub outbox: Vec<Written>,
}

/// An event that made an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// The event.
    pub event_id: Uuid,
    /// The order.
    pub order_id: OrderId,
    /// When.
    pub applied_at: Timestamp,
}
