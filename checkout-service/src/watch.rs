//! Who waits for a checkout to change. In memory: it tells when to look at the store, never what is there.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use types::CheckoutId;

/// The waiting requests of this instance, by checkout.
#[derive(Clone, Default)]
pub struct Watchers {
    waiting: Arc<Mutex<HashMap<CheckoutId, Waiting>>>,
}

#[derive(Default)]
struct Waiting {
    change: Arc<Notify>,
    count: usize,
}

impl Watchers {
    /// Begins to wait: a change after this call is not missed. Look at the store after it, not before.
    pub fn watch(&self, id: CheckoutId) -> Watch {
        let mut waiting = self.waiting();
        let entry = waiting.entry(id).or_default();
        entry.count += 1;
        let change = entry.change.clone();
        Watch { id, next: Box::pin(change.clone().notified_owned()), change, watchers: self.clone() }
    }

    /// Wakes who waits for a checkout, in the order in which they came.
    pub fn changed(&self, id: CheckoutId) {
        if let Some(waiting) = self.waiting().get(&id) {
            waiting.change.notify_waiters();
        }
    }

    fn forget(&self, id: CheckoutId) {
        let mut waiting = self.waiting();
        if let Some(entry) = waiting.get_mut(&id) {
            entry.count -= 1;
            if entry.count == 0 {
                waiting.remove(&id);
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<CheckoutId, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits.
pub struct Watch {
    id: CheckoutId,
    /// Hears of what happens from its making on.
    next: Pin<Box<OwnedNotified>>,
    change: Arc<Notify>,
    watchers: Watchers,
}

impl Watch {
    /// Waits for a change since the last one that it told of.
    pub async fn changed(&mut self) {
        self.next.as_mut().await;
        self.next.set(self.change.clone().notified_owned());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watchers.forget(self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn id() -> CheckoutId {
        "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()
    }

    #[tokio::test]
    async fn a_change_between_watching_and_waiting_is_not_missed() {
        let watchers = Watchers::default();
        let (mut first, mut second) = (watchers.watch(id()), watchers.watch(id()));
        watchers.changed(id());
        first.changed().await;
        second.changed().await;
        assert_eq!(first.changed().now_or_never(), None);
    }

    #[tokio::test]
    async fn nothing_is_left_behind() {
        let watchers = Watchers::default();
        let (first, second) = (watchers.watch(id()), watchers.watch(id()));
        drop(first);
        assert_eq!(watchers.waiting().len(), 1);
        drop(second);
        assert_eq!(watchers.waiting().len(), 0);
        watchers.changed(id());
    }
}
