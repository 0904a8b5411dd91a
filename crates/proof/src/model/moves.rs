//! What can happen next: to the workers, and to the world around.

use std::fmt;

use super::normal::Future;
use super::rules::{Asked, Guard, Intent, Rules};
use super::tables::Tables;
use super::words::{Call, Heard, Stand};
use super::world::{Phase, Worker, World};

/// One thing that happens. Workers and handlers are told by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// The checkout's deadline passes.
    Overdue,
    /// A worker takes the checkout under a new fence; whoever had it may not know.
    Claim(usize),
    /// A worker dies; what it knew is gone.
    Crash(usize),
    /// A worker sees that it is too late for its call.
    SeeDeadline(usize),
    /// A worker makes the call of the next state before it has written that state.
    SendEarly(usize),
    /// A worker waits no longer, or the answer gets lost.
    GiveUp(usize),
    /// Something before the participant refuses, and stores nothing.
    RefuseAtTheDoor(usize),
    /// A worker writes what it heard and where the checkout goes.
    Write(usize),
    /// The inventory carries out a call, and the worker hears it.
    Serve(usize),
    /// The inventory carries out a call that came late, or twice, or whose answer nobody hears.
    Late(Call),
    /// The payment service begins with the call of a worker.
    Begin(usize),
    /// The payment service begins with a call that came late, or twice.
    BeginLate(Call),
    /// A payment handler makes a step.
    Step(usize),
    /// A payment handler dies.
    Die(usize),
    /// The provider carries out a call that came late, or twice.
    LateAtProvider(Asked),
    /// The hold is over and is swept.
    Sweep,
    /// The authorisation is over.
    AuthorizationExpires,
    /// Somebody else buys the last unit.
    SoldElsewhere,
    /// Somebody else gives it back.
    BackFromElsewhere,
    /// Somebody voids or refunds by hand.
    ByHand(Call),
}

/// What follows from a move.
pub(super) struct Follower {
    pub(super) by: Move,
    pub(super) world: World,
    /// It needs nobody's help and nobody's fault: what is still to happen once all trouble is over.
    pub(super) untroubled: bool,
}

/// The model's laws.
pub(super) struct Laws {
    pub(super) tables: Tables,
    pub(super) future: Future,
    pub(super) guard: Guard,
    pub(super) intent: Intent,
    pub(super) handlers: usize,
}

impl Laws {
    pub(super) fn of(rules: &Rules) -> Self {
        let tables = Tables::of(rules);
        Self {
            future: Future::of(&tables),
            tables,
            guard: rules.guard,
            intent: rules.intent,
            handlers: rules.handlers,
        }
    }

    /// Everything that can happen next.
    pub(super) fn followers(&self, world: &World, found: &mut Vec<Follower>) {
        found.clear();
        self.around(world, found);
        for place in 0..world.workers.len() {
            match world.workers[place] {
                None => self.claim(world, place, found),
                Some(worker) => self.work(world, place, worker, found),
            }
        }
        self.network(world, found);
        self.payments(world, found);
        for follower in found {
            follower.world = self.normal(follower.world);
        }
    }

    fn around(&self, world: &World, found: &mut Vec<Follower>) {
        if !world.overdue && !world.row.is_end() {
            found.push(trouble(Move::Overdue, World { overdue: true, ..*world }));
        }
        if world.standing == 1 {
            found.push(trouble(Move::AuthorizationExpires, World { standing: 4, ..*world }));
        }
        let [available, held, sold] = world.stock;
        if available > 0 && !world.elsewhere {
            let stock = [available - 1, held, sold];
            found.push(trouble(Move::SoldElsewhere, World { stock, elsewhere: true, ..*world }));
        }
        if world.elsewhere {
            let stock = [available + 1, held, sold];
            found.push(trouble(Move::BackFromElsewhere, World { stock, elsewhere: false, ..*world }));
        }
        for call in [Call::Void, Call::Refund] {
            if world.sent & call.bit() == 0 {
                let sent = world.sent | call.bit();
                found.push(trouble(Move::ByHand(call), World { sent, meddled: true, ..*world }));
            }
        }
    }

    fn work(&self, world: &World, place: usize, worker: Worker, found: &mut Vec<Follower>) {
        found.push(trouble(Move::Crash(place), with(world, place, None)));
        let to = |heard| with(world, place, Some(Worker { phase: Phase::Told(heard), ..worker }));
        match worker.phase {
            Phase::Calling => {
                found.push(fine(Move::GiveUp(place), to(Heard::Unknown)));
                found.push(trouble(Move::RefuseAtTheDoor(place), to(Heard::Refused)));
                if !self.tables.calls(worker.stand, world.overdue) {
                    found.push(fine(Move::SeeDeadline(place), to(Heard::Expired)));
                }
            }
            Phase::Told(heard) => {
                if !matches!(heard, Heard::Unknown | Heard::Expired) {
                    found.push(trouble(Move::GiveUp(place), to(Heard::Unknown)));
                }
                self.write(world, place, worker, heard, found);
            }
        }
    }

