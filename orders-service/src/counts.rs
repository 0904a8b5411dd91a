//! What the service counts.

use std::sync::Arc;

use platform::metrics::{Counter, Metrics};

use crate::order::{Order, Status};

/// The counters. Clones share them.
#[derive(Clone)]
pub(crate) struct Counts {
    by_status: Arc<[(Status, Counter)]>,
    metrics: Metrics,
}

impl Counts {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let help = "Orders that came to a status.";
        let came_to =
            |status: Status| metrics.counter("oxcart_orders_total", help, &[("status", status.as_str())]);
        let by_status = Status::ALL.map(|status| (status, came_to(status))).into();
        Self { by_status, metrics: metrics.clone() }
    }

    /// A new order.
    pub(crate) fn made(&self, order: &Order) {
        self.came_to(order.status);
        let total = order.purchase.total;
        let help = "What orders came to when they were made, in the smallest units of the currency.";
        let labels = [("currency", total.currency.code())];
        let revenue = self.metrics.counter("oxcart_revenue_minor_units_total", help, &labels);
        revenue.increment(total.minor.unsigned_abs());
    }

    pub(crate) fn came_to(&self, status: Status) {
        if let Some((_, counter)) = self.by_status.iter().find(|(known, _)| *known == status) {
            counter.increment(1);
        }
    }
}
