//! Carts at hand, so that showing one does not touch the store.
//!
//! Nothing is decided by a cache: changes and checkouts read the store. But what one shows is never older than
//! what was answered before, whoever answered: so there is one in memory only where this process alone has the
//! store, one in Redis for any number of processes, and none where several may change carts without telling.

mod memory;
mod redis;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use platform::metrics::{Lookups, Metrics};
use types::UserId;

use crate::cart::{Cart, Version};
pub(crate) use memory::Memory;
pub(crate) use redis::Redis;

/// The carts that were read or changed lately. That a user has none is remembered too.
pub(crate) struct Cache {
    place: Place,
    lookups: Lookups,
}

/// Where they are at hand.
pub(crate) enum Place {
    /// In this process, which alone changes carts.
    Memory(Memory),
    /// In Redis, shared by all that change carts.
    Redis(Redis),
    /// Nowhere.
    None,
}

impl Cache {
    pub(crate) fn new(place: Place, metrics: &Metrics) -> Self {
        Self { place, lookups: Lookups::new(metrics, "carts") }
    }

    /// The cart of a user, from `load` if it is not here.
    ///
    /// # Errors
    /// Those of `load`.
    pub(crate) async fn read<E: Clone + Send + Sync + 'static>(
        &self,
        user: UserId,
        load: impl Future<Output = Result<Option<Cart>, E>>,
    ) -> Result<Option<Arc<Cart>>, E> {
        let loads = AtomicBool::new(false);
        let load = async {
            loads.store(true, Ordering::Relaxed);
            load.await
        };
        let (is_asked, found) = match &self.place {
            Place::Memory(memory) => (true, memory.read(user, load).await),
            Place::Redis(redis) => (redis.believes(user), redis.read(user, load).await),
            Place::None => (false, load.await.map(|cart| cart.map(Arc::new))),
        };
        match (is_asked, loads.into_inner()) {
            (_, false) => &self.lookups.hits,
            (true, true) => &self.lookups.misses,
            (false, true) => &self.lookups.bypasses,
        }
        .increment(1);
        found
    }

    /// Before a cart of this version is stored: from now on no older one is shown.
    pub(crate) async fn expect(&self, user: UserId, version: Version) {
        match &self.place {
            // A fill under way comes before the note of the change.
            Place::Memory(_) | Place::None => {}
            Place::Redis(redis) => redis.expect(user, version).await,
        }
    }

    /// Notes a cart that has been stored, unless a later version of it is noted already.
    pub(crate) async fn put(&self, cart: Arc<Cart>) {
        match &self.place {
            Place::Memory(memory) => memory.put(cart).await,
            Place::Redis(redis) => redis.put(&cart).await,
            Place::None => {}
        }
    }

    /// Forgets what may not be what is stored, after a write that was expected and did not come out as such.
    pub(crate) async fn forget(&self, user: UserId) {
        match &self.place {
            Place::Memory(memory) => memory.forget(user).await,
            // What is expected stays so for a while, and keeps older ones out.
            Place::Redis(_) | Place::None => {}
        }
    }

    /// Ends whatever works for the cache.
    pub(crate) async fn close(&self) {
        match &self.place {
            Place::Memory(_) | Place::None => {}
            Place::Redis(redis) => redis.close().await,
        }
    }
}
