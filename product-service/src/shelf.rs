//! The catalogue that readers see, kept in step with the store.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use platform::clock::Clock;
use platform::trace;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use types::{ProductId, Timestamp};

use crate::catalogue::Catalogue;
use crate::error::Error;
use crate::product::{Details, Product};
use crate::store::{Changed, Revision, Store};

/// How often a store that others may change is asked whether they did. A change is seen everywhere after so long
/// and the time of reading, well within a second.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long a change waits for its turn: a store that is silent must not let all who wait find out one after the
/// other.
const TURN_WITHIN: Duration = Duration::from_secs(2);

/// The catalogue that readers see. Clones share it.
///
/// Changes are made one at a time, each in a task of its own: in the store first, then in the catalogue, and
/// only then is the caller answered. One at a time, so that the catalogue sees the changes in the order in
/// which the store made them, and the last one wins in both. In a task of its own, since a caller that goes
/// away takes its future along, perhaps after the store has committed and before the catalogue knows.
///
/// What other instances change in a shared store is read by [`Shelf::follow`], all of it, for a catalogue changes
/// rarely. A store that is away changes nothing for readers.
#[derive(Clone)]
pub struct Shelf {
    store: Arc<dyn Store>,
    /// Empty until it has been read for the first time.
    catalogue: Arc<ArcSwapOption<Catalogue>>,
    /// The revision of the store up to which every change is in the catalogue.
    read: Arc<AtomicU64>,
    /// The one permit to change something.
    turn: Arc<Semaphore>,
    /// False until the first reading, while a change is under way, and after one that left the catalogue behind
    /// the store. Written by who has the turn.
    in_step: Arc<AtomicBool>,
    changes: TaskTracker,
}

