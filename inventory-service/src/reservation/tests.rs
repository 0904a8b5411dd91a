//! Every state meets every command.

use super::*;
use types::Quantity;
use uuid::Uuid;

const ID: ReservationId = ReservationId(Uuid::from_u128(7));

fn product(id: i64) -> ProductId {
    ProductId::try_from(id).unwrap()
}

fn lines(lines: &[(i64, i64)]) -> Lines {
    let mut sum = Lines::default();
    for &(id, quantity) in lines {
        sum.add(product(id), Quantity::try_from(quantity).unwrap()).unwrap();
    }
    sum
}

/// What every reservation here asks for.
fn wanted() -> Lines {
    lines(&[(1, 2), (2, 3)])
}

fn now() -> Timestamp {
    Timestamp::from_micros(1_000_000_000)
}

fn held() -> State {
    State::Held { until: now().after(HOLD) }
}

fn overdue() -> State {
    State::Held { until: now() }
}

fn expired() -> State {
    State::Expired { since: now() }
}

fn rejected() -> State {
    State::Rejected { lacking: vec![product(2)] }
}

fn reservation(state: State) -> Reservation {
    Reservation { id: ID, lines: wanted(), state }
}

fn tombstone() -> Reservation {
    Reservation { id: ID, lines: Lines::default(), state: State::Released }
}

fn plenty() -> Available {
    [(product(1), 2), (product(2), 3)].into()
}

fn too_little() -> Available {
    [(product(1), 2), (product(2), 2)].into()
}

fn settle(existing: Option<Reservation>, command: Command, available: &Available) -> Settled {
    match decide(ID, existing, command, now()) {
        Decision::Settled(settled) => settled,
        Decision::Take(taking) => {
            assert_eq!(taking.lines(), &wanted());
            taking.settle(available)
        }
    }
}

/// The command changes nothing and is answered so.
fn answers(reply: Reply) -> Settled {
    Settled { write: None, reply }
}

/// The command changes the state, which is the answer.
fn becomes(from: Option<State>, to: Reservation, movements: &'static [Kind]) -> Settled {
    Settled { reply: Ok(to.clone()), write: Some(Transition { from, to, movements }) }
}

fn short() -> Refusal {
    Refusal::InsufficientStock(vec![product(2)])
}

#[test]
fn reserve() {
    let reserve = || Command::Reserve(wanted());
    assert_eq!(
        settle(None, reserve(), &plenty()),
        becomes(None, reservation(held()), &[Kind::Reserve]),
        "a hold ends 5 minutes from now"
    );
    let refused = Settled {
        write: Some(Transition { from: None, to: reservation(rejected()), movements: &[] }),
        reply: Err(short()),
    };
    assert_eq!(settle(None, reserve(), &too_little()), refused, "the refusal is stored");

    for available in [plenty(), too_little()] {
        for (existing, reply) in [
            (reservation(held()), Ok(reservation(held()))),
            (reservation(overdue()), Ok(reservation(overdue()))),
            (reservation(State::Committed), Ok(reservation(State::Committed))),
            (reservation(expired()), Ok(reservation(expired()))),
            (reservation(State::Released), Err(Refusal::Released)),
            (tombstone(), Err(Refusal::Released)),
            (reservation(rejected()), Err(short())),
            (reservation(State::Restocked), Err(Refusal::Released)),
        ] {
            assert_eq!(settle(Some(existing.clone()), reserve(), &available), answers(reply), "{existing:?}");
        }
    }
}

#[test]
fn reserve_of_other_lines() {
    for other in [lines(&[(1, 2)]), lines(&[(1, 2), (2, 4)]), lines(&[(1, 2), (2, 3), (3, 1)])] {
        let states =
            [held(), overdue(), State::Committed, expired(), State::Released, rejected(), State::Restocked];
        for state in states {
            let settled =
                settle(Some(reservation(state.clone())), Command::Reserve(other.clone()), &plenty());
            assert_eq!(settled, answers(Err(Refusal::KeyReused)), "{state:?} {other:?}");
        }
        let settled = settle(Some(tombstone()), Command::Reserve(other), &plenty());
        assert_eq!(settled, answers(Err(Refusal::Released)), "a tombstone refuses whatever lines");
    }
}

