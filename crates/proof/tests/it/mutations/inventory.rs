//! Of the inventory.

use inventory_service::ledger::Kind;
use inventory_service::reservation::{
    self, Command, Decision, Lines, Reservation, Settled, State, Transition,
};
use proof::model::Rules;
use types::{ReservationId, Timestamp};

use super::find_out;

#[test]
fn are_found_out() {
    let with = |inventory| Rules { inventory, ..Rules::real() };
    find_out(&[
        ("a release leaves no tombstone", "S: the stock of an end", with(release_without_tombstone)),
        ("a reservation rises from its tombstone", "S: the stock of an end", with(reserve_over_tombstone)),
        ("sold stock is not given back", "S: the stock of an end", with(release_keeps_sold)),
        ("what is sold expires", "pivot: money is there only", with(commit_expires)),
        ("an expired hold is sold without its unit", "P4", with(confirm_takes_nothing)),
        ("a release moves its unit each time", "P4", with(release_twice)),
    ]);
}

/// A store that answers so, and writes that.
fn settled(existing: Option<Reservation>, to: Reservation, movements: &'static [Kind]) -> Decision {
    let from = existing.map(|existing| existing.state);
    let write = Some(Transition { from, to: to.clone(), movements });
    Decision::Settled(Settled { write, reply: Ok(to) })
}

fn answer(reservation: Reservation) -> Decision {
    Decision::Settled(Settled { write: None, reply: Ok(reservation) })
}

fn state(existing: &Option<Reservation>) -> Option<&State> {
    existing.as_ref().map(|existing| &existing.state)
}

fn released(id: ReservationId) -> Reservation {
    Reservation { id, lines: Lines::default(), state: State::Released }
}

fn release_without_tombstone(
    id: ReservationId,
    existing: Option<Reservation>,
    command: Command,
    now: Timestamp,
) -> Decision {
    match (&command, state(&existing)) {
        (Command::Release, None) => answer(released(id)),
        _ => reservation::decide(id, existing, command, now),
    }
}

fn reserve_over_tombstone(
    id: ReservationId,
    existing: Option<Reservation>,
    command: Command,
    now: Timestamp,
) -> Decision {
    match (&command, state(&existing)) {
        (Command::Reserve(_), Some(State::Released)) => reservation::decide(id, None, command, now),
        _ => reservation::decide(id, existing, command, now),
    }
}

fn release_keeps_sold(
    id: ReservationId,
    existing: Option<Reservation>,
    command: Command,
    now: Timestamp,
) -> Decision {
    match (&command, state(&existing)) {
        (Command::Release, Some(State::Committed)) => answer(released(id)),
        _ => reservation::decide(id, existing, command, now),
    }
}

fn commit_expires(
    id: ReservationId,
    existing: Option<Reservation>,
    command: Command,
    now: Timestamp,
) -> Decision {
    match (&command, &existing) {
        (Command::Expire, Some(sold)) if sold.state == State::Committed => {
            let expired = Reservation { state: State::Expired { since: now }, ..sold.clone() };
            settled(existing, expired, &[Kind::Restock])
        }
        _ => reservation::decide(id, existing, command, now),
    }
}

fn confirm_takes_nothing(
    id: ReservationId,
    existing: Option<Reservation>,
    command: Command,
    now: Timestamp,
) -> Decision {
    match (&command, &existing) {
        (Command::Confirm, Some(held)) if matches!(held.state, State::Expired { .. }) => {
            let sold = Reservation { state: State::Committed, ..held.clone() };
            settled(existing, sold, &[Kind::Commit])
        }
        _ => reservation::decide(id, existing, command, now),
    }
}

fn release_twice(
    id: ReservationId,
    existing: Option<Reservation>,
    command: Command,
    now: Timestamp,
) -> Decision {
    match (&command, &existing) {
        (Command::Release, Some(gone)) if gone.state == State::Released && !gone.lines.is_empty() => {
            settled(existing.clone(), gone.clone(), &[Kind::Release])
        }
        _ => reservation::decide(id, existing, command, now),
    }
}
