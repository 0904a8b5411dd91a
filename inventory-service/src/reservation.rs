//! Reservations, and what each command makes of them. All decisions are here, pure; a store only loads what
//! a decision needs and writes what it says.

mod lines;

use std::time::Duration;

use types::{ProductId, ReservationId, Timestamp};

use crate::ledger::Kind;
use crate::stock::Available;
pub use lines::Lines;

/// How long stock is held before it goes back.
pub const HOLD: Duration = Duration::from_secs(5 * 60);

/// Stock asked for under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The key, chosen by who reserves.
    pub id: ReservationId,
    /// What was asked for; empty for a tombstone.
    pub lines: Lines,
    /// What became of it.
    pub state: State,
}

/// What became of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The stock is set aside.
    Held {
        /// When it goes back; later by as much as the sweeper is late.
        until: Timestamp,
    },
    /// The stock is sold; this never expires.
    Committed,
    /// Given back, or never to be made: for ever.
    Released,
    /// Held for too long: the stock went back, and is taken again by a confirmation if it is still there.
    Expired {
        /// When the hold ended.
        since: Timestamp,
    },
    /// Nothing was ever held.
    Rejected {
        /// The products of which there was not enough.
        lacking: Vec<ProductId>,
    },
    /// Sold, and given back when its order was cancelled: for ever.
    Restocked,
}

impl State {
    /// The state's name as it is stored, without what it carries.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Held { .. } => "HELD",
            Self::Committed => "COMMITTED",
            Self::Released => "RELEASED",
            Self::Expired { .. } => "EXPIRED",
            Self::Rejected { .. } => "REJECTED",
            Self::Restocked => "RESTOCKED",
        }
    }
}

/// What may be asked of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Set stock aside, all or nothing.
    Reserve(Lines),
    /// Sell what is held.
    Confirm,
    /// Undo, whatever was done.
    Release,
    /// Give back what was held for too long; what is not due stays.
    Expire,
    /// Give back what was sold.
    Restock,
}

/// A definite no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is not enough of these products.
    #[error("not enough stock of product {}", comma_separated(.0))]
    InsufficientStock(Vec<ProductId>),
    /// The key was used with other lines.
    #[error("this reservation id was used for other lines")]
    KeyReused,
    /// The reservation was undone, or never came to be.
    #[error("the reservation was released")]
    Released,
    /// Nobody reserved under this key.
    #[error("no such reservation")]
    NotFound,
    /// Nothing of it is sold, so nothing can be given back.
    #[error("the reservation was never committed")]
    NotCommitted,
}

/// Product ids as refusals name them: `1,2`.
pub fn comma_separated(products: &[ProductId]) -> String {
    let texts: Vec<String> = products.iter().map(ProductId::to_string).collect();
    texts.join(",")
}

/// The answer to a command, the same each time it is repeated.
pub type Reply = Result<Reservation, Refusal>;

/// What a command comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is clear.
    Settled(Settled),
    /// It depends on what is available.
    Take(Taking),
}

/// What to write, if anything, and what to answer once it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The change; none where the command was carried out before, or is refused.
    pub write: Option<Transition>,
    /// The answer.
    pub reply: Reply,
}

/// One change of one reservation and of the stock of its lines, to be written as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The state that the reservation must still be in; `None`: it must not exist.
    pub from: Option<State>,
    /// The reservation from now on.
    pub to: Reservation,
    /// How each of its lines moves, one after the other.
    pub movements: &'static [Kind],
}

impl Transition {
    fn settled(self) -> Settled {
        let reply = Ok(self.to.clone());
        Settled { write: Some(self), reply }
    }
}

/// Lines to be taken from what is available, all or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taking {
    taken: Transition,
    otherwise: Shortage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shortage {
    /// The refusal is stored, so that it stays the answer even when stock comes back.
    Rejects,
    /// Nothing changes; asking again may succeed.
    ChangesNothing,
}

impl Taking {
    /// What is to be taken: the decision needs to know what is available of these.
    pub fn lines(&self) -> &Lines {
        &self.taken.to.lines
    }

    /// Decides by what is available.
    pub fn settle(self, available: &Available) -> Settled {
        let lacking = self.lines().lacking(available);
        if lacking.is_empty() {
            return self.taken.settled();
        }
        let write = match self.otherwise {
            Shortage::Rejects => Some(Transition {
                from: None,
                to: Reservation { state: State::Rejected { lacking: lacking.clone() }, ..self.taken.to },
                movements: &[],
            }),
            Shortage::ChangesNothing => None,
        };
        Settled { write, reply: Err(Refusal::InsufficientStock(lacking)) }
    }
}

