use types::Quantity;
use uuid::Uuid;

use super::*;
use crate::reservation::Lines;

fn product(id: i64) -> ProductId {
    ProductId::try_from(id).unwrap()
}

fn reservation(id: u128, quantity: i64, state: State) -> Reservation {
    let mut lines = Lines::default();
    lines.add(product(1), Quantity::try_from(quantity).unwrap()).unwrap();
    Reservation { id: ReservationId(Uuid::from_u128(id)), lines, state }
}

fn stock(id: i64, [available, held, sold]: [i64; 3]) -> Stock {
    Stock { product_id: product(id), available, held, sold }
}

/// Movements of product 1: kind, quantity, reservation or 0.
fn ledger(movements: &[(Kind, i64, u128)]) -> Vec<Movement> {
    (1..)
        .zip(movements)
        .map(|(id, &(kind, quantity, reservation))| Movement {
            id,
            product_id: product(1),
            kind,
            quantity,
            reservation_id: (reservation > 0).then(|| ReservationId(Uuid::from_u128(reservation))),
            at: Timestamp::from_micros(id),
        })
        .collect()
}

/// 50 came in; reservation 1 was sold, 2 is held, 3 was given back, 4 expired and was confirmed after all.
fn sound() -> Snapshot {
    Snapshot {
        stock: vec![stock(1, [50 - 2 - 3 - 5, 3, 2 + 5]), stock(2, [0, 0, 0])],
        reservations: vec![
            reservation(1, 2, State::Committed),
            reservation(2, 3, State::Held { until: Timestamp::from_micros(9) }),
            reservation(3, 4, State::Released),
            reservation(4, 5, State::Committed),
            reservation(5, 999, State::Rejected { lacking: vec![product(1)] }),
        ],
        movements: ledger(&[
            (Kind::Adjust, 60, 0),
            (Kind::Reserve, 2, 1),
            (Kind::Reserve, 3, 2),
            (Kind::Reserve, 4, 3),
            (Kind::Commit, 2, 1),
            (Kind::Release, 4, 3),
            (Kind::Reserve, 5, 4),
            (Kind::Expire, 5, 4),
            (Kind::Adjust, -10, 0),
            (Kind::Reserve, 5, 4),
            (Kind::Commit, 5, 4),
        ]),
    }
}

#[test]
fn a_sound_store_breaks_no_promise() {
    let snapshot = sound();
    assert_eq!(replay(product(1), &snapshot.movements), Ok(stock(1, [40, 3, 7])));
    assert_eq!(replay(product(2), &snapshot.movements), Ok(Stock::none(product(2))));
    assert_eq!(snapshot.violations(), []);
}

#[test]
fn more_than_there_is_can_not_be_replayed() {
    let movements = ledger(&[(Kind::Adjust, 1, 0), (Kind::Reserve, 2, 1)]);
    assert_eq!(replay(product(1), &movements), Err(&movements[1]));
    let snapshot = Snapshot { stock: vec![stock(1, [-1, 2, 0])], reservations: vec![], movements };
    assert!(snapshot.violations().contains(&Violation::Impossible { product_id: product(1), movement: 2 }));
}

#[test]
fn a_unit_out_of_nowhere_is_found() {
    let mut snapshot = sound();
    snapshot.stock[0].available += 1;
    assert_eq!(
        snapshot.violations(),
        [Violation::NotReplayed { stock: stock(1, [41, 3, 7]), replayed: stock(1, [40, 3, 7]) }]
    );
}

#[test]
fn a_lost_stock_row_is_found() {
    let mut snapshot = sound();
    snapshot.stock.remove(0);
    assert_eq!(snapshot.violations(), [Violation::NoStock(product(1))]);
}

#[test]
fn a_reservation_that_is_not_what_its_movements_say_is_found() {
    let mut snapshot = sound();
    snapshot.reservations[1].state = State::Committed;
    let not_explained = |id| Violation::NotExplained {
        reservation_id: ReservationId(Uuid::from_u128(id)),
        product_id: product(1),
    };
    assert_eq!(
        snapshot.violations(),
        [Violation::NotReserved { stock: stock(1, [40, 3, 7]), held: 0, sold: 10 }, not_explained(2)]
    );

    let mut snapshot = sound();
    snapshot.reservations.remove(0);
    assert_eq!(
        snapshot.violations(),
        [Violation::NotReserved { stock: stock(1, [40, 3, 7]), held: 3, sold: 5 }, not_explained(1)]
    );
}

#[test]
fn kinds_read_back_and_make_nothing_from_nothing() {
    for kind in Kind::ALL {
        assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        let Effect { available, held, sold } = kind.effect();
        let made = i64::from(kind == Kind::Adjust);
        assert_eq!(available + held + sold, made, "{kind:?}");
    }
    assert_eq!(Kind::parse("THEFT"), None);
}
