//! Who waits for something to change, such as a checkout or an order. In memory: it tells when to look at the store,
//! never what is there.

use std::collections::HashMap;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{Stream, stream};
use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::clock::Clock;

/// The waiting requests of this instance, by the id of what they wait for. Clones share them.
#[derive(Debug, Clone)]
pub struct Watchers<K: Copy + Eq + Hash> {
    waiting: Arc<Mutex<HashMap<K, Waiting>>>,
}

#[derive(Debug, Default)]
struct Waiting {
    change: Arc<Notify>,
    count: usize,
}

impl<K: Copy + Eq + Hash> Default for Watchers<K> {
    /// Nobody waits.
    fn default() -> Self {
        Self { waiting: Arc::default() }
    }
}

impl<K: Copy + Eq + Hash> Watchers<K> {
    /// Begins to wait: a change after this call is not missed. Look at the store after it, not before.
    pub fn watch(&self, id: K) -> Watch<K> {
        let mut waiting = self.waiting();
        let entry = waiting.entry(id).or_default();
        entry.count += 1;
        let change = entry.change.clone();
        Watch { id, next: Box::pin(change.clone().notified_owned()), change, watchers: self.clone() }
    }

    /// Wakes who waits for a change of this one, in the order in which they came.
    pub fn changed(&self, id: K) {
        if let Some(waiting) = self.waiting().get(&id) {
            waiting.change.notify_waiters();
        }
    }

    fn forget(&self, id: K) {
        let mut waiting = self.waiting();
        if let Some(entry) = waiting.get_mut(&id) {
            entry.count -= 1;
            if entry.count == 0 {
                waiting.remove(&id);
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<K, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits.
#[derive(Debug)]
pub struct Watch<K: Copy + Eq + Hash> {
    id: K,
    /// Hears of what happens from its making on.
    next: Pin<Box<OwnedNotified>>,
    change: Arc<Notify>,
    watchers: Watchers<K>,
}

impl<K: Copy + Eq + Hash> Watch<K> {
    /// Waits for a change since the last one that it told of.
    pub async fn changed(&mut self) {
        self.next.as_mut().await;
        self.next.set(self.change.clone().notified_owned());
    }
}

/// What `look` sees now, and again each time it sees something else, up to what `is_end`. It looks when the watch is
/// told of a change, and unasked every `look_again`: another instance may make the change.
///
/// It looks in a task of its own, which ends with the stream: a look that has begun holds a connection to a store, and
/// a stream that nobody polls, for a client that takes nothing, must not.
///
/// # Errors
/// The first of `look`'s, which ends the stream.
pub fn changes<K, T, E, Look>(
    mut watch: Watch<K>,
    clock: Arc<dyn Clock>,
    look_again: Duration,
    mut look: impl FnMut() -> Look + Send + 'static,
    is_end: fn(&T) -> bool,
) -> impl Stream<Item = Result<T, E>> + Send
where
    K: Copy + Eq + Hash + Send + 'static,
    T: PartialEq + Clone + Send + 'static,
    E: Send + 'static,
    Look: Future<Output = Result<T, E>> + Send + 'static,
{
    let (tell, told) = mpsc::channel(1);
    let mut looking = JoinSet::new();
    looking.spawn(async move {
        let mut shown: Option<T> = None;
        loop {
            let seen = look().await;
            let is_news = seen.as_ref().map_or(true, |seen| shown.as_ref() != Some(seen));
            if is_news {
                shown = seen.as_ref().ok().cloned();
                // Nobody listens any more, or there is nothing more to be told.
                if tell.send(seen).await.is_err() || shown.as_ref().is_none_or(is_end) {
                    return;
                }
            }
            tokio::select! {
                biased;
                () = watch.changed() => {}
                () = clock.sleep(look_again) => {}
            }
        }
    });
    stream::unfold((told, looking), async |(mut told, looking)| Some((told.recv().await?, (told, looking))))
}

impl<K: Copy + Eq + Hash> Drop for Watch<K> {
    fn drop(&mut self) {
        self.watchers.forget(self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const ID: u8 = 7;

    #[tokio::test]
    async fn a_change_between_watching_and_waiting_is_not_missed() {
        let watchers = Watchers::default();
        let (mut first, mut second) = (watchers.watch(ID), watchers.watch(ID));
        watchers.changed(ID);
        first.changed().await;
        second.changed().await;
        assert_eq!(first.changed().now_or_never(), None);
    }

    #[tokio::test]
    async fn nothing_is_left_behind() {
        let watchers = Watchers::default();
        let (first, second) = (watchers.watch(ID), watchers.watch(ID));
        drop(first);
        assert_eq!(watchers.waiting().len(), 1);
        drop(second);
        assert_eq!(watchers.waiting().len(), 0);
        watchers.changed(ID);
    }
}
