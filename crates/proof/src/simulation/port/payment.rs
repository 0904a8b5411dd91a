//! The payments, and the ledger of their provider.

use async_trait::async_trait;
use payment_service::payment::{Payment, Status};
use payment_service::provider::Standing;
use payment_service::provider::simulated::ledger::{Begun, Decide, Held, Ledger, Opening, Resolved};
use payment_service::provider::simulated::{Effect, Entry};
use payment_service::store::Store;
use sql::Error;
use types::{CheckoutId, Timestamp};

use super::Port;
use crate::simulation::zoo::Bug;

#[async_trait]
impl Store for Port<dyn Store> {
    async fn find(&self, checkout_id: CheckoutId) -> Result<Option<Payment>, Error> {
        self.read("find payment", self.inner.find(checkout_id)).await
    }

    async fn begin(&self, payment: Payment) -> Result<Payment, Error> {
        if self.has(Bug::NoTombstoneOfPayment) && payment.terms.is_none() {
            let voided = Payment { status: Status::Voided, ..payment };
            return self.read("begin payment", async { Ok(voided) }).await;
        }
        self.write("begin payment", self.inner.begin(payment)).await
    }

    async fn advance(&self, seen: &Payment, to: Status, at: Timestamp) -> Result<Payment, Error> {
        let work = async {
            let found = match self.has(Bug::PaymentWithoutCompare) {
                true => self.inner.find(seen.checkout_id).await?,
                false => None,
            };
            self.inner.advance(found.as_ref().unwrap_or(seen), to, at).await
        };
        self.write("advance payment", work).await
    }

    async fn snapshot(&self) -> Result<Vec<Payment>, Error> {
        self.read("snapshot", self.inner.snapshot()).await
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }

    /// It goes on after this program.
    async fn close(&self) {}
}

#[async_trait]
impl Ledger for Port<dyn Ledger> {
    async fn begin(&self, key: CheckoutId, opening: Opening) -> Result<Begun, Error> {
        let work = async {
            let is_repeat = self.has(Bug::KeyPerAttempt) && self.inner.held(key).await?.is_some();
            let key = if is_repeat { CheckoutId(self.process.world().ids.next()) } else { key };
            self.inner.begin(key, opening).await
        };
        self.write("provider: authorize", work).await
    }

    async fn resolve(&self, key: CheckoutId, decide: Decide, at: Timestamp) -> Result<Resolved, Error> {
        let work = async {
            match self.mistaken(key, decide).await? {
                Some(resolved) => Ok(resolved),
                None => self.inner.resolve(key, self.garbled(decide), at).await,
            }
        };
        self.write("provider: resolve", work).await
    }

    async fn held(&self, key: CheckoutId) -> Result<Option<Held>, Error> {
        self.read("provider: held", self.inner.held(key)).await
    }

    async fn entries(&self) -> Result<Vec<Entry>, Error> {
        self.read("provider: entries", self.inner.entries()).await
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// What is wrong with a shop of the zoo.
impl Port<dyn Ledger> {
    /// The answer of a provider that does nothing.
    async fn mistaken(&self, key: CheckoutId, decide: Decide) -> Result<Option<Resolved>, Error> {
        let Some(held) = self.inner.held(key).await? else {
            return Ok(None);
        };
        Ok(match decide(Some(&held.standing)) {
            Some(effect @ Effect::Void) if self.has(Bug::VoidForgotten) => {
                Some(Resolved::Now(effect, held.terms))
            }
            Some(effect @ Effect::Refund) if self.has(Bug::RefundForgotten) => {
                Some(Resolved::Now(effect, held.terms))
            }
            _ => None,
        })
    }

    fn garbled(&self, decide: Decide) -> Decide {
        let captures = decide(Some(&Standing::Authorized)) == Some(Effect::Capture);
        if captures && self.has(Bug::CapturedAgain) { |_| Some(Effect::Capture) } else { decide }
    }
}
