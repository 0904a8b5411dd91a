//! Reading the stores of a shop, beside it or after it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use cart_service::store::Store as _;
use checkout_service::store::Store as _;
use event_log::sqlite as log;
use inventory_service::store::Store as _;
use orders_service::store::Store as _;
use payment_service::provider::simulated;
use payment_service::store::Store as _;
use platform::clock::Clock;
use proto::events::{CHECKOUT_EVENTS, ORDER_EVENTS};
use sql::sqlite::Database;

use super::facts::{Facts, Log};
use super::history::History;

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
    events: Database,
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
            events: Database::open_read_only(events).await?,
            clock,
        })
    }

    /// Reads all stores in the order that [`Facts`] promises.
    pub(super) async fn read(&self) -> anyhow::Result<Facts> {
        let known = log::last_offset(&self.events).await.context("the event log can't be read")?;
        let now = self.clock.now();
        let checkouts = self.checkout.snapshot().await.context("the checkouts can't be read")?;
        let inventory = self.inventory.snapshot().await.context("the stock can't be read")?;
        let payments = self.payment.snapshot().await.context("the payments can't be read")?;
        let provider =
            simulated::ledger(&self.provider).await.context("the provider's ledger can't be read")?;
        let progress = log::progress(&self.events).await.context("the event log can't be read")?;
        let carts = self.cart.snapshot().await.context("the carts can't be read")?;
        let orders = self.orders.snapshot().await.context("the orders can't be read")?;
        let log = self.log(known, progress).await.context("the event log can't be read")?;
        let history = History::default();
        Ok(Facts { now, checkouts, inventory, payments, provider, orders, carts, log, history })
    }

    async fn log(&self, known: i64, progress: Vec<log::Progress>) -> Result<Log, event_log::Error> {
        Ok(Log {
            known,
            progress,
            checkout_events: log::events(&self.events, CHECKOUT_EVENTS).await?,
            order_events: log::events(&self.events, ORDER_EVENTS).await?,
            dead_letters: log::dead_letters(&self.events).await?,
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
