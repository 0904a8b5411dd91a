//! The model's inventory and payment service by themselves, to be held against the real ones.

use super::moves::{Laws, Move};
use super::rules::Rules;
use super::words::Stand;
use super::world::{Phase, Worker, World};

/// Standing of a key that was declined, a number of the tables.
const DECLINED: u8 = 2;

/// An inventory and a payment service that are asked one call after the other.
pub struct Participants {
    laws: Laws,
    world: World,
    card_is_good: bool,
}

impl Participants {
    /// Participants that know of nothing, with a unit of stock or without, and a card that is good or declined.
    pub fn new(rules: &Rules, in_stock: bool, card_is_good: bool) -> Self {
        let start = World::start();
        let world = if in_stock { start } else { World { stock: [0; 3], elsewhere: true, ..start } };
        Self { laws: Laws::of(rules), world, card_is_good }
    }

    /// Makes the call of a state, and says where the checkout goes; `None`: nowhere.
    pub fn call(&mut self, stand: Stand) -> Option<Stand> {
        let call = stand.call()?;
        let worker = Worker { stand, owner: true, phase: Phase::Calling };
        self.world.row = stand;
        self.world.workers = [None, Some(worker)];
        self.world.sent |= call.bit();
        loop {
            match self.world.workers.iter().flatten().next() {
                Some(Worker { phase: Phase::Calling, .. }) => self.advance(),
                Some(Worker { phase: Phase::Told(heard), .. }) => {
                    return self.laws.tables.next[stand as usize][*heard as usize];
                }
                // A worker that has nothing to write is gone at once.
                None => return None,
            }
        }
    }

    /// The hold runs out and is swept.
    pub fn sweep(&mut self) {
        self.go(|by, _| by == Move::Sweep);
    }

    fn advance(&mut self) {
        let declined = !self.card_is_good;
        let first = self.world.standing == 0;
        let moved = self.go(|by, after| match by {
            Move::Serve(_) | Move::Begin(_) => true,
            Move::Step(_) => !first || after.standing == 4 || (after.standing == DECLINED) == declined,
            _ => false,
        });
        assert!(moved, "a call that nobody carries out: {}", self.world.told(&self.laws.tables));
    }

    /// Makes the first move that is wanted, if there is one.
    fn go(&mut self, is_wanted: impl Fn(Move, &World) -> bool) -> bool {
        let mut found = Vec::new();
        self.laws.followers(&self.world, &mut found);
        let wanted = found.iter().find(|follower| is_wanted(follower.by, &follower.world));
        if let Some(follower) = wanted {
            self.world = follower.world;
        }
        wanted.is_some()
    }
}
