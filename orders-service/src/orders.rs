//! What can be done with orders, whoever asks: a call or an event.

use std::sync::Arc;
use std::time::Duration;

use event_log::Event;
use futures::Stream;
use platform::watch::{self, Watchers};
use platform::{World, fault};
use tokio::sync::Notify;
use types::{OrderId, PageSize, UserId};

use crate::announcement::{self, Origin};
use crate::cancellation::Cancellation;
use crate::counts::Counts;
use crate::error::Error;
use crate::order::{self, Cancel, Order, Purchase, Status, advance};
use crate::store::{Made, Position, Step, Store};

/// How often who watches an order looks at the store unasked: another instance may change it.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The orders of the shop.
#[derive(Clone)]
pub(crate) struct Orders {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) world: World,
    pub(crate) counts: Counts,
    /// Wakes the relay after each change.
    pub(crate) changed: Arc<Notify>,
    /// Wakes who carries cancellations to their end.
    pub(crate) due: Arc<Notify>,
    /// Who waits for an order to change.
    pub(crate) watchers: Watchers<OrderId>,
}

/// Some orders, and where the next ones begin.
pub(crate) struct Page {
    pub(crate) orders: Vec<Order>,
    pub(crate) next: Option<Position>,
}

impl Orders {
    /// Makes the order of a purchase, once: a purchase that is told again changes nothing. `cause` is the
    /// event that tells of it. What comes back is the order that the checkout has now, made now or before.
    pub(crate) async fn make(&self, purchase: Purchase, cause: &Event) -> Result<Order, sql::Error> {
        let order = Order::new(purchase, self.world.clock.now());
        let announcement =
            announcement::created(&order, self.origin(cause.traceparent.clone(), cause.request_id.clone()));
        let making = self.store.make(order.clone(), cause.id, announcement);
        match fault::around("orders.make", making).await? {
            Made::Now => {
                self.changed.notify_one();
                self.counts.made(&order);
                tracing::info!(order_id = %order.id, "order made");
                Ok(order)
            }
            Made::Before(before) => Ok(*before),
        }
    }

    /// The order; if there is an `owner`, only theirs.
    pub(crate) async fn order(&self, id: OrderId, owner: Option<UserId>) -> Result<Order, Error> {
        let order = self.store.order(id).await?.ok_or(Error::NotFound)?;
        if owner.is_some_and(|owner| owner != order.purchase.user_id) {
            return Err(Error::NotFound);
        }
        Ok(order)
    }

    /// The order now and after each change, up to its end; if there is an `owner`, only theirs.
    pub(crate) async fn watch(
        &self,
        id: OrderId,
        owner: Option<UserId>,
    ) -> Result<impl Stream<Item = Result<Order, Error>> + Send + use<>, Error> {
        self.order(id, owner).await?;
        let (watch, clock, orders) = (self.watchers.watch(id), self.world.clock.clone(), self.clone());
        let look = move || {
            let orders = orders.clone();
            async move { orders.order(id, owner).await }
        };
        Ok(watch::changes(watch, clock, LOOK_AGAIN, look, |order| order.status.is_end()))
    }

    /// A user's orders, newest first.
    pub(crate) async fn page(
        &self,
        user: UserId,
        status: Option<Status>,
        after: Option<Position>,
        size: PageSize,
    ) -> Result<Page, Error> {
        // One more than asked for tells whether there is another page.
        let mut orders = self.store.orders(user, status, after, size.get() + 1).await?;
        let more = orders.len() > size.get();
        orders.truncate(size.get());
        let last = orders.last().filter(|_| more);
        let next = last.map(|last| Position { created_at: last.created_at, id: last.id });
        Ok(Page { orders, next })
    }

    /// Takes an order one step along its lifecycle.
    pub(crate) async fn change_status(
        &self,
        id: OrderId,
        to: Status,
        request: &platform::Origin,
    ) -> Result<Order, Error> {
        // Each turn more means that somebody else took a step meanwhile, and there are only three to take.
        loop {
            let order = self.order(id, None).await?;
            advance(order.status, to)?;
            // A clock that was set back does not make an order younger than it is.
            let at = self.world.clock.now().max(order.updated_at);
            let step = Step { id, from: order.status, to, at };
            let (traceparent, request_id) = (request.traceparent.clone(), request.request_id.clone());
            let origin = self.origin(Some(traceparent), Some(request_id));
            let announcement = announcement::status_changed(order.purchase.user_id, step, origin);
            if fault::around("orders.change", self.store.change_status(step, announcement)).await? {
                self.changed.notify_one();
                self.watchers.changed(id);
                self.counts.came_to(to);
                tracing::info!(order_id = %id, from = %step.from, to = %to, "order status changed");
                return Ok(Order { status: to, updated_at: at, ..order });
            }
        }
    }

    /// Accepts that an order is cancelled: durable when this returns, and carried to its end by the worker. An order
    /// that is being cancelled or is cancelled is returned as it is. If there is an `owner`, only theirs.
    pub(crate) async fn cancel(
        &self,
        id: OrderId,
        owner: Option<UserId>,
        request: &platform::Origin,
    ) -> Result<Order, Error> {
        // Each turn more means that somebody else took a step meanwhile, and there are only a few to take.
        loop {
            let order = self.order(id, owner).await?;
            match order::cancel(order.status)? {
                Cancel::Begun => return Ok(order),
                Cancel::Begins => {}
            }
            let cancellation = Cancellation::of(&order, request.clone(), self.world.clock.now());
            if fault::around("orders.cancel", self.store.cancel(order.status, &cancellation)).await? {
                self.due.notify_one();
                self.watchers.changed(id);
                self.counts.came_to(Status::Cancelling);
                tracing::info!(order_id = %id, from = %order.status, "order is being cancelled");
                return Ok(Order {
                    status: Status::Cancelling,
                    updated_at: cancellation.requested_at,
                    ..order
                });
            }
        }
    }

    fn origin(&self, traceparent: Option<String>, request_id: Option<String>) -> Origin {
        Origin { id: self.world.ids.next(), traceparent, request_id }
    }
}
