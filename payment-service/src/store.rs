//! Port: where payments are kept.

use async_trait::async_trait;
use sql::Error;
use types::{CheckoutId, Timestamp};

use crate::payment::{Payment, Status};

#[cfg(test)]
mod conformance;
pub mod sqlite;

/// Payments, one per checkout. Each method is one transaction, durable when it has answered.
#[async_trait]
pub trait Store: Send + Sync {
    /// The payment of a checkout.
    ///
    /// # Errors
    /// When the store can't be read.
    async fn find(&self, checkout_id: CheckoutId) -> Result<Option<Payment>, Error>;

    /// Adds a payment, unless the checkout has one; that one stays as it is. Answers with the one that is
    /// there then.
    ///
    /// # Errors
    /// When the store can't be written, or does not know whether it was.
    async fn begin(&self, payment: Payment) -> Result<Payment, Error>;

    /// Moves a payment to a status, if it still has the status that `seen` has. Answers with the payment as
    /// it is then, whoever moved it.
    ///
    /// # Errors
    /// When the store can't be written, or does not know whether it was.
    async fn advance(&self, seen: &Payment, to: Status, at: Timestamp) -> Result<Payment, Error>;

    /// Every payment, as they all were at one moment, oldest first.
    ///
    /// # Errors
    /// When the store can't be read.
    async fn snapshot(&self) -> Result<Vec<Payment>, Error>;

    /// Whether the store can be reached at this moment.
    ///
    /// # Errors
    /// When it can't.
    async fn ping(&self) -> Result<(), Error>;
}
