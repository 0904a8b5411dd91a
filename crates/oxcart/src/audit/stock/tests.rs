use checkout_service::saga::state::Outcome;
use inventory_service::ledger::Kind;
use inventory_service::reservation::State as Stand;
use payment_service::payment::Status;
use uuid::Uuid;

use super::super::fixtures::*;
use super::*;

#[test]
fn s1_stock_is_what_came_in_and_went_out() {
    let mut facts = clean();
    facts.inventory.stock[0].available += 1;
    let text = "S1 product 1: stock is Stock { product_id: ProductId(1), available: 8, held: 0, sold: 3 }, \
                its movements add up to Stock { product_id: ProductId(1), available: 7, held: 0, sold: 3 }";
    assert_eq!(found(&facts), [text]);
}

#[test]
fn s1_nothing_is_ever_negative() {
    let mut facts = clean();
    let first = &mut facts.inventory.movements[0];
    assert_eq!((first.kind, first.quantity), (Kind::Adjust, 10));
    first.quantity = 1;
    assert_eq!(found(&facts), ["S1 product 1: movement 3 of product 1 moves more than there is"]);
}

#[test]
fn s2_what_is_held_is_reserved() {
    let mut facts = clean();
    let of_running = |it: &Reservation| it.id == ReservationId::from(id(RUNNING));
    facts.inventory.reservations.retain(|it| !of_running(it));
    let stock = "Stock { product_id: ProductId(2), available: 8, held: 1, sold: 1 }";
    assert_eq!(
        found(&facts),
        [
            format!("S2 product 2: stock is {stock}, reservations hold 0 and bought 1"),
            format!(
                "S2 reservation {0}: reservation {0} and its movements of product 2 disagree",
                Uuid::from_u128(RUNNING)
            ),
        ]
    );
}

#[test]
fn s2_what_is_sold_was_bought() {
    let mut facts = clean();
    reserve(&mut facts, 70, &[(2, 4)], Stand::Committed, &[Kind::Reserve, Kind::Commit]);
    let last = facts.inventory.reservations.last_mut().unwrap();
    last.state = Stand::Released;
    let codes: Vec<_> = super::check(&facts).iter().map(|it| (it.invariant, it.subject)).collect();
    let reservation = ReservationId(Uuid::from_u128(70));
    assert_eq!(
        codes,
        [(Invariant::S2, Subject::Product(product(2))), (Invariant::S2, Subject::Reservation(reservation))]
    );
    assert!(found(&facts)[0].ends_with("reservations hold 1 and bought 1"), "{:?}", found(&facts));
}

#[test]
fn what_is_reserved_by_hand_counts_as_stock_and_as_no_sale() {
    let mut facts = clean();
    reserve(&mut facts, 70, &[(1, 2)], Stand::Committed, &[Kind::Reserve, Kind::Commit]);
    reserve(&mut facts, 71, &[(1, 1)], Stand::Held { until: at(400) }, &[Kind::Reserve]);
    assert_eq!(found(&facts), [""; 0]);
}

#[test]
fn s3_what_is_sold_was_set_aside() {
    let mut facts = clean();
    // The stock of the second checkout went to somebody else, soundly.
    let (ours, other) = (ReservationId::from(id(SECOND)), ReservationId(Uuid::from_u128(70)));
    for reservation in &mut facts.inventory.reservations {
        if reservation.id == ours {
            reservation.id = other;
        }
    }
    for movement in &mut facts.inventory.movements {
        if movement.reservation_id == Some(ours) {
            movement.reservation_id = Some(other);
        }
    }
    let text = format!("S3 checkout {}: completed, but no stock was ever set aside", id(SECOND));
    assert_eq!(found(&facts), [text]);
    reserve(&mut facts, SECOND, &[(1, 1)], Stand::Released, &[Kind::Reserve, Kind::Release]);
    assert_eq!(found(&facts), [format!("S3 checkout {}: completed, but its stock is RELEASED", id(SECOND))]);
    facts.inventory.reservations.pop();
    reserve(&mut facts, SECOND, &[(1, 2)], Stand::Committed, &[Kind::Reserve, Kind::Commit]);
    let text = format!("S3 checkout {}: bought 1 of product 1, was given 2 of product 1", id(SECOND));
    assert_eq!(found(&facts), [text]);
}

#[test]
fn s3_what_is_paid_is_sold_while_the_checkout_runs() {
    let mut facts = clean();
    let amount = Some(usd(250));
    ledger(&mut facts, RUNNING, Effect::Capture, amount);
    facts.payments.iter_mut().find(|it| it.checkout_id == id(RUNNING)).unwrap().status = Status::Captured;
    assert_eq!(found(&facts), [format!("S3 checkout {}: is paid, but its stock is HELD", id(RUNNING))]);
    // While it is read it may have been sold.
    let now = std::mem::replace(&mut facts.now, at(90));
    assert_eq!(found(&facts), [""; 0]);
    facts.now = now;
    // Given back, nothing is owed for it.
    ledger(&mut facts, RUNNING, Effect::Refund, amount);
    facts.payments.iter_mut().find(|it| it.checkout_id == id(RUNNING)).unwrap().status = Status::Refunded;
    assert_eq!(found(&facts), [""; 0]);
}

