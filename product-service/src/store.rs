//! The port to where products are kept.

#[cfg(test)]
pub mod conformance;
mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use platform::config::Location;
use platform::metrics::Metrics;
use types::{ProductId, Timestamp};

use crate::product::{Details, Product};
pub use postgres::Postgres;
pub use sqlite::Sqlite;

/// Opens the place where products are kept; a new one holds what a new shop sells. A file is for this process
/// alone, a database is shared with other instances and, if it can't be reached yet, waited for in the background.
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

/// Keeps products. Each method is one transaction, and what it answers is durable.
///
/// An error is one of the store itself, sorted by what can be done about it; that a product is absent or
/// has another version is an answer.
#[async_trait]
pub trait Store: Send + Sync {
    /// Every product, as of one moment.
    async fn all(&self) -> Result<Listing, sql::Error>;

    /// Whether others may change the products as well. Where they may, [`Store::revision`] tells that they did.
    fn is_shared(&self) -> bool;

    /// Which state the products are in, without reading them: another one after each change.
    async fn revision(&self) -> Result<Revision, sql::Error>;

    /// Adds a product, with an id that none had before; also the revision that this makes.
    async fn add(&self, details: &Details, now: Timestamp) -> Result<(Product, Revision), sql::Error>;

    /// Replaces what is said about a product, whatever its version is, or only if it is `expected`.
    async fn replace(
        &self,
        id: ProductId,
        details: &Details,
        expected: Option<i64>,
        now: Timestamp,
    ) -> Result<Changed<Product>, sql::Error>;

    /// Takes a product out, whatever its version is, or only if it is `expected`.
    async fn remove(&self, id: ProductId, expected: Option<i64>) -> Result<Changed<()>, sql::Error>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), sql::Error>;

    /// Finishes what is under way and lets go of the place where products are kept. From then on every other
    /// method answers [`sql::Error::Unavailable`].
    async fn close(&self);
}

/// Every product, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Every change up to it is in the products. A store that is not shared may tell an earlier one.
    pub revision: Revision,
    /// By id.
    pub products: Vec<Product>,
}

/// A state of the products; grows with each change, by one where the store is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// What became of a change to a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed<T> {
    /// It is this now, which makes that revision.
    Done(T, Revision),
    /// It has another version than the expected one.
    Stale {
        /// The version it has.
        current: i64,
    },
    /// There is none.
    Absent,
}
