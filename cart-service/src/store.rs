//! Where carts are kept: one document per user, replaced as a whole and only by who has seen its version.

#[cfg(test)]
mod conformance;
pub(crate) mod document;
mod mongo;
mod sqlite;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use sql::Cause;
use types::{Timestamp, UserId};

use crate::cart::{Cart, Version};
use crate::config::Settings;
pub use mongo::{Mongo, OpenError};
pub use sqlite::Sqlite;

/// Why a store did not do as asked. Cloned freely: readers that asked together share one cause.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Certainly nothing was changed: the same call may be repeated.
    #[error("the cart store is unavailable")]
    Unavailable(#[source] Cause),
    /// The change may have been made: load the cart to know.
    #[error("the cart store did not say whether the change was made")]
    Unknown(#[source] Cause),
    /// Our own fault, as a cart that can't be read. Repeating is of no use.
    #[error("the cart store was used in a wrong way")]
    Defect(#[source] Cause),
}

/// What became of a cart that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// It is stored, durably.
    Yes,
    /// The stored cart is not the expected one any more. Nothing was changed.
    Conflict,
}

impl Error {
    /// An [`Error::Unavailable`] for this reason.
    pub(crate) fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(Cause::from(cause.into()))
    }

    /// An [`Error::Unknown`] for this reason.
    pub(crate) fn unknown(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unknown(Cause::from(cause.into()))
    }

    /// An [`Error::Defect`] for this reason.
    pub(crate) fn defect(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Defect(Cause::from(cause.into()))
    }
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

    /// All stored carts, by user: for an audit. They are those of one moment, except where the store says that
    /// this takes that nobody changes any meanwhile.
    ///
    /// # Errors
    /// See [`Error`].
    async fn snapshot(&self) -> Result<Vec<Cart>, Error>;

    /// Whether the store can be read at this moment.
    ///
    /// # Errors
    /// See [`Error`].
    async fn ping(&self) -> Result<(), Error>;

    /// Finishes what is under way and ends whatever works for the store, which is unavailable from then on.
    async fn close(&self);
}

/// Opens the carts for reading only, beside a running service: those of the settings, else the file in this
/// directory.
///
/// # Errors
/// What hinders them from being read.
pub async fn open_read_only(settings: &Settings, data_dir: &Path) -> anyhow::Result<Arc<dyn Store>> {
    Ok(match settings.mongo() {
        Some(server) => Arc::new(Mongo::open_read_only(&server, &settings.mongo_db_name).await?),
        None => Arc::new(Sqlite::open_read_only(&data_dir.join("cart.db")).await?),
    })
}
