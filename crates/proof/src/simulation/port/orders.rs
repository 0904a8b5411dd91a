//! The orders.

use async_trait::async_trait;
use event_log::Event;
use orders_service::cancellation::Cancellation;
use orders_service::order::{Order, Status};
use orders_service::store::{Cancellations, Made, Position, Snapshot, Step, Store};
use platform::lease::{Held, Lease};
use sql::Error;
use types::{OrderId, Timestamp, UserId};
use uuid::Uuid;

use super::Port;
use crate::simulation::zoo::Bug;

#[async_trait]
impl Store for Port<dyn Store> {
    async fn make(&self, order: Order, cause: Uuid, announcement: Event) -> Result<Made, Error> {
        let made = self.write("make order", self.inner.make(order, cause, announcement)).await;
        made.map_err(
            |error| if self.has(Bug::OutageIsPoison) { Error::defect("out of reach") } else { error },
        )
    }

    async fn order(&self, id: OrderId) -> Result<Option<Order>, Error> {
        self.read("order", self.inner.order(id)).await
    }

    async fn orders(
        &self,
        user: UserId,
        status: Option<Status>,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<Order>, Error> {
        self.read("orders", self.inner.orders(user, status, after, limit)).await
    }

    async fn change_status(&self, step: Step, announcement: Event) -> Result<bool, Error> {
        self.write("change status", self.inner.change_status(step, announcement)).await
    }

    async fn snapshot(&self) -> Result<Snapshot, Error> {
        self.read("snapshot", self.inner.snapshot()).await
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[async_trait]
impl Cancellations for Port<dyn Store> {
    async fn cancel(&self, from: Status, cancellation: &Cancellation) -> Result<bool, Error> {
        self.write("cancel", self.inner.cancel(from, cancellation)).await
    }

    async fn claim(&self, owner: Uuid, limit: usize, now: Timestamp) -> Result<Vec<Cancellation>, Error> {
        self.look("claim cancellations", self.inner.claim(owner, limit, now)).await
    }

    async fn save(
        &self,
        before: &Cancellation,
        after: &Cancellation,
        announcement: Option<Event>,
        lease: Lease,
        now: Timestamp,
    ) -> Result<Held, Error> {
        self.write("save cancellation", self.inner.save(before, after, announcement, lease, now)).await
    }

    async fn renew(&self, cancellation: &Cancellation, now: Timestamp) -> Result<Held, Error> {
        self.write("renew cancellation", self.inner.renew(cancellation, now)).await
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        self.next("next cancellation", self.inner.next_due(now)).await
    }

    async fn give_back(&self, owner: Uuid) -> Result<(), Error> {
        self.write("give cancellations back", self.inner.give_back(owner)).await
    }
}
