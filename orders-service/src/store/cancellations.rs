//! The part of the port that is about cancellations.

use async_trait::async_trait;
use event_log::Event;
use platform::lease::{Held, Lease};
use sql::Error;
use types::Timestamp;
use uuid::Uuid;

use crate::cancellation::Cancellation;
use crate::order::Status;

/// Cancellations and their leases. `now` is the caller's clock: a file, which belongs to one process, goes by it; a
/// database that instances share goes by a clock of its own, and takes from the caller's only distances. A lease or
/// delay that ends further ahead than any can is over. What ended in [`Error::Unknown`] may have been written.
#[async_trait]
pub trait Cancellations: Send + Sync {
    /// Brings an order that is still `from` to CANCELLING and begins its cancellation, due at once and in nobody's
    /// hands. `false`, and nothing is written, if the order is not there or no longer `from`.
    async fn cancel(&self, from: Status, cancellation: &Cancellation) -> Result<bool, Error>;

    /// Takes up to `limit` unfinished cancellations that are due and in nobody's hands, each under a new fence. A
    /// state that this version does not know is left alone, and a row that can't be read holds up no other.
    async fn claim(&self, owner: Uuid, limit: usize, now: Timestamp) -> Result<Vec<Cancellation>, Error>;

    /// Replaces `before` by `after` if `before` still stands there under its fence. With the end the order becomes
    /// CANCELLED, and its announcement is written, in the same transaction.
    async fn save(
        &self,
        before: &Cancellation,
        after: &Cancellation,
        announcement: Option<Event>,
        lease: Lease,
        now: Timestamp,
    ) -> Result<Held, Error>;

    /// Lengthens the lease of a cancellation whose call takes long.
    async fn renew(&self, cancellation: &Cancellation, now: Timestamp) -> Result<Held, Error>;

    /// When [`Cancellations::claim`] finds the next one, by the caller's clock; `None` when all are finished.
    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, Error>;

    /// Gives back all leases of an owner that stops.
    async fn give_back(&self, owner: Uuid) -> Result<(), Error>;
}
