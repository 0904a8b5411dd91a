//! The payment service: what `Cashier` does between the decisions, one step at a time, and the provider.

use payment_service::provider::simulated::Effect;

use super::moves::{Follower, Laws, Move, fine, trouble};
use super::rules::Asked;
use super::tables::{PAYMENT_CALLS, Stepped, call_number, standing_number};
use super::world::{Handler, World};

impl Laws {
    pub(super) fn payments(&self, world: &World, found: &mut Vec<Follower>) {
        for (number, call) in PAYMENT_CALLS.into_iter().enumerate() {
            if world.sent & call.bit() == 0 {
                continue;
            }
            for place in 0..world.workers.len() {
                let caller = u8::try_from(place).expect("there are two workers");
                let served = world.handlers.iter().flatten().any(|handler| handler.caller == Some(caller));
                if !served && world.calling(place, call).is_some() {
                    found.extend(
                        self.begin(world, number, Some(caller)).map(|after| fine(Move::Begin(place), after)),
                    );
                }
            }
            let late = self.begin(world, number, None).filter(|after| after != world);
            found.extend(late.map(|after| trouble(Move::BeginLate(call), after)));
        }
        for (place, handler) in world.handlers.iter().enumerate() {
            if let Some(handler) = *handler {
                let mut dead = *world;
                dead.handlers[place] = None;
                found.push(trouble(Move::Die(place), dead));
                self.step(world, place, handler, found);
            }
        }
        for asked in Asked::ALL {
            if world.asked & asked.bit() != 0 {
                for after in self.provide(world, asked).filter(|after| after != world && !after.broken) {
                    found.push(trouble(Move::LateAtProvider(asked), after));
                }
            }
        }
    }

    /// Reads the payment, or begins it; `None` while all handlers are at work.
    fn begin(&self, world: &World, number: usize, caller: Option<u8>) -> Option<World> {
        let mut after = *world;
        if world.payment == 0 {
            match self.tables.begin[number] {
                Ok(payment) => after.payment = payment,
                Err(heard) => {
                    if let Some(caller) = caller {
                        after.answer(caller.into(), heard);
                    }
                    return Some(after);
                }
            }
        }
        if world.handlers.iter().flatten().count() >= self.handlers {
            return None;
        }
        let free = after.handlers.iter_mut().find(|handler| handler.is_none())?;
        *free = Some(Handler { call: PAYMENT_CALLS[number], caller, seen: after.payment, told: None });
        Some(after)
    }

    fn step(&self, world: &World, place: usize, handler: Handler, found: &mut Vec<Follower>) {
        let by = Move::Step(place);
        if let Some(told) = handler.told {
            let payment = self.tables.after[usize::from(handler.seen)][usize::from(told) - 1];
            let after = if payment == handler.seen { *world } else { advance(world, handler.seen, payment) };
            let seen = if payment == handler.seen { handler.seen } else { after.payment };
            found.push(fine(by, at(after, place, Some(Handler { seen, told: None, ..handler }))));
            return;
        }
        match self.tables.step[usize::from(handler.seen)][call_number(handler.call)] {
            // It has, see `normal`.
            Stepped::Answer(_) => {}
            Stepped::Intend(payment) => {
                let after = advance(world, handler.seen, payment);
                found.push(fine(by, at(after, place, Some(Handler { seen: after.payment, ..handler }))));
            }
            Stepped::Ask(asked) => {
                for after in self.provide(world, asked) {
                    let told = Some(after.standing).filter(|standing| *standing != 0);
                    found.push(fine(by, at(after, place, Some(Handler { told, ..handler }))));
                }
            }
        }
    }

    /// What one call makes of the provider, for each of its verdicts.
    fn provide(&self, world: &World, asked: Asked) -> impl Iterator<Item = World> {
        let rows = &self.tables.provider[asked as usize][usize::from(world.standing)];
        // The verdict is asked for once, if ever.
        let verdicts = if rows[0] == rows[1] { &rows[..1] } else { &rows[..] };
        verdicts.iter().map(|effect| {
            let mut after = *world;
            match effect {
                // A key that the service said it knows.
                None if world.standing == 0 => after.broken = true,
                None => {}
                Some(effect) => {
                    after.standing = standing_number(&effect.standing());
                    let counted = match effect {
                        Effect::Authorize => Some(0),
                        Effect::Capture => Some(1),
                        Effect::Refund => Some(2),
                        Effect::Decline { .. } | Effect::Void | Effect::Tombstone => None,
                    };
                    if let Some(place) = counted {
                        after.effects[place] = after.effects[place].saturating_add(1).min(2);
                    }
                }
            }
            after
        })
    }
}

/// One compare-and-set on the payment.
fn advance(world: &World, seen: u8, to: u8) -> World {
    let payment = if world.payment == seen { to } else { world.payment };
    World { payment, ..*world }
}

fn at(mut world: World, place: usize, handler: Option<Handler>) -> World {
    world.handlers[place] = handler;
    world
}
