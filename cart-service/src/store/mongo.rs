//! Carts in MongoDB: one document per user.

mod errors;
mod open;
mod pool;
#[cfg(test)]
mod tests;

use std::future::IntoFuture;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bson::{DateTime, doc};
use futures::TryStreamExt as _;
use mongodb::{Client, Collection};
use platform::metrics::Connections;
use platform::trace;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use types::{Timestamp, UserId};

use super::document::{Document, Unreadable};
use super::{Error, Replaced, Store};
use crate::cart::{Cart, Version};
pub use open::OpenError;

/// The shape of the documents that are written here. Those with a higher number are not understood.
const SCHEMA: i32 = 1;

/// How long one operation may take with all its retries: a call of a cart has two or three of them to make.
const WITHIN: Duration = Duration::from_millis(1800);

/// How long a call waits for its turn while the server is busy with others.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// How long a snapshot may take, which reads everything.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(60);

/// A [`Store`] in MongoDB, for any number of instances at once.
///
/// A write is done when a majority of the replica set has it, and a read sees what a majority has: what was
/// answered once outlives any one server. Filters are built from numbers and dates alone, so that nothing a user
/// says becomes a part of one.
#[derive(Clone)]
pub struct Mongo {
    /// Set once the server was reached for the first time; from then on the driver reaches it.
    reached: Arc<OnceLock<Reached>>,
    /// As many as the driver has connections.
    places: Arc<Semaphore>,
    stop: CancellationToken,
    /// Owns the attempts to reach the server.
    tasks: TaskTracker,
}

struct Reached {
    client: Client,
    carts: Collection<Stored>,
    counts: Connections,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    user_id: i64,
    version: i64,
    schema: i32,
    /// For the index by which MongoDB itself removes old carts; to the millisecond.
    updated_at: DateTime,
    /// Microseconds since the epoch.
    updated_at_micros: i64,
    cart: Document,
}

impl Mongo {
    fn reached(&self) -> Result<&Reached, Error> {
        self.reached.get().ok_or_else(|| Error::unavailable("the server was not reached yet"))
    }

    fn carts(&self) -> Result<&Collection<Stored>, Error> {
        Ok(&self.reached()?.carts)
    }

    /// Waits for a turn: more calls than the server can serve make each other slow before they make each other fail.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, Error> {
        let counts = &self.reached()?.counts;
        let turn = counts.wait_within(TURN_WITHIN, self.places.acquire()).await;
        turn.map_err(Error::unavailable)?.map_err(Error::unavailable)
    }

    /// What comes of a read, which may be repeated unless it was our own fault. Traces show it as `summary`.
    async fn read<T>(
        &self,
        summary: &'static str,
        operation: impl IntoFuture<Output = mongodb::error::Result<T>>,
    ) -> Result<T, Error> {
        let span = trace::store::asked("mongodb", "", summary);
        let read = async {
            let _turn = self.turn().await?;
            match timeout(WITHIN, operation.into_future()).await {
                Ok(done) => done.map_err(errors::of_read),
                Err(late) => Err(Error::unavailable(late)),
            }
        };
        let read = read.await;
        trace::store::answered(span, &read);
        read
    }

    /// What comes of a write. One that was not answered in time may have been made. Traces show it as `summary`.
    async fn write<T>(
        &self,
        summary: &'static str,
        operation: impl IntoFuture<Output = mongodb::error::Result<T>>,
    ) -> Result<Written<T>, Error> {
        let span = trace::store::asked("mongodb", "", summary);
        let written = async {
            let _turn = self.turn().await?;
            match timeout(WITHIN, operation.into_future()).await {
                Ok(Ok(done)) => Ok(Written::Yes(done)),
                Ok(Err(error)) if errors::is_duplicate_key(&error) => Ok(Written::Duplicate),
                Ok(Err(error)) => Err(errors::of_write(error)),
                Err(late) => Err(Error::unknown(late)),
            }
        };
        let written = written.await;
        trace::store::answered(span, &written);
        written
    }
}

enum Written<T> {
    Yes(T),
    Duplicate,
}

