//! Reading the stores of a shop, beside it or after it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use event_log::{Archive, End, Progress};
use payment_service::Places;
use payment_service::provider::simulated::ledger::{self, Ledger};
use platform::World;
use platform::clock::Clock;
use platform::config::Location;
use proto::events::{CHECKOUT_EVENTS, ORDER_EVENTS};

use super::facts::{Facts, Log};
use super::history::History;

/// All topics of the shop,
pub(crate) const TOPICS: [&str; 2] = [CHECKOUT_EVENTS, ORDER_EVENTS];
/// and all groups of consumers.
const GROUPS: [&str; 2] = ["orders-service", "cart-service"];

/// Where the stores of a shop are. The catalogue is not among them: no invariant speaks of it.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The stock.
    pub inventory: Location,
    /// The payments, and the ledger of the simulated payment provider.
    pub payments: Places,
    /// The orders.
    pub orders: Location,
    /// The checkouts.
    pub checkout: Location,
    /// The carts.
    pub cart: cart_service::Settings,
    /// The event log.
    pub events: event_log::config::Settings,
    /// Where carts and events are unless their settings say otherwise.
    pub data_dir: PathBuf,
}

/// Reads everything once, without a history of clients. Nothing is written and nobody is kept from writing.
///
/// # Errors
/// A file that is missing or can't be read, named.
pub async fn read(sources: &Sources, world: &World) -> anyhow::Result<Facts> {
    Stores::open(sources, world).await?.read().await
}

/// The stores of a shop, open for reading.
pub(super) struct Stores {
    inventory: Arc<dyn inventory_service::store::Store>,
    payment: Arc<dyn payment_service::store::Store>,
    provider: Arc<dyn Ledger>,
    orders: Arc<dyn orders_service::store::Store>,
    checkout: Arc<dyn checkout_service::store::Store>,
    cart: Arc<dyn cart_service::store::Store>,
    events: Arc<dyn Archive>,
    clock: Arc<dyn Clock>,
}

impl Stores {
    pub(super) async fn open(sources: &Sources, world: &World) -> anyhow::Result<Self> {
        let Sources { inventory, payments, orders, checkout, cart, events, data_dir } = sources;
        for location in [inventory, &payments.payments, &payments.provider, orders, checkout] {
            must_exist(location)?;
        }
        if cart.mongo_uri.is_none() {
            must_exist(&Location::File(data_dir.join("cart.db")))?;
        }
        Ok(Self {
            inventory: inventory_service::store::open_read_only(inventory).await?,
            payment: payment_service::store::open_read_only(&payments.payments).await?,
            provider: ledger::open_read_only(&payments.provider).await?,
            orders: orders_service::store::open_read_only(orders).await?,
            checkout: checkout_service::store::open_read_only(checkout, world).await?,
            cart: cart_service::store::open_read_only(cart, data_dir).await?,
            events: event_log::config::archive(events, data_dir).await?,
            clock: world.clock.clone(),
        })
    }

    /// Reads all stores in the order that [`Facts`] promises.
    pub(super) async fn read(&self) -> anyhow::Result<Facts> {
        let ends = self.events.ends(&TOPICS).await.context("the event log can't be read")?;
        let now = self.clock.now();
        let checkouts = self.checkout.snapshot().await.context("the checkouts can't be read")?;
        let inventory = self.inventory.snapshot().await.context("the stock can't be read")?;
        let payments = self.payment.snapshot().await.context("the payments can't be read")?;
        let provider = self.provider.entries().await.context("the provider's ledger can't be read")?;
        let progress = self.events.progress(&GROUPS, &TOPICS).await;
        let progress = progress.context("the event log can't be read")?;
        let carts = self.cart.snapshot().await.context("the carts can't be read")?;
        let orders = self.orders.snapshot().await.context("the orders can't be read")?;
        let log = self.log(ends, progress).await.context("the event log can't be read")?;
        let history = History::default();
        Ok(Facts { now, checkouts, inventory, payments, provider, orders, carts, log, history })
    }

    async fn log(&self, ends: Vec<End>, progress: Vec<Progress>) -> Result<Log, event_log::Error> {
        Ok(Log {
            ends,
            progress,
            checkout_events: self.events.events(CHECKOUT_EVENTS).await?,
            order_events: self.events.events(ORDER_EVENTS).await?,
            dead_letters: self.events.dead_letters(&TOPICS).await?,
        })
    }
}

/// A file that is only to be read is not made; a server says itself that it has nothing.
fn must_exist(location: &Location) -> anyhow::Result<()> {
    if let Location::File(file) = location
        && !file.try_exists().with_context(|| format!("{} can't be looked at", file.display()))?
    {
        let directory = file.parent().unwrap_or(file).display();
        bail!("no shop was ever started on {directory}: there is no {}", file.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