#[test]
fn s2_what_is_restocked_is_sold_no_more() {
    let mut facts = clean();
    cancelled(&mut facts);
    assert_eq!(found(&facts), [""; 0]);
    // It is said to be back, and is still counted as sold.
    let restocks = |movement: &Movement| movement.kind == Kind::Restock;
    for movement in facts.inventory.movements.iter().filter(|it| restocks(it)) {
        let stock = &mut facts.inventory.stock;
        let stock = stock.iter_mut().find(|it| it.product_id == movement.product_id).unwrap();
        stock.available -= movement.quantity;
        stock.sold += movement.quantity;
    }
    facts.inventory.movements.retain(|movement| !restocks(movement));
    let codes: Vec<_> = super::check(&facts).iter().map(|it| (it.invariant, it.subject)).collect();
    let reservation = Subject::Reservation(ReservationId(Uuid::from_u128(FIRST)));
    let s2 = [Subject::Product(product(1)), Subject::Product(product(2)), reservation, reservation];
    assert_eq!(codes, s2.map(|subject| (Invariant::S2, subject)));
}

#[test]
fn s3_what_is_cancelled_is_restocked_and_nothing_else_is() {
    let mut facts = clean();
    restock(&mut facts);
    let text = format!("S3 checkout {}: completed, but its stock is RESTOCKED", id(FIRST));
    assert_eq!(found(&facts), [text]);
    cancelling(&mut facts);
    assert_eq!(found(&facts), [""; 0]);

    let mut facts = clean();
    cancelled(&mut facts);
    let ours = ReservationId::from(id(FIRST));
    facts.inventory.movements.retain(|movement| movement.kind != Kind::Restock);
    let mut stock = facts.inventory.stock.iter_mut();
    stock.by_ref().for_each(|it| {
        let units = if it.product_id == product(1) { 2 } else { 1 };
        (it.available, it.sold) = (it.available - units, it.sold + units);
    });
    facts.inventory.reservations.iter_mut().find(|it| it.id == ours).unwrap().state = Stand::Committed;
    let text = format!("S3 checkout {}: its order is cancelled, but its stock is COMMITTED", id(FIRST));
    assert_eq!(found(&facts), [text]);
    first_order(&mut facts).updated_at = at(101);
    assert_eq!(found(&facts), [""; 0]);
}

#[test]
fn s5_what_failed_keeps_no_stock() {
    for (state, kinds, name) in [
        (Stand::Held { until: at(400) }, &[Kind::Reserve][..], "HELD"),
        (Stand::Committed, &[Kind::Reserve, Kind::Commit][..], "COMMITTED"),
    ] {
        let mut facts = clean();
        let ours = ReservationId::from(id(DECLINED));
        facts.inventory.reservations.retain(|it| it.id != ours);
        stock(&mut facts, DECLINED, state, kinds);
        let text = format!("S5 checkout {}: failed, but 3 of product 2 of it is {name}", id(DECLINED));
        assert_eq!(found(&facts), [text]);
    }
}

/// A checkout of user 9 that failed for want of so many of product 1, of which the clean shop has 7 to 10.
fn refused(wanted: i64) -> Facts {
    let mut facts = clean();
    let checkout = accept(&mut facts, 70, 9, vec![item(1, wanted, 1000)]);
    let lacking = vec![product(1)];
    stock(&mut facts, 70, Stand::Rejected { lacking: lacking.clone() }, &[]);
    let refused = Outcome::Refused(Failure::InsufficientStock { product_ids: lacking });
    end(&mut facts, checkout, &[refused, Outcome::Done]);
    facts
}

#[test]
fn s5_what_lacked_was_not_there() {
    assert_eq!(found(&refused(8)), [""; 0]);
    let text =
        format!("S6 checkout {}: failed for want of 7 of product 1, of which there were 7 or more", id(70));
    assert_eq!(found(&refused(7)), [text]);
}

#[test]
fn s5_only_the_life_of_the_checkout_counts() {
    let mut facts = refused(7);
    // All was sold out once, long before, and again after.
    let adjust = |facts: &mut Facts, place: usize, quantity: i64, seconds: u64| {
        let id = i64::try_from(place).unwrap() + 100;
        let (product_id, kind, at) = (product(1), Kind::Adjust, at(seconds));
        let movement = Movement { id, product_id, kind, quantity, reservation_id: None, at };
        facts.inventory.movements.insert(place, movement);
    };
    adjust(&mut facts, 1, -10, 10);
    adjust(&mut facts, 2, 10, 20);
    let end = facts.inventory.movements.len();
    adjust(&mut facts, end, -7, 95);
    adjust(&mut facts, end + 1, 7, 96);
    assert_eq!(found(&facts).len(), 1);
    // Once more, in between.
    adjust(&mut facts, end, -7, 90);
    adjust(&mut facts, end + 1, 7, 91);
    assert_eq!(found(&facts), [""; 0]);
}

#[test]
fn s5_before_the_first_delivery_there_is_nothing() {
    let mut facts = refused(7);
    for movement in &mut facts.inventory.movements {
        if movement.kind == Kind::Adjust {
            movement.at = at(90);
        }
    }
    assert_eq!(found(&facts), [""; 0]);
}
