//! What must be true at every moment, late arrivals or not.

use inventory_service::reservation::State;
use payment_service::payment::Status;

use super::tables::Tables;
use super::words::Stand;
use super::world::World;

/// The first promise that is broken.
pub(super) fn broken(tables: &Tables, world: &World) -> Option<&'static str> {
    promises(tables, world).into_iter().find(|(_, kept)| !kept).map(|(promise, _)| promise)
}

fn promises(tables: &Tables, world: &World) -> [(&'static str, bool); 15] {
    let reservation = tables.reservations.all[usize::from(world.reservation)].as_ref();
    let reservation = reservation.map(|reservation| &reservation.state);
    let is_held = matches!(reservation, Some(State::Held { .. }));
    let is_sold = matches!(reservation, Some(State::Committed));
    let [available, held, sold] = world.stock;
    let [authorized, captured, refunded] = world.effects;
    let (completed, failed) = (world.row == Stand::Completed, world.row == Stand::Failed);
    [
        ("M1: at most one authorisation takes effect", authorized <= 1),
        ("M1: at most one capture takes effect", captured <= 1),
        ("M1: no more is refunded than was captured", refunded <= captured),
        ("M2: a completed checkout has its money", !completed || captured == 1),
        ("M2: only somebody else gives the money of a completed checkout back", {
            !completed || refunded == 0 || world.meddled
        }),
        ("M3: a failed checkout has no money", !failed || captured == refunded),
        ("M3: nothing stays authorised for a failed checkout", !failed || world.standing != 1),
        ("pivot: money is there only for stock that is sold", captured == refunded || is_sold),
        ("pivot: money that was taken is given back only where the capture was refused", {
            !failed || captured == 0 || world.refused || world.meddled
        }),
        ("P4: nothing is moved that is not there", !world.broken),
        ("S1: no unit is lost or made", available + held + sold + i8::from(world.elsewhere) == 1),
        ("S2: held and sold is what the reservation says", {
            (held, sold) == (i8::from(is_held), i8::from(is_sold))
        }),
        ("S: the stock of an end is sold or given back", {
            (!completed || is_sold) && (!failed || !(is_held || is_sold))
        }),
        ("E1: each end has one event", world.events == [u8::from(completed), u8::from(failed)]),
        ("P1: the payment service says of the money what the provider says", agrees(tables, world)),
    ]
}

/// What the payment service says is settled must be so at the provider, or have been.
fn agrees(tables: &Tables, world: &World) -> bool {
    let Some(payment) = tables.payments[usize::from(world.payment)].as_ref() else { return true };
    let [authorized, captured, refunded] = world.effects;
    match payment.status {
        Status::Pending | Status::Voiding => true,
        Status::Authorized | Status::Capturing => authorized == 1,
        Status::Declined { .. } => authorized == 0,
        Status::Captured | Status::Refunding => captured == 1,
        Status::Voided => captured == 0 && world.standing == 4,
        Status::Refunded => captured == 1 && refunded == 1,
    }
}
