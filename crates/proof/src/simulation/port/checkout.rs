//! The checkouts.

use async_trait::async_trait;
use checkout_service::checkout::Checkout;
use checkout_service::store::{
    Accepted, Backlog, Claimed, Error, Held, IdempotencyKey, KeyUse, Lease, Snapshot, Store,
};
use event_log::Event;
use types::{CheckoutId, Timestamp, UserId};
use uuid::Uuid;

use super::Port;
use crate::simulation::zoo::Bug;

#[async_trait]
impl Store for Port<dyn Store> {
    async fn accept(
        &self,
        checkout: &Checkout,
        key: &IdempotencyKey,
        bought_version: i64,
        owner: Uuid,
    ) -> Result<Accepted, Error> {
        let mut key = key.clone();
        if self.has(Bug::KeyForgotten) {
            key.text = checkout.id.to_string();
        }
        self.write("accept", self.inner.accept(checkout, &key, bought_version, owner)).await
    }

    async fn key_use(&self, user_id: UserId, key: &str) -> Result<Option<KeyUse>, Error> {
        self.read("key use", self.inner.key_use(user_id, key)).await
    }

    async fn find(&self, id: CheckoutId) -> Result<Option<Checkout>, Error> {
        self.read("find checkout", self.inner.find(id)).await
    }

    async fn save(
        &self,
        before: &Checkout,
        after: &Checkout,
        event: Option<Event>,
        lease: Lease,
    ) -> Result<Held, Error> {
        let event = event.filter(|_| !self.has(Bug::EndWithoutEvent));
        let work = async {
            if !self.has(Bug::NoFence) {
                return self.inner.save(before, after, event, lease).await;
            }
            let Some(found) = self.inner.find(before.id).await? else { return Ok(Held::Lost) };
            let after = Checkout { fence: found.fence, ..after.clone() };
            self.inner.save(&found, &after, event, lease).await
        };
        self.write(after.state.name(), work).await
    }

    async fn renew(&self, checkout: &Checkout) -> Result<Held, Error> {
        self.write("renew", self.inner.renew(checkout)).await
    }

    async fn claim(&self, owner: Uuid, limit: usize) -> Result<Vec<Claimed>, Error> {
        let work = async {
            let mut claimed = self.inner.claim(owner, limit).await?;
            claimed.retain(|claimed| !(claimed.is_abandoned && self.has(Bug::NobodyTakesOver)));
            Ok(claimed)
        };
        self.look("claim", work).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        self.next("next due", self.inner.next_due()).await
    }

    /// For who watches, of whom there is nobody.
    async fn backlog(&self) -> Result<Backlog, Error> {
        Ok(Backlog::default())
    }

    async fn give_back(&self, owner: Uuid) -> Result<(), Error> {
        self.write("give back", self.inner.give_back(owner)).await
    }

    async fn snapshot(&self) -> Result<Snapshot, Error> {
        self.read("snapshot", self.inner.snapshot()).await
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }

    /// It goes on after this program.
    async fn close(&self) {}
}