    /// Leases have no clock here: one may be over at any moment. Without trouble it is over when its owner is
    /// gone.
    fn claim(&self, world: &World, place: usize, found: &mut Vec<Follower>) {
        if world.row.is_end() {
            return;
        }
        let mut after = *world;
        for worker in after.workers.iter_mut().flatten() {
            worker.owner = false;
        }
        self.enter(&mut after, place, Worker { stand: world.row, owner: true, phase: Phase::Calling });
        found.push(Follower { by: Move::Claim(place), world: after, untroubled: !world.is_owned() });
    }

    /// A worker is where it makes a call. Once made it may arrive at any later moment or never, so when it is
    /// made is all the same, unless it is too late for it.
    fn enter(&self, world: &mut World, place: usize, worker: Worker) {
        world.workers[place] = Some(worker);
        if self.tables.calls(worker.stand, world.overdue) {
            world.sent |= worker.stand.call().map_or(0, Call::bit);
        }
    }

    fn write(&self, world: &World, place: usize, worker: Worker, heard: Heard, found: &mut Vec<Follower>) {
        let next = self.tables.next[worker.stand as usize][heard as usize];
        if let (Intent::Unwritten, Some(call)) = (self.intent, next.and_then(Stand::call)) {
            let sent = world.sent | call.bit();
            if sent != world.sent {
                found.push(trouble(Move::SendEarly(place), World { sent, ..*world }));
            }
        }
        let mut after = with(world, place, None);
        let (Some(next), true) = (next, self.guard.lets(worker.owner, world.row == worker.stand)) else {
            found.push(fine(Move::Write(place), after));
            return;
        };
        after.refused |= worker.stand == Stand::Capturing && heard.is_refusal();
        after.row = next;
        match next {
            Stand::Completed => after.events[0] = after.events[0].saturating_add(1).min(2),
            Stand::Failed => after.events[1] = after.events[1].saturating_add(1).min(2),
            _ => self.enter(&mut after, place, Worker { stand: next, phase: Phase::Calling, ..worker }),
        }
        found.push(fine(Move::Write(place), after));
    }
}

/// The world with another worker there.
fn with(world: &World, place: usize, worker: Option<Worker>) -> World {
    let mut after = *world;
    after.set(place, worker);
    after
}

pub(super) fn fine(by: Move, world: World) -> Follower {
    Follower { by, world, untroubled: true }
}

pub(super) fn trouble(by: Move, world: World) -> Follower {
    Follower { by, world, untroubled: false }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Overdue => f.write_str("the deadline passes"),
            Self::Claim(place) => write!(f, "worker {} takes the checkout under a new fence", place + 1),
            Self::Crash(place) => write!(f, "worker {} dies", place + 1),
            Self::SeeDeadline(place) => write!(f, "worker {} sees that it is too late", place + 1),
            Self::SendEarly(place) => write!(f, "worker {} makes the next call, unwritten", place + 1),
            Self::GiveUp(place) => write!(f, "worker {} gets no answer", place + 1),
            Self::RefuseAtTheDoor(place) => write!(f, "a door refuses worker {}", place + 1),
            Self::Write(place) => write!(f, "worker {} writes", place + 1),
            Self::Serve(place) => write!(f, "the inventory answers worker {}", place + 1),
            Self::Late(call) => write!(f, "{call:?} arrives, and nobody hears the answer"),
            Self::Begin(place) => write!(f, "the payment service takes the call of worker {}", place + 1),
            Self::BeginLate(call) => write!(f, "{call:?} arrives, and nobody waits for the answer"),
            Self::Step(place) => write!(f, "payment handler {} makes a step", place + 1),
            Self::Die(place) => write!(f, "payment handler {} dies", place + 1),
            Self::LateAtProvider(asked) => write!(f, "{asked:?} arrives at the provider, unheard"),
            Self::Sweep => f.write_str("the hold runs out"),
            Self::AuthorizationExpires => f.write_str("the authorisation runs out"),
            Self::SoldElsewhere => f.write_str("somebody else buys the last unit"),
            Self::BackFromElsewhere => f.write_str("somebody else gives the unit back"),
            Self::ByHand(call) => write!(f, "somebody asks for a {call:?} by hand"),
        }
    }
}