impl Shelf {
    /// Reads the whole catalogue. A shared store that can't be reached yet is no error: [`Shelf::follow`] and
    /// [`Shelf::is_healthy`] try again.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn open(store: Arc<dyn Store>) -> Result<Self, sql::Error> {
        let shelf = Self {
            store,
            catalogue: Arc::default(),
            read: Arc::default(),
            turn: Arc::new(Semaphore::new(1)),
            in_step: Arc::default(),
            changes: TaskTracker::new(),
        };
        match shelf.catch_up().await {
            Err(sql::Error::Unavailable(_) | sql::Error::Unknown(_)) if shelf.store.is_shared() => {}
            read => read?,
        }
        Ok(shelf)
    }

    /// The catalogue with every change that was answered before by this instance.
    ///
    /// # Errors
    /// [`Error::Unread`] until the store has been reached for the first time.
    pub fn catalogue(&self) -> Result<Arc<Catalogue>, Error> {
        self.catalogue.load_full().ok_or(Error::Unread)
    }

    /// The catalogue with every change up to `least` as well, whichever instance made it.
    ///
    /// # Errors
    /// As [`Shelf::catalogue`], and those of reading the store where other instances have gone further.
    pub async fn catalogue_since(&self, least: Revision) -> Result<Arc<Catalogue>, Error> {
        if self.store.is_shared() && !self.has_reached(least) {
            self.change(move |shelf| async move {
                // Who had the turn before may have read it.
                if !shelf.has_reached(least) {
                    shelf.read().await?;
                }
                Ok(())
            })
            .await?;
        }
        self.catalogue()
    }

    /// Adds a product.
    ///
    /// # Errors
    /// [`Error::Store`] and [`Error::BrokenOff`].
    pub async fn add(&self, details: Details, now: Timestamp) -> Result<(Product, Revision), Error> {
        self.change(|shelf| async move {
            let (product, revision) = shelf.store.add(&details, now).await?;
            shelf.show(shelf.catalogue()?.with(product.clone()));
            shelf.note(revision);
            Ok((product, revision))
        })
        .await
    }

    /// Replaces what is said about a product, whatever its version is, or only if it is `expected`.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Stale`], [`Error::Store`] and [`Error::BrokenOff`].
    pub async fn replace(
        &self,
        id: ProductId,
        details: Details,
        expected: Option<i64>,
        now: Timestamp,
    ) -> Result<(Product, Revision), Error> {
        self.change(move |shelf| async move {
            let replaced = shelf.store.replace(id, &details, expected, now).await?;
            let (product, revision) = done(id, replaced)?;
            shelf.show(shelf.catalogue()?.with(product.clone()));
            shelf.note(revision);
            Ok((product, revision))
        })
        .await
    }

    /// Takes a product out, whatever its version is, or only if it is `expected`.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Stale`], [`Error::Store`] and [`Error::BrokenOff`].
    pub async fn remove(&self, id: ProductId, expected: Option<i64>) -> Result<Revision, Error> {
        self.change(move |shelf| async move {
            let ((), revision) = done(id, shelf.store.remove(id, expected).await?)?;
            shelf.show(shelf.catalogue()?.without(id));
            shelf.note(revision);
            Ok(revision)
        })
        .await
    }

    /// Whether the store answers and the catalogue is in step with it, after trying to bring it there.
    pub async fn is_healthy(&self) -> bool {
        if self.in_step.load(Ordering::Acquire) {
            return self.store.ping().await.is_ok();
        }
        self.change(|_| async { Ok(()) }).await.is_ok()
    }

    /// Reads what other instances change, until the shutdown; ends at once where there are none. A store that can't
    /// be read is tried again for ever, and leaves the catalogue as it is.
    pub async fn follow(&self, clock: Arc<dyn Clock>, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut away = false;
        while self.store.is_shared() && !shutdown.is_cancelled() {
            let looked = self.look().await;
            match &looked {
                Ok(()) if away => tracing::info!("the catalogue follows the store again"),
                Err(error) if !away => {
                    let cause = std::error::Error::source(error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "the catalogue can't be read and stays as it is");
                }
                Ok(()) | Err(_) => {}
            }
            away = looked.is_err();
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = clock.sleep(LOOK_EVERY) => {}
            }
        }
        Ok(())
    }

    /// Waits for the changes that are under way, then closes the store. Later changes are answered with
    /// [`sql::Error::Unavailable`]; reads go on.
    pub async fn close(&self) {
        self.changes.close();
        self.changes.wait().await;
        self.store.close().await;
    }

    /// Reads everything anew if the store has another revision than the one that was read.
    async fn look(&self) -> Result<(), Error> {
        let in_step = self.in_step.load(Ordering::Acquire);
        if in_step && self.store.revision().await?.0 == self.read.load(Ordering::Acquire) {
            return Ok(());
        }
        self.change(|shelf| async move { Ok(shelf.read().await?) }).await
    }

    /// Waits for the turn and makes a change that nothing but the end of the process breaks off. Whoever
    /// gives up while waiting for the turn has changed nothing.
    async fn change<T, F>(&self, make: impl FnOnce(Self) -> F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let turn = self.turn().await?;
        let shelf = self.clone();
        let made = make(self.clone());
        let change = self.changes.spawn(trace::carried(async move {
            let _turn = turn;
            shelf.catch_up().await?;
            shelf.in_step.store(false, Ordering::Release);
            let outcome = made.await;
            if shelf.is_behind(&outcome) {
                // If this fails too, the next change or the next look at the store tries again.
                let _ = shelf.catch_up().await;
            } else {
                shelf.in_step.store(true, Ordering::Release);
            }
            outcome
        }));
        change.await.map_err(Error::BrokenOff)?
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, sql::Error> {
        let turn = timeout(TURN_WITHIN, self.turn.clone().acquire_owned()).await;
        let late =
            |_| sql::Error::unavailable(format!("earlier changes were not done within {TURN_WITHIN:?}"));
        Ok(turn.map_err(late)?.expect("the semaphore is never closed"))
    }

    /// Whether a change came out so that the catalogue may not be what the store has: nobody knows whether it was
    /// made, or the store refused it for what another instance did.
    fn is_behind<T>(&self, outcome: &Result<T, Error>) -> bool {
        let version = |id| self.catalogue().ok()?.product(id).map(|product| product.version);
        match outcome {
            Err(Error::Absent(id)) => version(*id).is_some(),
            Err(Error::Stale { id, current }) => version(*id) != Some(*current),
            Err(Error::Store(sql::Error::Unknown(_))) => true,
            Err(Error::Store(
                sql::Error::Unavailable(_) | sql::Error::Conflict(_) | sql::Error::Defect(_),
            ))
            | Err(Error::Unread | Error::BrokenOff(_))
            | Ok(_) => false,
        }
    }

    /// Reads everything anew if the catalogue may differ from the store. Only for who has the turn.
    async fn catch_up(&self) -> Result<(), sql::Error> {
        if !self.in_step.load(Ordering::Acquire) {
            self.read().await?;
            self.in_step.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Only for who has the turn.
    async fn read(&self) -> Result<(), sql::Error> {
        let listing = self.store.all().await?;
        self.show(listing.products.into_iter().collect());
        self.read.store(listing.revision.0, Ordering::Release);
        Ok(())
    }

    fn has_reached(&self, least: Revision) -> bool {
        self.read.load(Ordering::Acquire) >= least.0
    }

    /// A change of our own that follows on what was read is as good as read; with those of others in between, the
    /// store has to be. Only for who has the turn.
    fn note(&self, revision: Revision) {
        let read = self.read.load(Ordering::Acquire);
        if revision.0 == read + 1 {
            self.read.store(revision.0, Ordering::Release);
        }
    }

    fn show(&self, catalogue: Catalogue) {
        self.catalogue.store(Some(Arc::new(catalogue)));
    }
}

fn done<T>(id: ProductId, changed: Changed<T>) -> Result<(T, Revision), Error> {
    match changed {
        Changed::Done(now, revision) => Ok((now, revision)),
        Changed::Stale { current } => Err(Error::Stale { id, current }),
        Changed::Absent => Err(Error::Absent(id)),
    }
}

#[cfg(test)]
mod tests;
