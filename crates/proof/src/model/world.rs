//! Everything there is at one moment.

use std::fmt;

use inventory_service::stock::Stock;
use types::ProductId;

use super::tables::Tables;
use super::words::{Call, Heard, Stand};

/// The most payment handlers that can be at work at the same moment.
pub(super) const HANDLERS: usize = 3;

/// The model at one moment. Workers and handlers are in no order, see [`World::canonical`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct World {
    /// The row of the checkout.
    pub(super) row: Stand,
    /// Its deadline is over.
    pub(super) overdue: bool,
    /// Events written: completed, failed.
    pub(super) events: [u8; 2],
    /// The two workers; none is at nothing.
    pub(super) workers: [Option<Worker>; 2],
    /// The calls that were sent, as [`Call::bit`]s: they may arrive from now on.
    pub(super) sent: u8,
    /// The reservation, a number of the tables.
    pub(super) reservation: u8,
    /// Units available, held and sold.
    pub(super) stock: [i8; 3],
    /// Somebody else has the last unit.
    pub(super) elsewhere: bool,
    /// The payment, a number of the tables.
    pub(super) payment: u8,
    /// Who works on it.
    pub(super) handlers: [Option<Handler>; HANDLERS],
    /// The calls to the provider that were sent, as bits.
    pub(super) asked: u8,
    /// Where the provider stands, a number of the tables.
    pub(super) standing: u8,
    /// Authorisations, captures and refunds that took effect.
    pub(super) effects: [u8; 3],
    /// Somebody else refunded or voided.
    pub(super) meddled: bool,
    /// The capture was refused.
    pub(super) refused: bool,
    /// A participant moved what was not there.
    pub(super) broken: bool,
}

/// A worker that has the checkout, or believes so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Worker {
    /// What it read or wrote last.
    pub(super) stand: Stand,
    /// Its fence is that of the row.
    pub(super) owner: bool,
    /// What it is at.
    pub(super) phase: Phase,
}

/// What a worker is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Phase {
    /// Making its call: about to, or waiting for the answer.
    Calling,
    /// About to write what it heard.
    Told(Heard),
}

/// A call that the payment service is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Handler {
    /// The call.
    pub(super) call: Call,
    /// The worker that waits for its answer, if any still does.
    pub(super) caller: Option<u8>,
    /// The payment as it read it.
    pub(super) seen: u8,
    /// What the provider told and is not yet written, a number of the tables.
    pub(super) told: Option<u8>,
}

impl World {
    /// A checkout that was just accepted, one unit of stock, nobody at work: who accepted it has made the first
    /// call, or not, and is gone.
    pub(super) const fn start() -> Self {
        Self {
            row: Stand::Reserving,
            overdue: false,
            events: [0; 2],
            workers: [None; 2],
            sent: Call::Reserve.bit(),
            reservation: 0,
            stock: [1, 0, 0],
            elsewhere: false,
            payment: 0,
            handlers: [None; HANDLERS],
            asked: 0,
            standing: 0,
            effects: [0; 3],
            meddled: false,
            refused: false,
            broken: false,
        }
    }

    /// One of the worlds that differ only in which worker is called the first, and which handler.
    #[must_use]
    pub(super) fn canonical(self) -> Self {
        let mut one = self;
        one.handlers.sort_unstable();
        if self.workers == [None; 2] {
            return one;
        }
        let mut other = self;
        other.workers.swap(0, 1);
        for handler in other.handlers.iter_mut().flatten() {
            handler.caller = handler.caller.map(|worker| 1 - worker);
        }
        other.handlers.sort_unstable();
        one.min(other)
    }

    /// Moves the unit by the inventory's own arithmetic.
    pub(super) fn move_unit(&mut self, kinds: &[inventory_service::ledger::Kind]) {
        let [available, held, sold] = self.stock.map(i64::from);
        let product_id = ProductId::try_from(1).expect("1 is an id");
        let start = Some(Stock { product_id, available, held, sold });
        let moved = kinds.iter().try_fold(start, |stock, kind| stock.map(|stock| stock.after(*kind, 1)));
        match moved.flatten() {
            Some(Stock { available, held, sold, .. }) => {
                self.stock = [available, held, sold].map(|units| i8::try_from(units).unwrap_or(i8::MAX));
            }
            None => self.broken = true,
        }
    }

    /// Puts a worker there, who waits for nothing that was asked for before.
    pub(super) fn set(&mut self, place: usize, worker: Option<Worker>) {
        self.workers[place] = worker;
        for handler in self.handlers.iter_mut().flatten() {
            if handler.caller.map(usize::from) == Some(place) {
                handler.caller = None;
            }
        }
    }

    /// Answers the worker there.
    pub(super) fn answer(&mut self, place: usize, heard: Heard) {
        let told = self.workers[place].map(|worker| Worker { phase: Phase::Told(heard), ..worker });
        self.set(place, told);
    }

    /// The worker there, if it waits for the answer to this call.
    pub(super) fn calling(&self, place: usize, call: Call) -> Option<Worker> {
        self.workers[place]
            .filter(|worker| worker.phase == Phase::Calling && worker.stand.call() == Some(call))
    }

    /// Whether a worker has the row and may still write.
    pub(super) fn is_owned(&self) -> bool {
        self.workers.iter().flatten().any(|worker| worker.owner)
    }

    /// The world in words, with the numbers of these tables.
    pub(super) fn told<'a>(&'a self, tables: &'a Tables) -> Told<'a> {
        Told { world: self, tables }
    }
}

/// A [`World`] in words.
pub(super) struct Told<'a> {
    world: &'a World,
    tables: &'a Tables,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { world, tables } = self;
        write!(f, "{}", world.row.state().name())?;
        if world.overdue {
            f.write_str(" overdue")?;
        }
        for (number, worker) in (1..).zip(&world.workers) {
            if let Some(Worker { stand, owner, phase }) = worker {
                let fence = if *owner { "" } else { ", fence over" };
                write!(f, "; worker {number} {phase:?} at {}{fence}", stand.state().name())?;
            }
        }
        let reservation = tables.reservations.all[usize::from(world.reservation)].as_ref();
        let reservation = reservation.map_or("none", |reservation| reservation.state.as_str());
        let [available, held, sold] = world.stock;
        write!(f, "; reservation {reservation}, stock {available}/{held}/{sold}")?;
        let payment = tables.payments[usize::from(world.payment)].as_ref();
        match payment {
            Some(payment) => write!(f, "; payment {:?}", payment.status)?,
            None => f.write_str("; payment none")?,
        }
        let [authorized, captured, refunded] = world.effects;
        write!(f, ", at the provider authorized {authorized}, captured {captured}, refunded {refunded}")
    }
}
