//! A caller as callers are: told that there is no room at the moment, it asks again.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// So often all callers together: for as long as a very busy machine takes.
const REFUSALS: u32 = 2000;

/// A store whose callers wait for room. Any other trouble, as a deadlock would be, is none that a test brings about.
pub(super) struct Patient {
    store: Postgres,
    refused: AtomicU32,
}

impl Patient {
    pub(super) fn new(store: Postgres) -> Self {
        Self { store, refused: AtomicU32::new(0) }
    }

    fn asks_again(&self, error: &Error) -> bool {
        let Error::Unavailable(cause) = error else { return false };
        matches!(cause.downcast_ref(), Some(sqlx::Error::PoolTimedOut))
            && self.refused.fetch_add(1, Ordering::Relaxed) < REFUSALS
    }
}

#[async_trait]
impl Store for Patient {
    async fn apply(&self, id: ReservationId, command: Command, now: Timestamp) -> Result<Reply, Error> {
        loop {
            match self.store.apply(id, command.clone(), now).await {
                Err(error) if self.asks_again(&error) => {}
                answer => return answer,
            }
        }
    }

    async fn expire_due(&self, now: Timestamp, limit: u32) -> Result<u32, Error> {
        loop {
            match self.store.expire_due(now, limit).await {
                Err(error) if self.asks_again(&error) => {}
                answer => return answer,
            }
        }
    }

    async fn held(&self) -> Result<Held, Error> {
        loop {
            match self.store.held().await {
                Err(error) if self.asks_again(&error) => {}
                answer => return answer,
            }
        }
    }

    async fn next_expiry(&self) -> Result<Option<Timestamp>, Error> {
        loop {
            match self.store.next_expiry().await {
                Err(error) if self.asks_again(&error) => {}
                answer => return answer,
            }
        }
    }

    async fn stock(&self, product_id: ProductId) -> Result<Option<Stock>, Error> {
        loop {
            match self.store.stock(product_id).await {
                Err(error) if self.asks_again(&error) => {}
                answer => return answer,
            }
        }
    }

    async fn set_on_hand(
        &self,
        product_id: ProductId,
        on_hand: OnHand,
        now: Timestamp,
    ) -> Result<Result<Stock, BelowHeld>, Error> {
        loop {
            match self.store.set_on_hand(product_id, on_hand, now).await {
                Err(error) if self.asks_again(&error) => {}
                answer => return answer,
            }
        }
    }

    async fn movements(
        &self,
        product_id: ProductId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Movement>, Error> {
        loop {
            match self.store.movements(product_id, before, limit).await {
                Err(error) if self.asks_again(&error) => {}
                answer => return answer,
            }
        }
    }

    async fn snapshot(&self) -> Result<Snapshot, Error> {
        loop {
            match self.store.snapshot().await {
                Err(error) if self.asks_again(&error) => {}
                answer => return answer,
            }
        }
    }

    async fn ping(&self) -> Result<(), Error> {
        loop {
            match self.store.ping().await {
                Err(error) if self.asks_again(&error) => {}
                answer => return answer,
            }
        }
    }
}
