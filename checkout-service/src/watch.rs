//! Who waits for a checkout to change. In memory: it tells when to look at the store, never what is there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use types::CheckoutId;

/// The waiting requests of this instance, by checkout.
#[derive(Clone, Default)]
pub struct Watchers {
    changes: Arc<Mutex<HashMap<CheckoutId, watch::Sender<()>>>>,
}

impl Watchers {
    /// Begins to wait: a change after this call is not missed. Look at the store after it, not before.
    pub fn watch(&self, id: CheckoutId) -> Watch {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = changes.entry(id).or_insert_with(|| watch::Sender::new(())).subscribe();
        Watch { id, receiver: Some(receiver), watchers: self.clone() }
    }

    /// Wakes who waits for a checkout.
    pub fn changed(&self, id: CheckoutId) {
        if let Some(sender) = self.changes.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            sender.send_replace(());
        }
    }

    fn forget(&self, id: CheckoutId) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if changes.get(&id).is_some_and(|sender| sender.receiver_count() == 0) {
            changes.remove(&id);
        }
    }
}

/// One who waits.
pub struct Watch {
    id: CheckoutId,
    /// Present until dropped.
    receiver: Option<watch::Receiver<()>>,
    watchers: Watchers,
}

impl Watch {
    /// Waits for a change since the last one that it told of.
    pub async fn changed(&mut self) {
        if let Some(receiver) = &mut self.receiver
            && receiver.changed().await.is_ok()
        {
            return;
        }
        // Not reached: the sender is kept for as long as there is a receiver.
        std::future::pending().await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.receiver = None;
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
        assert_eq!(watchers.changes.lock().unwrap().len(), 1);
        drop(second);
        assert_eq!(watchers.changes.lock().unwrap().len(), 0);
        watchers.changed(id());
    }
}
