//! Where carts are kept: one document per user, replaced as a whole and only by who has seen its version.

#[cfg(test)]
mod conformance;
mod document;
mod sqlite;

use async_trait::async_trait;
use types::{Timestamp, UserId};

use crate::cart::{Cart, Version};
pub use sqlite::Sqlite;

/// Why a store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Certainly nothing was changed: the same call may be repeated.
    #[error("the cart store is unavailable")]
    Unavailable(#[source] sql::Error),
    /// The change may have been made: load the cart to know.
    #[error("the cart store did not say whether the change was made")]
    Unknown(#[source] sql::Error),
    /// Our own fault, as a cart that can't be read. Repeating is of no use.
    #[error("the cart store was used in a wrong way")]
    Defect(#[source] sql::Error),
}

/// What became of a cart that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// It is stored, durably.
    Yes,
    /// The stored cart is not the expected one any more. Nothing was changed.
    Conflict,
}

/// The carts of all users. Every method is one transaction.
#[async_trait]
pub trait Store: Send + Sync {
    /// The stored cart of a user, expired or not.
    ///
    /// # Errors
    /// See [`Error`].
    async fn load(&self, user: UserId) -> Result<Option<Cart>, Error>;

    /// Stores a cart in place of the one with the `expected` version, or where there is none, of no cart.
    ///
    /// # Errors
    /// See [`Error`].
    async fn replace(&self, expected: Option<Version>, cart: &Cart) -> Result<Replaced, Error>;

    /// Removes up to `limit` carts that were last changed at that moment or before; how many it were.
    ///
    /// # Errors
    /// See [`Error`].
    async fn sweep(&self, unchanged_since: Timestamp, limit: u32) -> Result<u64, Error>;

    /// All stored carts as they were at one moment, by user: for an audit.
    ///
    /// # Errors
    /// See [`Error`].
    async fn snapshot(&self) -> Result<Vec<Cart>, Error>;

    /// Whether the store can be read at this moment.
    ///
    /// # Errors
    /// See [`Error`].
    async fn ping(&self) -> Result<(), Error>;
}
