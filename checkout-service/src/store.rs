//! Where checkouts are kept: the port, one method per transaction.

pub mod conformance;
mod postgres;
mod sqlite;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use event_log::{Outbox, Written};
use platform::World;
use platform::config::Location;
use platform::lease::HORIZON;
pub use platform::lease::{Held, LEASE, Lease};
use types::{CheckoutId, Timestamp, UserId};
use uuid::Uuid;

use crate::checkout::Checkout;

pub use postgres::Postgres;
pub use sqlite::Sqlite;

/// What went wrong with the store.
pub type Error = sql::Error;

/// A client's key for one checkout, unique per user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Whose key.
    pub user_id: UserId,
    /// The key's text.
    pub text: String,
    /// The request that it stands for; the same key with another request is refused.
    pub fingerprint: String,
}

/// What a key was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// The checkout that it made.
    pub checkout_id: CheckoutId,
    /// The request that it stood for.
    pub fingerprint: String,
}

/// What came of accepting a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It is durable now, and its owner is who accepted it.
    New,
    /// The key was used before; nothing was written.
    Repeated(KeyUse),
    /// This version of the cart, or an earlier one that the cart still contains, is being bought or was
    /// bought; nothing was written.
    InProgress(CheckoutId),
}

/// A checkout that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The checkout, under its new fence.
    pub checkout: Checkout,
    /// Its last owner neither went on nor returned it until the lease was over: it died, hangs, or is cut off.
    pub is_abandoned: bool,
}

/// What a store has that is unfinished.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Checkouts that have not ended, by the names of their states; a state that is not there has none.
    pub unfinished: BTreeMap<String, u64>,
    /// Those of them that are stuck, see [`Checkout::is_stuck`].
    pub stuck: u64,
}

impl Backlog {
    /// Of rows of a state, how many are in it, and how many of these are stuck.
    fn of(states: Vec<(String, i64, i64)>) -> Self {
        let stuck = states.iter().map(|(_, _, stuck)| stuck.unsigned_abs()).sum();
        let unfinished = states.into_iter().map(|(state, count, _)| (state, count.unsigned_abs())).collect();
        Self { unfinished, stuck }
    }
}

/// Checkouts, their keys and their events.
///
/// Leases and delays are judged by the store's clock, which is not the caller's where instances share the store;
/// one that ends further ahead than any can is over. An [`sql::Error::Unknown`] may have been written: read back.
#[async_trait]
pub trait Store: Outbox {
    /// Writes a new checkout and its key, leased to `owner`, unless the key or the cart is taken.
    /// `bought_version` is the highest version whose purchase the cart has seen.
    async fn accept(
        &self,
        checkout: &Checkout,
        key: &IdempotencyKey,
        bought_version: i64,
        owner: Uuid,
    ) -> Result<Accepted, Error>;

    /// What a user's key was used for.
    async fn key_use(&self, user_id: UserId, key: &str) -> Result<Option<KeyUse>, Error>;

    /// A checkout by its id.
    async fn find(&self, id: CheckoutId) -> Result<Option<Checkout>, Error>;

    /// Replaces `before` by `after` if `before` still stands there under its fence; with an end goes its
    /// event, in the same transaction.
    async fn save(
        &self,
        before: &Checkout,
        after: &Checkout,
        event: Option<event_log::Event>,
        lease: Lease,
    ) -> Result<Held, Error>;

    /// Lengthens the lease of a checkout whose call takes long.
    async fn renew(&self, checkout: &Checkout) -> Result<Held, Error>;

    /// Takes up to `limit` unfinished checkouts that are due and in nobody's hands, each under a new fence.
    /// A state that this version does not know is left alone, and a row that can't be read holds up no other.
    async fn claim(&self, owner: Uuid, limit: usize) -> Result<Vec<Claimed>, Error>;

    /// When [`Store::claim`] finds the next one; `None` when everything is finished.
    async fn next_due(&self) -> Result<Option<Timestamp>, Error>;

    /// What is unfinished, for whoever watches.
    async fn backlog(&self) -> Result<Backlog, Error>;

    /// Gives back all leases of an owner that stops.
    async fn give_back(&self, owner: Uuid) -> Result<(), Error>;

    /// All that is kept, as of one moment, for an audit.
    async fn snapshot(&self) -> Result<Snapshot, Error>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), Error>;

    /// Finishes what is under way and lets go of the place. From then on every other method answers
    /// [`sql::Error::Unavailable`].
    async fn close(&self);
}

/// Opens the store at this place.
///
/// # Errors
/// What hinders it from being opened, in words for who started the program. A server that is not there is none:
/// it is waited for.
pub async fn open(location: &Location, world: &World) -> anyhow::Result<Arc<dyn Store>> {
    Ok(match location {
        Location::File(path) => Arc::new(Sqlite::open(path, world).await?),
        Location::Postgres(server) => Arc::new(Postgres::open(server, world).await?),
    })
}

/// Opens a store that is there for reading only, beside a running shop.
///
/// # Errors
/// What hinders it from being read.
pub async fn open_read_only(location: &Location, world: &World) -> anyhow::Result<Arc<dyn Store>> {
    Ok(match location {
        Location::File(path) => Arc::new(Sqlite::open_read_only(path, world.clock.clone()).await?),
        Location::Postgres(server) => Arc::new(Postgres::open_read_only(server, world).await?),
    })
}

/// All that a store keeps, as of one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Every checkout.
    pub checkouts: Vec<Checkout>,
    /// Every key, with the user it belongs to.
    pub keys: Vec<(UserId, String, CheckoutId)>,
    /// Every event, published or not.
    pub events: Vec<OutboxEntry>,
}

/// An event of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The checkout that it speaks of.
    pub checkout_id: CheckoutId,
    /// The event's own id.
    pub id: Uuid,
    /// Its type.
    pub kind: String,
    /// Whether the log has it.
    pub is_published: bool,
}

/// An event of the outbox, with the checkout that it speaks of.
fn entry(written: Written) -> Result<OutboxEntry, Error> {
    #[derive(serde::Deserialize)]
    struct About {
        checkout_id: CheckoutId,
    }

    let event = written.row.event;
    let about: About = serde_json::from_slice(&event.data).map_err(Error::defect)?;
    Ok(OutboxEntry {
        checkout_id: about.checkout_id,
        id: event.id,
        kind: event.kind,
        is_published: written.published,
    })
}
