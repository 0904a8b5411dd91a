//! Reading the stores of a shop, beside it or after it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use cart_service::store::Store as _;
use checkout_service::store::Store as _;
use event_log::{Archive, End, Progress};
use inventory_service::store::Store as _;
use orders_service::store::Store as _;
use payment_service::provider::simulated;
use payment_service::store::Store as _;
use platform::clock::Clock;
use proto::events::{CHECKOUT_EVENTS, ORDER_EVENTS};

use super::facts::{Facts, Log};
use super::history::History;

/// All topics of the shop,
const TOPICS: [&str; 2] = [CHECKOUT_EVENTS, ORDER_EVENTS];
/// and all groups of consumers.
const GROUPS: [&str; 2] = ["orders-service", "cart-service"];

/// The files of a shop. The catalogue is not among them: no invariant speaks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The stock.
    pub inventory: PathBuf,
    /// The payments.
    pub payment: PathBuf,
    /// The ledger of the simulated payment provider.
    pub provider: PathBuf,
    /// The orders.
    pub orders: PathBuf,
    /// The checkouts.
    pub checkout: PathBuf,
    /// The carts.
    pub cart: PathBuf,
    /// The event log.
    pub events: PathBuf,
}

/// Reads everything once, without a history of clients. Nothing is written and nobody is kept from writing.
///
/// # Errors
/// A file that is missing or can't be read, named.
pub async fn read(sources: &Sources, clock: Arc<dyn Clock>) -> anyhow::Result<Facts> {
    Stores::open(sources, clock).await?.read().await
}

/// The stores of a shop, open for reading.
pub(super) struct Stores {
    inventory: inventory_service::store::Sqlite,
    payment: payment_service::store::sqlite::SqliteStore,
    provider: PathBuf,
    orders: orders_service::store::Sqlite,
    checkout: checkout_service::store::Sqlite,
    cart: cart_service::store::Sqlite,
    events: Box<dyn Archive>,
    clock: Arc<dyn Clock>,
}

impl Stores {
    pub(super) async fn open(sources: &Sources, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let Sources { inventory, payment, provider, orders, checkout, cart, events } = sources;
        for file in [inventory, payment, provider, orders, checkout, cart, events] {
            must_exist(file)?;
        }
        Ok(Self {
            inventory: inventory_service::store::Sqlite::open_read_only(inventory).await?,
            payment: payment_service::store::sqlite::SqliteStore::open_read_only(payment).await?,
            provider: provider.clone(),
            orders: orders_service::store::Sqlite::open_read_only(orders).await?,
            checkout: checkout_service::store::Sqlite::open_read_only(checkout, Arc::clone(&clock)).await?,
            cart: cart_service::store::Sqlite::open_read_only(cart).await?,
            events: Box::new(event_log::sqlite::Archive::open(events).await?),
            clock,
        })
    }

    /// Reads all stores in the order that [`Facts`] promises.
    pub(super) async fn read(&self) -> anyhow::Result<Facts> {
        let ends = self.events.ends(&TOPICS).await.context("the event log can't be read")?;
        let now = self.clock.now();
        let checkouts = self.checkout.snapshot().await.context("the checkouts can't be read")?;
        let inventory = self.inventory.snapshot().await.context("the stock can't be read")?;
        let payments = self.payment.snapshot().await.context("the payments can't be read")?;
        let provider =
            simulated::ledger(&self.provider).await.context("the provider's ledger can't be read")?;
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

fn must_exist(file: &Path) -> anyhow::Result<()> {
    if !file.try_exists().with_context(|| format!("{} can't be looked at", file.display()))? {
        let directory = file.parent().unwrap_or(file).display();
        bail!("no shop was ever started on {directory}: there is no {}", file.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