#[async_trait]
impl Store for Mongo {
    async fn load(&self, user: UserId) -> Result<Option<Cart>, Error> {
        let found = self.read("find carts", self.carts()?.find_one(doc! { "user_id": user.get() })).await?;
        found.map(Cart::try_from).transpose().map_err(Error::defect)
    }

    async fn replace(&self, expected: Option<Version>, cart: &Cart) -> Result<Replaced, Error> {
        let (carts, stored) = (self.carts()?, Stored::from(cart));
        let replaced = match expected {
            Some(version) => {
                let filter = doc! { "user_id": cart.user.get(), "version": version.0 };
                match self.write("update carts", carts.replace_one(filter, &stored)).await? {
                    Written::Yes(result) => result.matched_count == 1,
                    Written::Duplicate => false,
                }
            }
            None => matches!(self.write("insert carts", carts.insert_one(&stored)).await?, Written::Yes(_)),
        };
        Ok(if replaced { Replaced::Yes } else { Replaced::Conflict })
    }

    /// Needed only where the server does not remove old documents by itself.
    async fn sweep(&self, unchanged_since: Timestamp, limit: u32) -> Result<u64, Error> {
        let carts = self.carts()?;
        let old = doc! {
            "updated_at": { "$lte": date(unchanged_since) },
            "updated_at_micros": { "$lte": unchanged_since.micros() },
        };
        let owners = carts.clone_with_type::<Owner>();
        let find = owners
            .find(old.clone())
            .projection(doc! { "_id": 0, "user_id": 1 })
            .sort(doc! { "updated_at": 1 })
            .limit(i64::from(limit));
        let owners: Vec<Owner> = self.read("find carts", async { find.await?.try_collect().await }).await?;
        if owners.is_empty() {
            return Ok(0);
        }
        let owners: Vec<i64> = owners.into_iter().map(|owner| owner.user_id).collect();
        // A cart that was changed since is not old any more, and stays.
        let mut swept = old;
        swept.insert("user_id", doc! { "$in": owners });
        match self.write("delete carts", carts.delete_many(swept)).await? {
            Written::Yes(result) => Ok(result.deleted_count),
            Written::Duplicate => Ok(0),
        }
    }

    /// One moment's only if nobody changes carts meanwhile: a server without replicas has no snapshots.
    async fn snapshot(&self) -> Result<Vec<Cart>, Error> {
        let find = self.carts()?.find(doc! {}).sort(doc! { "user_id": 1 });
        let all = async { find.await?.try_collect::<Vec<Stored>>().await };
        let all =
            timeout(SNAPSHOT_WITHIN, all).await.map_err(Error::unavailable)?.map_err(errors::of_read)?;
        all.into_iter().map(Cart::try_from).collect::<Result<_, _>>().map_err(Error::defect)
    }

    async fn ping(&self) -> Result<(), Error> {
        // Nobody's cart: what matters is that carts can be read.
        self.read("find carts", self.carts()?.find_one(doc! { "user_id": 0_i64 })).await.map(drop)
    }

    async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(Reached { client, .. }) = self.reached.get() {
            // Nothing is left on the server that would have to be tidied up.
            client.clone().shutdown().immediate(true).await;
        }
    }
}

/// As much of a document as a sweep needs.
#[derive(Debug, Serialize, Deserialize)]
struct Owner {
    user_id: i64,
}

fn date(moment: Timestamp) -> DateTime {
    DateTime::from_millis(moment.micros().div_euclid(1000))
}

impl From<&Cart> for Stored {
    fn from(cart: &Cart) -> Self {
        Self {
            user_id: cart.user.get(),
            version: cart.version.0,
            schema: SCHEMA,
            updated_at: date(cart.updated_at),
            updated_at_micros: cart.updated_at.micros(),
            cart: Document::from(cart),
        }
    }
}

impl TryFrom<Stored> for Cart {
    type Error = Unreadable;

    fn try_from(stored: Stored) -> Result<Self, Unreadable> {
        if stored.schema > SCHEMA {
            return Err(Unreadable::Newer);
        }
        let (lines, purchases) = stored.cart.into_parts()?;
        Ok(Self {
            user: UserId::try_from(stored.user_id)?,
            version: Version(stored.version),
            lines,
            purchases,
            updated_at: Timestamp::from_micros(stored.updated_at_micros),
        })
    }
}
