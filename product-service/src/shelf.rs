//! The catalogue that readers see, kept in step with the store.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use types::{ProductId, Timestamp};

use crate::catalogue::Catalogue;
use crate::error::Error;
use crate::product::{Details, Product};
use crate::store::{Replaced, Store};

/// The catalogue that readers see. Clones share it.
///
/// Changes are made one at a time, each in a task of its own: in the store first, then in the catalogue, and
/// only then is the caller answered. One at a time, so that the catalogue sees the changes in the order in
/// which the store made them, and the last one wins in both. In a task of its own, since a caller that goes
/// away takes its future along, perhaps after the store has committed and before the catalogue knows.
#[derive(Clone)]
pub struct Shelf {
    store: Arc<dyn Store>,
    catalogue: Arc<ArcSwap<Catalogue>>,
    /// The one permit to change something.
    turn: Arc<Semaphore>,
    /// False while a change is under way, and after one whose outcome is unknown. Written by who has the
    /// turn.
    in_step: Arc<AtomicBool>,
    changes: TaskTracker,
}

impl Shelf {
    /// Reads the whole catalogue.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn open(store: Arc<dyn Store>) -> Result<Self, sql::Error> {
        let catalogue: Catalogue = store.all().await?.into_iter().collect();
        Ok(Self {
            store,
            catalogue: Arc::new(ArcSwap::from_pointee(catalogue)),
            turn: Arc::new(Semaphore::new(1)),
            in_step: Arc::new(AtomicBool::new(true)),
            changes: TaskTracker::new(),
        })
    }

    /// The catalogue with every change that was answered before.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.load_full()
    }

    /// Adds a product.
    ///
    /// # Errors
    /// [`Error::Store`] and [`Error::BrokenOff`].
    pub async fn add(&self, details: Details, now: Timestamp) -> Result<Product, Error> {
        self.change(|shelf| async move {
            let product = shelf.store.add(&details, now).await?;
            shelf.show(shelf.catalogue().with(product.clone()));
            Ok(product)
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
    ) -> Result<Product, Error> {
        self.change(move |shelf| async move {
            match shelf.store.replace(id, &details, expected, now).await? {
                Replaced::Done(product) => {
                    shelf.show(shelf.catalogue().with(product.clone()));
                    Ok(product)
                }
                Replaced::Stale { current } => Err(Error::Stale { id, current }),
                Replaced::Absent => Err(Error::Absent(id)),
            }
        })
        .await
    }

    /// Takes a product out.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Store`] and [`Error::BrokenOff`].
    pub async fn remove(&self, id: ProductId) -> Result<(), Error> {
        self.change(move |shelf| async move {
            if !shelf.store.remove(id).await? {
                return Err(Error::Absent(id));
            }
            shelf.show(shelf.catalogue().without(id));
            Ok(())
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

    /// Waits for the changes that are under way, then closes the store. Later changes are answered with
    /// [`sql::Error::Unavailable`]; reads go on.
    pub async fn close(&self) {
        self.changes.close();
        self.changes.wait().await;
        self.store.close().await;
    }

    /// Waits for the turn and makes a change that nothing but the end of the process breaks off. Whoever
    /// gives up while waiting for the turn has changed nothing.
    async fn change<T, F>(&self, make: impl FnOnce(Self) -> F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let turn = self.turn.clone().acquire_owned().await.expect("the semaphore is never closed");
        let shelf = self.clone();
        let made = make(self.clone());
        let change = self.changes.spawn(async move {
            let _turn = turn;
            shelf.catch_up().await?;
            shelf.in_step.store(false, Ordering::Release);
            let outcome = made.await;
            if let Err(Error::Store(sql::Error::Unknown(_))) = outcome {
                // If this fails too, the next change or the next look at the health tries again.
                let _ = shelf.catch_up().await;
            } else {
                shelf.in_step.store(true, Ordering::Release);
            }
            outcome
        });
        change.await.map_err(Error::BrokenOff)?
    }

    /// Reads everything anew if the catalogue may differ from the store. Only for who has the turn.
    async fn catch_up(&self) -> Result<(), sql::Error> {
        if !self.in_step.load(Ordering::Acquire) {
            self.show(self.store.all().await?.into_iter().collect());
            self.in_step.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn show(&self, catalogue: Catalogue) {
        self.catalogue.store(Arc::new(catalogue));
    }
}

#[cfg(test)]
mod tests;
