//! Where stock is kept: the port, and its adapters.

#[cfg(test)]
mod conformance;
mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use platform::config::Location;
use platform::metrics::Metrics;
use types::{ProductId, ReservationId, Timestamp};

use crate::ledger::{Movement, Snapshot};
use crate::reservation::{Command, Reply};
use crate::stock::{BelowHeld, OnHand, Stock};
pub use postgres::Postgres;
pub use sqlite::Sqlite;

/// Opens the stock where it is kept, begun with that of the first catalogue if it is not there: a file for this
/// process alone, a database together with other instances. A database that can't be reached yet is waited for
/// in the background.
///
/// # Errors
/// A file that is in use, or a store that is newer than this program or can't be opened; in one line, without
/// a password.
pub async fn open(location: &Location, metrics: &Metrics) -> anyhow::Result<Arc<dyn Store>> {
    Ok(match location {
        Location::File(path) => Arc::new(Sqlite::open(path, metrics).await?),
        Location::Postgres(server) => Arc::new(Postgres::open(server, metrics).await?),
    })
}

/// Opens the stock of a shop that may be running, to look only: every change is refused.
///
/// # Errors
/// A store that is not there or can't be opened.
pub async fn open_read_only(location: &Location) -> anyhow::Result<Arc<dyn Store>> {
    Ok(match location {
        Location::File(path) => Arc::new(Sqlite::open_read_only(path).await?),
        Location::Postgres(server) => Arc::new(Postgres::open_read_only(server).await?),
    })
}

/// What is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// How many reservations hold something.
    pub reservations: u64,
    /// How many units they hold.
    pub units: u64,
}

/// A store of stock, reservations and their movements. Each method is one transaction, durable when it returns;
/// what it decides, it decides by the functions of [`crate::reservation`] and [`crate::stock`].
#[async_trait]
pub trait Store: Send + Sync {
    /// Carries out a command on the reservation `id`: what [`crate::reservation::decide`] says, written under the
    /// condition that the reservation is still in the state that was decided on.
    async fn apply(&self, id: ReservationId, command: Command, now: Timestamp) -> Result<Reply, sql::Error>;

    /// Expires up to `limit` reservations whose hold ended by `now`, the longest overdue first; how many.
    async fn expire_due(&self, now: Timestamp, limit: u32) -> Result<u32, sql::Error>;

    /// When the next hold ends; `None` while nothing is held.
    async fn next_expiry(&self) -> Result<Option<Timestamp>, sql::Error>;

    /// All that is held at this moment.
    async fn held(&self) -> Result<Held, sql::Error>;

    /// The stock of a product; `None` where none is kept.
    async fn stock(&self, product_id: ProductId) -> Result<Option<Stock>, sql::Error>;

    /// Sets what is on hand, from now on kept for a product that was unknown.
    async fn set_on_hand(
        &self,
        product_id: ProductId,
        on_hand: OnHand,
        now: Timestamp,
    ) -> Result<Result<Stock, BelowHeld>, sql::Error>;

    /// Up to `limit` movements of a product, newest first, older than the movement `before`.
    async fn movements(
        &self,
        product_id: ProductId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Movement>, sql::Error>;

    /// Everything, as of one moment: for audits.
    async fn snapshot(&self) -> Result<Snapshot, sql::Error>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), sql::Error>;
}
