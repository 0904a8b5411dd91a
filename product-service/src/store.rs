//! The port to where products are kept.

#[cfg(test)]
pub mod conformance;
mod sqlite;

use async_trait::async_trait;
use types::{ProductId, Timestamp};

use crate::product::{Details, Product};
pub use sqlite::Sqlite;

/// Keeps products. Each method is one transaction, and what it answers is durable.
///
/// An error is one of the store itself, sorted by what can be done about it; that a product is absent or
/// has another version is an answer.
#[async_trait]
pub trait Store: Send + Sync {
    /// Every product, as of one moment, by id.
    async fn all(&self) -> Result<Vec<Product>, sql::Error>;

    /// Adds a product, with an id that none had before.
    async fn add(&self, details: &Details, now: Timestamp) -> Result<Product, sql::Error>;

    /// Replaces what is said about a product, whatever its version is, or only if it is `expected`.
    async fn replace(
        &self,
        id: ProductId,
        details: &Details,
        expected: Option<i64>,
        now: Timestamp,
    ) -> Result<Replaced, sql::Error>;

    /// Takes a product out; whether it was there.
    async fn remove(&self, id: ProductId) -> Result<bool, sql::Error>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), sql::Error>;

    /// Finishes what is under way and lets go of the place where products are kept. From then on every other
    /// method answers [`sql::Error::Unavailable`].
    async fn close(&self);
}

/// What became of a product that was to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// It is this now.
    Done(Product),
    /// It has another version than the expected one.
    Stale {
        /// The version it has.
        current: i64,
    },
    /// There is none.
    Absent,
}
