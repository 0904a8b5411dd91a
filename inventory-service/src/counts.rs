//! What the service counts, and what it watches.

use std::sync::Arc;
use std::time::Duration;

use platform::World;
use platform::metrics::{Counter, Metrics, count};
use platform::tasks::pause;
use tokio_util::sync::CancellationToken;

use crate::reservation::{Refusal, Reply};
use crate::store::Store;

/// How often the store is asked what is held.
const EVERY: Duration = Duration::from_secs(5);

/// The counters, found once.
#[derive(Clone)]
pub(crate) struct Counts {
    shortages: Counter,
    expired: Counter,
}

impl Counts {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let counter = |name, help| metrics.counter(name, help, &[]);
        Self {
            shortages: counter("oxcart_stock_shortages_total", "Answers that there is not enough stock."),
            expired: counter("oxcart_stock_holds_expired_total", "Holds of stock that were over in time."),
        }
    }

    pub(crate) fn answered(&self, reply: &Reply) {
        if let Err(Refusal::InsufficientStock(_)) = reply {
            self.shortages.increment(1);
        }
    }

    pub(crate) fn expired(&self, holds: u32) {
        self.expired.increment(holds.into());
    }
}

/// Says what is held, until `shutdown`. That is asked of the store, so that no restart forgets it; instances that share
/// the store say the same.
///
/// # Errors
/// None so far: while the store does not answer, the last numbers stand.
pub(crate) async fn watch(
    store: Arc<dyn Store>,
    world: World,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let gauge = |name, help| world.metrics.gauge(name, help, &[]);
    let holds = gauge("oxcart_stock_holds", "Reservations that hold stock.");
    let units = gauge("oxcart_stock_held_units", "Units of stock that are held.");
    while !shutdown.is_cancelled() {
        match store.held().await {
            Ok(held) => {
                holds.set(count(held.reservations));
                units.set(count(held.units));
            }
            Err(error) => tracing::debug!(%error, "can't look what is held"),
        }
        pause(EVERY, world.clock.as_ref(), &shutdown).await;
    }
    Ok(())
}
