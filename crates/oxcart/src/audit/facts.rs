//! What an audit knows.

use cart_service::cart::Cart;
use std::collections::HashMap;

use checkout_service::checkout::{Checkout, Ending};
use event_log::{DeadLetter, Delivery, End, Progress};
use orders_service::order::{Order, Status};
use payment_service::payment::Payment;
use payment_service::provider::simulated::Entry;
use proto::events::CheckoutCompleted;
use types::{CheckoutId, Timestamp};

use super::history::History;

/// What the stores of a shop say, each as of one moment.
///
/// They are read one after the other while the shop may be at work, in this order: the time and the ends of
/// the log, checkouts, stock, payments, the provider's ledger, the groups' progress, carts, orders, the log.
/// So whatever follows from the end of a checkout is there wherever the end is. What came into being after
/// `now` is judged by the next audit.
#[derive(Debug, Clone)]
pub struct Facts {
    /// When the reading began.
    pub now: Timestamp,
    /// Checkouts, their keys and their events.
    pub checkouts: checkout_service::store::Snapshot,
    /// Stock, reservations and movements.
    pub inventory: inventory_service::ledger::Snapshot,
    /// Payments as the payment service knows them.
    pub payments: Vec<Payment>,
    /// What the provider did, oldest first: the independent witness.
    pub provider: Vec<Entry>,
    /// Orders, what made them and what they tell.
    pub orders: orders_service::store::Snapshot,
    /// Carts.
    pub carts: Vec<Cart>,
    /// The event log.
    pub log: Log,
    /// What clients were told, before `now`; empty where there is nobody to ask.
    pub history: History,
}

/// What the event log says.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Where the partitions ended when the reading began: for each event before there is an outbox that has it.
    pub ends: Vec<End>,
    /// How far the groups of consumers had come before orders and carts were read.
    pub progress: Vec<Progress>,
    /// What became of checkouts.
    pub checkout_events: Vec<Delivery>,
    /// What became of orders.
    pub order_events: Vec<Delivery>,
    /// What was given up.
    pub dead_letters: Vec<DeadLetter>,
}

impl Log {
    /// Whether the event was there when the reading began.
    pub(super) fn had(&self, delivery: &Delivery) -> bool {
        let Delivery { topic, partition, offset, event: _ } = delivery;
        let mut ends = self.ends.iter();
        ends.any(|end| (&end.topic, end.partition) == (topic, *partition) && *offset < end.next)
    }

    /// Whether a group had come past the event.
    pub(super) fn is_consumed(&self, group: &str, delivery: &Delivery) -> bool {
        let Delivery { topic, partition, offset, event: _ } = delivery;
        let mut progress = self.progress.iter().filter(|it| it.group == group);
        progress.any(|it| (&it.topic, it.partition) == (topic, *partition) && *offset < it.next)
    }
}

impl Default for Facts {
    /// Of a shop without anything.
    fn default() -> Self {
        Self {
            now: Timestamp::from_micros(0),
            checkouts: checkout_service::store::Snapshot::default(),
            inventory: inventory_service::ledger::Snapshot {
                stock: Vec::new(),
                reservations: Vec::new(),
                movements: Vec::new(),
            },
            payments: Vec::new(),
            provider: Vec::new(),
            orders: orders_service::store::Snapshot {
                orders: Vec::new(),
                cancellations: Vec::new(),
                inbox: Vec::new(),
                outbox: Vec::new(),
            },
            carts: Vec::new(),
            log: Log::default(),
            history: History::default(),
        }
    }
}

impl Facts {
    /// Whether this came into being while the stores were being read.
    pub(super) fn is_news(&self, at: Timestamp) -> bool {
        at > self.now
    }

    /// How far the order of each checkout is from being cancelled.
    pub(super) fn reversals(&self) -> HashMap<CheckoutId, Reversal> {
        let orders = self.orders.orders.iter();
        orders.map(|order| (order.purchase.checkout_id, self.reversal(order))).collect()
    }

    fn reversal(&self, order: &Order) -> Reversal {
        match order.status {
            Status::Confirmed | Status::Processing | Status::Shipped | Status::Delivered => Reversal::None,
            Status::Cancelling => Reversal::Running,
            // Money and stock were read before orders: what ended since then may not show there.
            Status::Cancelled if self.is_news(order.updated_at) => Reversal::Running,
            Status::Cancelled => Reversal::Done,
        }
    }

    /// The checkouts that bought something, each with what it tells of that.
    pub(super) fn completed(&self) -> impl Iterator<Item = (&Checkout, CheckoutCompleted)> {
        self.checkouts.checkouts.iter().filter_map(|checkout| Some((checkout, completion(checkout)?)))
    }
}

/// What of a sale may be, or must be, given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reversal {
    /// Nothing: its order stands, or is still to be made.
    None,
    /// Any part: its order is being cancelled.
    Running,
    /// All: its order is cancelled.
    Done,
}

/// What a completed checkout tells; `None` of any other.
pub(super) fn completion(checkout: &Checkout) -> Option<CheckoutCompleted> {
    match checkout.ending()? {
        Ending::Completed(event) => Some(event),
        Ending::Failed(_) => None,
    }
}
