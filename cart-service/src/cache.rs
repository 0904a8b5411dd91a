//! Carts at hand, so that showing one does not touch the store.
//!
//! Nothing is decided by a cache: changes and checkouts read the store. But what one shows is never older than
//! what was answered before, whoever answered: so there is one in memory only where this process alone has the
//! store, one in Redis for any number of processes, and none where several may change carts without telling.

mod memory;
mod redis;

use std::sync::Arc;

use types::UserId;

use crate::cart::{Cart, Version};
pub(crate) use memory::Memory;
pub(crate) use redis::Redis;

/// The carts that were read or changed lately. That a user has none is remembered too.
pub(crate) enum Cache {
    /// In this process, which alone changes carts.
    Memory(Memory),
    /// In Redis, shared by all that change carts.
    Redis(Redis),
    /// Nowhere.
    None,
}

impl Cache {
    /// The cart of a user, from `load` if it is not here.
    ///
    /// # Errors
    /// Those of `load`.
    pub(crate) async fn read<E: Clone + Send + Sync + 'static>(
        &self,
        user: UserId,
        load: impl Future<Output = Result<Option<Cart>, E>>,
    ) -> Result<Option<Arc<Cart>>, E> {
        match self {
            Self::Memory(memory) => memory.read(user, load).await,
            Self::Redis(redis) => redis.read(user, load).await,
            Self::None => Ok(load.await?.map(Arc::new)),
        }
    }

    /// Before a cart of this version is stored: from now on no older one is shown.
    pub(crate) async fn expect(&self, user: UserId, version: Version) {
        match self {
            // A fill under way comes before the note of the change.
            Self::Memory(_) | Self::None => {}
            Self::Redis(redis) => redis.expect(user, version).await,
        }
    }

    /// Notes a cart that has been stored, unless a later version of it is noted already.
    pub(crate) async fn put(&self, cart: Arc<Cart>) {
        match self {
            Self::Memory(memory) => memory.put(cart).await,
            Self::Redis(redis) => redis.put(&cart).await,
            Self::None => {}
        }
    }

    /// Forgets what may not be what is stored, after a write that was expected and did not come out as such.
    pub(crate) async fn forget(&self, user: UserId) {
        match self {
            Self::Memory(memory) => memory.forget(user).await,
            // What is expected stays so for a while, and keeps older ones out.
            Self::Redis(_) | Self::None => {}
        }
    }

    /// Ends whatever works for the cache.
    pub(crate) async fn close(&self) {
        match self {
            Self::Memory(_) | Self::None => {}
            Self::Redis(redis) => redis.close().await,
        }
    }
}
