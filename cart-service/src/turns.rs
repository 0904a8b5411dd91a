//! Changes of one cart, one after the other within this process.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use types::UserId;

/// Queues, each for its share of the users. More than callers at once, so that two users seldom meet.
const QUEUES: usize = 1024;

/// Lets one change at a time at a cart, first come, first served.
///
/// The store's compare-and-set alone keeps carts right, also between processes. But a hundred changes of one
/// cart at once would only win one by one while all others read and write in vain; in a queue each takes one
/// attempt. Who has the turn waits for the store and the cache, never for another turn.
pub(crate) struct Turns {
    queues: Box<[Arc<Semaphore>]>,
}

/// The right to change, until it is dropped.
pub(crate) struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { queues: (0..QUEUES).map(|_| Arc::new(Semaphore::new(1))).collect() }
    }

    pub(crate) async fn take(&self, user: UserId) -> Turn {
        let place = usize::try_from(user.get()).unwrap_or(0) % QUEUES;
        let permit = match self.queues.get(place) {
            // Never closed; and without a turn a change is slower at worst.
            Some(queue) => queue.clone().acquire_owned().await.ok(),
            None => None,
        };
        Turn { _permit: permit }
    }
}