/// What a command makes of the reservation `id`, which is `existing` now.
pub fn decide(
    id: ReservationId,
    existing: Option<Reservation>,
    command: Command,
    now: Timestamp,
) -> Decision {
    match command {
        Command::Reserve(lines) => reserve(id, existing, lines, now),
        Command::Confirm => confirm(existing),
        Command::Release => release(id, existing),
        Command::Expire => expire(existing, now),
        Command::Restock => restock(existing),
    }
}

fn reserve(id: ReservationId, existing: Option<Reservation>, lines: Lines, now: Timestamp) -> Decision {
    let Some(existing) = existing else {
        let until = now.after(HOLD);
        let held = Reservation { id, lines, state: State::Held { until } };
        return Decision::Take(Taking {
            taken: Transition { from: None, to: held, movements: &[Kind::Reserve] },
            otherwise: Shortage::Rejects,
        });
    };
    // A tombstone does not know what would have been asked for.
    if !existing.lines.is_empty() && existing.lines != lines {
        return answer(Err(Refusal::KeyReused));
    }
    answer(match existing.state {
        State::Held { .. } | State::Committed | State::Expired { .. } => Ok(existing),
        State::Released | State::Restocked => Err(Refusal::Released),
        State::Rejected { lacking } => Err(Refusal::InsufficientStock(lacking)),
    })
}

fn confirm(existing: Option<Reservation>) -> Decision {
    let Some(existing) = existing else {
        return answer(Err(Refusal::NotFound));
    };
    match existing.state {
        // Past its expiry as well, as long as nobody took the stock away.
        State::Held { .. } => write(existing, State::Committed, &[Kind::Commit]),
        State::Committed => answer(Ok(existing)),
        State::Expired { .. } => Decision::Take(Taking {
            taken: transition(existing, State::Committed, &[Kind::Reserve, Kind::Commit]),
            otherwise: Shortage::ChangesNothing,
        }),
        State::Released | State::Rejected { .. } | State::Restocked => answer(Err(Refusal::Released)),
    }
}

fn release(id: ReservationId, existing: Option<Reservation>) -> Decision {
    let Some(existing) = existing else {
        let tombstone = Reservation { id, lines: Lines::default(), state: State::Released };
        let transition = Transition { from: None, to: tombstone, movements: &[] };
        return Decision::Settled(transition.settled());
    };
    match existing.state {
        State::Held { .. } => write(existing, State::Released, &[Kind::Release]),
        State::Committed => write(existing, State::Released, &[Kind::Restock]),
        State::Expired { .. } => write(existing, State::Released, &[]),
        State::Released | State::Rejected { .. } | State::Restocked => answer(Ok(existing)),
    }
}

fn expire(existing: Option<Reservation>, now: Timestamp) -> Decision {
    let Some(existing) = existing else {
        return answer(Err(Refusal::NotFound));
    };
    match existing.state {
        State::Held { until } if until <= now => {
            write(existing, State::Expired { since: until }, &[Kind::Expire])
        }
        State::Held { .. }
        | State::Committed
        | State::Released
        | State::Expired { .. }
        | State::Rejected { .. }
        | State::Restocked => answer(Ok(existing)),
    }
}

fn restock(existing: Option<Reservation>) -> Decision {
    let Some(existing) = existing else {
        return answer(Err(Refusal::NotFound));
    };
    match existing.state {
        State::Committed => write(existing, State::Restocked, &[Kind::Restock]),
        State::Restocked => answer(Ok(existing)),
        // No tombstone: who restocks has sold before, so a reservation that is only held will not be sold later.
        State::Held { .. } | State::Expired { .. } | State::Released | State::Rejected { .. } => {
            answer(Err(Refusal::NotCommitted))
        }
    }
}

fn answer(reply: Reply) -> Decision {
    Decision::Settled(Settled { write: None, reply })
}

fn write(existing: Reservation, to: State, movements: &'static [Kind]) -> Decision {
    Decision::Settled(transition(existing, to, movements).settled())
}

fn transition(existing: Reservation, to: State, movements: &'static [Kind]) -> Transition {
    let Reservation { id, lines, state } = existing;
    Transition { from: Some(state), to: Reservation { id, lines, state: to }, movements }
}

#[cfg(test)]
mod tests;