#[test]
fn confirm() {
    let confirm = |existing, available: &Available| settle(existing, Command::Confirm, available);
    let committed = reservation(State::Committed);
    for available in [plenty(), too_little()] {
        assert_eq!(confirm(None, &available), answers(Err(Refusal::NotFound)));
        assert_eq!(confirm(Some(tombstone()), &available), answers(Err(Refusal::Released)));
        for state in [held(), overdue()] {
            assert_eq!(
                confirm(Some(reservation(state.clone())), &available),
                becomes(Some(state), committed.clone(), &[Kind::Commit])
            );
        }
        for (state, reply) in [
            (State::Committed, Ok(committed.clone())),
            (State::Released, Err(Refusal::Released)),
            (rejected(), Err(Refusal::Released)),
            (State::Restocked, Err(Refusal::Released)),
        ] {
            assert_eq!(confirm(Some(reservation(state.clone())), &available), answers(reply), "{state:?}");
        }
    }
    assert_eq!(
        confirm(Some(reservation(expired())), &plenty()),
        becomes(Some(expired()), committed, &[Kind::Reserve, Kind::Commit])
    );
    assert_eq!(
        confirm(Some(reservation(expired())), &too_little()),
        answers(Err(short())),
        "it stays expired, and may be confirmed later"
    );
}

#[test]
fn release() {
    let release = |existing| settle(existing, Command::Release, &Available::default());
    assert_eq!(release(None), becomes(None, tombstone(), &[]));
    assert_eq!(release(Some(tombstone())), answers(Ok(tombstone())));
    for (state, movements) in [
        (held(), &[Kind::Release][..]),
        (overdue(), &[Kind::Release]),
        (State::Committed, &[Kind::Restock]),
        (expired(), &[]),
    ] {
        assert_eq!(
            release(Some(reservation(state.clone()))),
            becomes(Some(state), reservation(State::Released), movements)
        );
    }
    for state in [State::Released, rejected(), State::Restocked] {
        assert_eq!(release(Some(reservation(state.clone()))), answers(Ok(reservation(state))));
    }
}

#[test]
fn expire() {
    let expire = |existing| settle(existing, Command::Expire, &Available::default());
    assert_eq!(expire(None), answers(Err(Refusal::NotFound)));
    assert_eq!(expire(Some(tombstone())), answers(Ok(tombstone())));
    assert_eq!(
        expire(Some(reservation(overdue()))),
        becomes(Some(overdue()), reservation(expired()), &[Kind::Expire])
    );
    for state in [held(), State::Committed, State::Released, expired(), rejected(), State::Restocked] {
        assert_eq!(expire(Some(reservation(state.clone()))), answers(Ok(reservation(state))));
    }
}

#[test]
fn restock() {
    let restock = |existing| settle(existing, Command::Restock, &Available::default());
    assert_eq!(restock(None), answers(Err(Refusal::NotFound)));
    assert_eq!(restock(Some(tombstone())), answers(Err(Refusal::NotCommitted)));
    assert_eq!(
        restock(Some(reservation(State::Committed))),
        becomes(Some(State::Committed), reservation(State::Restocked), &[Kind::Restock])
    );
    assert_eq!(
        restock(Some(reservation(State::Restocked))),
        answers(Ok(reservation(State::Restocked))),
        "once"
    );
    for state in [held(), overdue(), State::Released, expired(), rejected()] {
        assert_eq!(
            restock(Some(reservation(state.clone()))),
            answers(Err(Refusal::NotCommitted)),
            "{state:?}"
        );
    }
}

#[test]
fn shortage_names_every_product_that_lacks() {
    let settled = settle(None, Command::Reserve(wanted()), &Available::default());
    let refusal = settled.reply.unwrap_err();
    assert_eq!(refusal, Refusal::InsufficientStock(vec![product(1), product(2)]));
    assert_eq!(refusal.to_string(), "not enough stock of product 1,2");
}
