//! The carts.

use std::sync::PoisonError;

use async_trait::async_trait;
use cart_service::cart::{Cart, Purchases, Version};
use cart_service::store::{Error, Replaced, Store};
use types::{Timestamp, UserId};

use super::Port;
use crate::simulation::zoo::Bug;

#[async_trait]
impl Store for Port<dyn Store> {
    async fn load(&self, user: UserId) -> Result<Option<Cart>, Error> {
        let work = async {
            let found = self.inner.load(user).await?;
            if !self.has(Bug::StaleCart) {
                return Ok(found);
            }
            let mut seen = self.process.nature.seen_carts.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(found.map(|cart| seen.entry(user).or_insert(cart).clone()))
        };
        self.read("load cart", work).await
    }

    async fn replace(&self, expected: Option<Version>, cart: &Cart) -> Result<Replaced, Error> {
        let mut cart = cart.clone();
        if self.has(Bug::PurchasesForgotten) {
            cart.purchases = Purchases { floor: Version::NONE, recent: Vec::new() };
        }
        self.write("replace cart", self.inner.replace(expected, &cart)).await
    }

    async fn sweep(&self, unchanged_since: Timestamp, limit: u32) -> Result<u64, Error> {
        self.write("sweep carts", self.inner.sweep(unchanged_since, limit)).await
    }

    async fn snapshot(&self) -> Result<Vec<Cart>, Error> {
        self.read("snapshot", self.inner.snapshot()).await
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }

    /// It goes on after this program.
    async fn close(&self) {}
}
