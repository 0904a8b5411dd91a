//! Worlds that no move and no promise can ever tell apart are made one. Each rule reads from the tables whether
//! it may, so that changed rules, under which the difference counts, are searched with it.

use super::moves::Laws;
use super::tables::{Stepped, Tables, call_number};
use super::words::{Heard, Stand};
use super::world::{Phase, World};

/// What the tables say of the future.
pub(super) struct Future {
    /// By [`Stand`]: the deadline counts there or further on.
    deadline: Vec<bool>,
    /// By reservation: whether there is stock counts for it or for what may become of it.
    stock: Vec<bool>,
}

impl Future {
    pub(super) fn of(tables: &Tables) -> Self {
        let further = |at: usize| tables.next[at].iter().flatten().map(|stand| *stand as usize).collect();
        let deadline = reaching(tables.can_expire.clone(), further);
        let applied = &tables.reservations.applied;
        let counts = applied.iter().map(|row| row.iter().any(|[without, with]| without != with)).collect();
        let stock = reaching(counts, |at| applied[at].iter().flatten().map(|one| one.to.into()).collect());
        Self { deadline, stock }
    }
}

/// Those from where one that holds can be reached.
fn reaching(mut holds: Vec<bool>, further: impl Fn(usize) -> Vec<usize>) -> Vec<bool> {
    loop {
        let more: Vec<usize> =
            (0..holds.len()).filter(|at| !holds[*at] && further(*at).iter().any(|to| holds[*to])).collect();
        if more.is_empty() {
            return holds;
        }
        for at in more {
            holds[at] = true;
        }
    }
}

impl Laws {
    pub(super) fn normal(&self, mut world: World) -> World {
        self.handlers(&mut world);
        self.workers(&mut world);
        // Nobody looks at the deadline any more.
        let stands = world.workers.iter().flatten().map(|worker| worker.stand);
        if !stands.chain([world.row]).any(|stand| self.future.deadline[stand as usize]) {
            world.overdue = false;
        }
        // Nobody looks for free stock any more: who else has it, and for how long, is all the same.
        if world.elsewhere && !self.future.stock[usize::from(world.reservation)] {
            world.elsewhere = false;
            world.stock[0] += 1;
        }
        world
    }

    fn handlers(&self, world: &mut World) {
        for place in 0..world.handlers.len() {
            let Some(handler) = world.handlers[place].filter(|handler| handler.told.is_none()) else {
                continue;
            };
            match self.tables.step[usize::from(handler.seen)][call_number(handler.call)] {
                // It changes nothing more, and an answer may be on its way for as long as it likes.
                Stepped::Answer(heard) => {
                    world.handlers[place] = None;
                    if let Some(caller) = handler.caller {
                        world.answer(usize::from(caller), heard);
                    }
                }
                // What is asked may arrive from now on, which says nothing of when, or if ever.
                Stepped::Ask(asked) => world.asked |= asked.bit(),
                Stepped::Intend(_) => {}
            }
        }
    }

    fn workers(&self, world: &mut World) {
        for place in 0..world.workers.len() {
            let Some(worker) = world.workers[place] else { continue };
            let repeats = |heard: Heard| self.tables.next[worker.stand as usize][heard as usize].is_none();
            let is_idle = match worker.phase {
                Phase::Calling => false,
                // To write that a call is to be repeated changes nothing that the model knows of.
                Phase::Told(heard) => repeats(heard) && repeats(Heard::Unknown),
            };
            // It will find that it lost the checkout. Its call is on its way already.
            let is_late = !worker.owner && !self.guard.lets(false, true);
            if is_idle || is_late {
                world.set(place, None);
            }
        }
    }
}

impl Tables {
    /// Whether a call is still made from there.
    pub(super) fn calls(&self, stand: Stand, overdue: bool) -> bool {
        !(overdue && self.can_expire[stand as usize])
    }
}
