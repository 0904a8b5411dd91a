//! What arrives at the inventory, and the sweeper of holds.

use super::moves::{Follower, Laws, Move, fine, trouble};
use super::tables::Applied;
use super::words::Call;
use super::world::World;

impl Laws {
    pub(super) fn network(&self, world: &World, found: &mut Vec<Follower>) {
        for (command, call) in [Call::Reserve, Call::Confirm, Call::Release].into_iter().enumerate() {
            if world.sent & call.bit() == 0 {
                continue;
            }
            let (after, applied) = self.apply(world, command);
            if after != *world {
                found.push(trouble(Move::Late(call), after));
            }
            for place in 0..world.workers.len() {
                if world.calling(place, call).is_some() {
                    let mut told = after;
                    told.answer(place, applied.heard);
                    found.push(fine(Move::Serve(place), told));
                }
            }
        }
        let (after, _) = self.apply(world, 3);
        if after != *world {
            found.push(trouble(Move::Sweep, after));
        }
    }

    /// One command, in one transaction.
    fn apply(&self, world: &World, command: usize) -> (World, Applied) {
        let available = usize::from(world.stock[0] > 0);
        let applied = self.tables.reservations.applied[usize::from(world.reservation)][command][available];
        let mut after = World { reservation: applied.to, ..*world };
        after.move_unit(applied.movements);
        (after, applied)
    }
}
