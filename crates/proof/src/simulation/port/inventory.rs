//! The stock.

use async_trait::async_trait;
use inventory_service::ledger::{Movement, Snapshot};
use inventory_service::reservation::{Command, Lines, Reply, Reservation, State};
use inventory_service::stock::{BelowHeld, OnHand, Stock};
use inventory_service::store::{Held, Store};
use types::{ProductId, ReservationId, Timestamp};

use super::Port;
use crate::simulation::zoo::Bug;

#[async_trait]
impl Store for Port<dyn Store> {
    async fn apply(&self, id: ReservationId, command: Command, now: Timestamp) -> Result<Reply, sql::Error> {
        let what = match &command {
            Command::Reserve(_) => "reserve",
            Command::Confirm => "confirm",
            Command::Release => "release",
            Command::Expire => "expire",
            Command::Restock => "restock",
        };
        let work = async {
            match self.mistaken(id, &command).await? {
                Some(reply) => Ok(reply),
                None => self.inner.apply(id, self.garbled(command), now).await,
            }
        };
        self.write(what, work).await
    }

    async fn expire_due(&self, now: Timestamp, limit: u32) -> Result<u32, sql::Error> {
        self.write("expire due", self.inner.expire_due(now, limit)).await
    }

    async fn next_expiry(&self) -> Result<Option<Timestamp>, sql::Error> {
        self.read("next expiry", self.inner.next_expiry()).await
    }

    /// For who watches, of whom there is nobody.
    async fn held(&self) -> Result<Held, sql::Error> {
        Ok(Held::default())
    }

    async fn stock(&self, product_id: ProductId) -> Result<Option<Stock>, sql::Error> {
        self.read("stock", self.inner.stock(product_id)).await
    }

    async fn set_on_hand(
        &self,
        product_id: ProductId,
        on_hand: OnHand,
        now: Timestamp,
    ) -> Result<Result<Stock, BelowHeld>, sql::Error> {
        self.write("set on hand", self.inner.set_on_hand(product_id, on_hand, now)).await
    }

    async fn movements(
        &self,
        product_id: ProductId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Movement>, sql::Error> {
        self.read("movements", self.inner.movements(product_id, before, limit)).await
    }

    async fn snapshot(&self) -> Result<Snapshot, sql::Error> {
        self.read("snapshot", self.inner.snapshot()).await
    }

    async fn ping(&self) -> Result<(), sql::Error> {
        Ok(())
    }
}

/// What is wrong with a shop of the zoo.
impl Port<dyn Store> {
    /// The answer to a command that is not carried out.
    async fn mistaken(&self, id: ReservationId, command: &Command) -> Result<Option<Reply>, sql::Error> {
        let answered = match command {
            Command::Confirm if self.has(Bug::ConfirmedInMemory) && self.process.nature.draws(0.2) => {
                State::Committed
            }
            Command::Release if self.has(Bug::ReleaseForgotten) => State::Released,
            Command::Release if self.has(Bug::NoTombstoneOfStock) => State::Released,
            Command::Restock if self.has(Bug::RestockForgotten) => State::Restocked,
            _ => return Ok(None),
        };
        let reservations = self.inner.snapshot().await?.reservations;
        let lines = reservations.into_iter().find(|it| it.id == id).map(|it| it.lines);
        if self.has(Bug::NoTombstoneOfStock) && lines.is_some() {
            return Ok(None);
        }
        Ok(Some(Ok(Reservation { id, lines: lines.unwrap_or_default(), state: answered })))
    }

    fn garbled(&self, command: Command) -> Command {
        match command {
            Command::Reserve(lines) if self.has(Bug::PartialReservation) && lines.len() > 1 => {
                let mut kept = Lines::default();
                for (product, quantity) in lines.iter().take(lines.len() - 1) {
                    // It fitted before.
                    let _ = kept.add(product, quantity);
                }
                Command::Reserve(kept)
            }
            command => command,
        }
    }
}
