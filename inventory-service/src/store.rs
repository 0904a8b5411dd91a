//! Where stock is kept: the port, and its adapters.

#[cfg(test)]
mod conformance;
mod sqlite;

use async_trait::async_trait;
use types::{ProductId, ReservationId, Timestamp};

use crate::ledger::{Movement, Snapshot};
use crate::reservation::{Command, Reply};
use crate::stock::{BelowHeld, OnHand, Stock};
pub use sqlite::Sqlite;

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
