use payment_service::provider::Method;

use super::super::fixtures::*;
use super::super::violation::Violation;
use super::*;

/// Changes the payment of a checkout, in the service and at the provider alike.
fn repay(facts: &mut Facts, number: u128, status: Status, effects: &[Effect]) {
    facts.payments.retain(|payment| payment.checkout_id != id(number));
    facts.provider.retain(|entry| entry.key != id(number));
    pay(facts, number, status, effects);
}

fn one(facts: &Facts) -> String {
    let found = found(facts);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[test]
fn m1_nothing_takes_effect_twice() {
    for (number, effect, text) in
        [(RUNNING, Effect::Authorize, "authorised 2 times"), (FIRST, Effect::Capture, "captured 2 times")]
    {
        let mut facts = clean();
        let total = checkout(&mut facts, number).total;
        ledger(&mut facts, number, effect, Some(total));
        assert_eq!(one(&facts), format!("M1 checkout {}: {text}", id(number)));
    }
}

#[test]
fn m1_what_is_captured_is_the_total() {
    let mut facts = clean();
    let capture = |entry: &&mut Entry| entry.key == id(FIRST) && entry.effect == Effect::Capture;
    facts.provider.iter_mut().find(capture).unwrap().amount = Some(usd(2249));
    let text = format!("M1 checkout {}: captured 22.49 USD, the total is 22.50 USD", id(FIRST));
    assert_eq!(one(&facts), text);
}

#[test]
fn m1_no_more_is_refunded_than_was_captured() {
    let mut facts = clean();
    ledger(&mut facts, FIRST, Effect::Refund, Some(usd(2251)));
    let text = format!("M1 checkout {}: refunded 22.51 USD, captured 22.50 USD", id(FIRST));
    assert_eq!(one(&facts), text);
}

#[test]
fn m1_holds_for_what_runs_and_for_what_was_made_by_hand() {
    let mut facts = clean();
    sell(&mut facts, RUNNING);
    ledger(&mut facts, RUNNING, Effect::Capture, Some(usd(1)));
    assert_eq!(one(&facts), format!("M1 checkout {}: captured 0.01 USD, the total is 2.50 USD", id(RUNNING)));

    let mut facts = clean();
    ledger(&mut facts, 70, Effect::Capture, Some(usd(1)));
    assert_eq!(one(&facts), format!("M1 checkout {}: captured 0.01 USD, the total is nothing", id(70)));
}

#[test]
fn m2_completed_is_paid() {
    let mut facts = clean();
    repay(&mut facts, FIRST, Status::Voided, &[Effect::Authorize, Effect::Void]);
    let text =
        format!("M2 checkout {}: completed, but nothing was captured; the total is 22.50 USD", id(FIRST));
    assert_eq!(one(&facts), text);
}

#[test]
fn m3_failed_is_not_paid() {
    let mut facts = clean();
    repay(&mut facts, DECLINED, Status::Captured, &[Effect::Authorize, Effect::Capture]);
    let text = format!("M3 checkout {}: failed, but captured 7.50 USD and refunded nothing", id(DECLINED));
    assert_eq!(one(&facts), text);

    repay(&mut facts, DECLINED, Status::Refunded, &[Effect::Authorize, Effect::Capture, Effect::Refund]);
    assert_eq!(found(&facts), [""; 0]);
}

#[test]
fn m3_failed_leaves_nothing_aside() {
    let mut facts = clean();
    repay(&mut facts, DECLINED, Status::Authorized, &[Effect::Authorize]);
    let text = format!("M3 checkout {}: failed, but 7.50 USD stays authorised", id(DECLINED));
    assert_eq!(one(&facts), text);
}

#[test]
fn m4_nothing_is_given_back_after_a_sale() {
    let mut facts = clean();
    repay(&mut facts, FIRST, Status::Refunded, &[Effect::Authorize, Effect::Capture, Effect::Refund]);
    let text = format!("M4 checkout {}: completed, but 22.50 USD was refunded after the sale", id(FIRST));
    assert_eq!(one(&facts), text);
}

#[test]
fn m4_what_is_cancelled_is_given_back() {
    let mut facts = clean();
    cancelled(&mut facts);
    assert_eq!(found(&facts), [""; 0]);
    repay(&mut facts, FIRST, Status::Captured, &[Effect::Authorize, Effect::Capture]);
    let text = format!(
        "M4 checkout {}: its order is cancelled, but captured 22.50 USD and refunded nothing",
        id(FIRST)
    );
    assert_eq!(one(&facts), text);
    // It ended while we were reading.
    first_order(&mut facts).updated_at = at(101);
    assert_eq!(found(&facts), [""; 0]);
}

#[test]
fn m4_money_goes_back_only_with_an_order_that_is_being_cancelled() {
    let refunded = [Effect::Authorize, Effect::Capture, Effect::Refund];
    let mut facts = clean();
    cancelling(&mut facts);
    for (status, effects) in [
        (Status::Captured, &refunded[..2]),
        (Status::Refunding, &refunded[..2]),
        (Status::Refunding, &refunded),
        (Status::Refunded, &refunded),
    ] {
        repay(&mut facts, FIRST, status, effects);
        assert_eq!(found(&facts), [""; 0]);
    }
    let text = format!("M4 checkout {}: completed, but 22.50 USD was refunded after the sale", id(FIRST));
    use orders_service::order::Status::{Confirmed, Delivered, Processing, Shipped};
    for status in [Confirmed, Processing, Shipped, Delivered] {
        first_order(&mut facts).status = status;
        assert_eq!(one(&facts), text);
    }
}

#[test]
fn m4_the_service_knows_what_the_provider_did() {
    let mut facts = clean();
    facts.payments.retain(|payment| payment.checkout_id != id(FIRST));
    let text =
        format!("M4 checkout {}: the provider's last word is Capture, but there is no payment", id(FIRST));
    assert_eq!(one(&facts), text);

    let mut facts = clean();
    repay(&mut facts, FIRST, Status::Authorized, &[Effect::Authorize, Effect::Capture]);
    let text =
        format!("M4 checkout {}: the payment is Authorized, the provider's last word is Capture", id(FIRST));
    assert_eq!(one(&facts), text);

    let mut facts = clean();
    repay(&mut facts, FIRST, Status::Capturing, &[Effect::Authorize, Effect::Capture]);
    let text = format!("M4 checkout {}: the checkout has ended, but its payment is Capturing", id(FIRST));
    assert_eq!(one(&facts), text);
}

#[test]
fn m4_the_amounts_agree() {
    let mut facts = clean();
    let payment = facts.payments.iter_mut().find(|payment| payment.checkout_id == id(FIRST));
    payment.unwrap().terms.as_mut().unwrap().amount = usd(5);
    let text =
        format!("M4 checkout {}: the payment is of 0.05 USD, the provider authorised 22.50 USD", id(FIRST));
    assert_eq!(one(&facts), text);
}

#[test]
fn m4_the_payment_is_that_of_the_checkout() {
    let mut facts = clean();
    let payment = facts.payments.iter_mut().find(|payment| payment.checkout_id == id(RUNNING)).unwrap();
    payment.terms.as_mut().unwrap().user_id = user(8);
    let text = "the payment is of 2.50 USD by user 8, the checkout of 2.50 USD by user 7";
    assert_eq!(one(&facts), format!("M4 checkout {}: {text}", id(RUNNING)));
}

#[test]
fn m4_payments_made_by_hand_agree_with_the_provider_and_are_no_sales() {
    let by_hand = |status, effects: &[Effect]| {
        let mut facts = clean();
        let terms = payment_service::payment::Terms {
            user_id: user(7),
            amount: usd(300),
            method: Method::new("pm_card_visa"),
        };
        facts.payments.push(payment(70, Some(terms), status));
        for effect in effects {
            ledger(&mut facts, 70, effect.clone(), Some(usd(300)));
        }
        check(&facts)
    };
    let agreed: [(Status, &[Effect]); 4] = [
        (Status::Captured, &[Effect::Authorize, Effect::Capture]),
        (Status::Refunded, &[Effect::Authorize, Effect::Capture, Effect::Refund]),
        (Status::Capturing, &[Effect::Authorize]),
        (Status::Pending, &[]),
    ];
    for (status, effects) in agreed {
        assert_eq!(by_hand(status, effects), []);
    }
    let violations: Vec<Violation> = by_hand(Status::Captured, &[Effect::Authorize]);
    let text = "the payment is Captured, the provider's last word is Authorize";
    assert_eq!(violations, [Violation::new(Invariant::M4, Subject::Checkout(id(70)), text)]);
}

#[test]
fn m4_what_moves_while_it_is_read_is_judged_next_time() {
    let mut facts = clean();
    sell(&mut facts, RUNNING);
    ledger(&mut facts, RUNNING, Effect::Capture, Some(usd(250)));
    let text = format!(
        "M4 checkout {}: the payment is Authorized, the provider's last word is Capture",
        id(RUNNING)
    );
    assert_eq!(one(&facts), text);
    facts.provider.last_mut().unwrap().at = at(101);
    assert_eq!(found(&facts), [""; 0]);
}

#[test]
fn every_status_agrees_with_what_can_be_behind_it_and_with_nothing_else() {
    let code = || "card_declined".to_owned();
    let declined = Status::Declined { code: code() };
    let words = [
        None,
        Some(Effect::Authorize),
        Some(Effect::Decline { code: code() }),
        Some(Effect::Capture),
        Some(Effect::Void),
        Some(Effect::Refund),
        Some(Effect::Tombstone),
    ];
    for (status, agreed) in [
        (Status::Pending, [true, true, true, false, false, false, false]),
        (Status::Authorized, [false, true, false, false, false, false, false]),
        (declined.clone(), [false, false, true, false, false, false, false]),
        (Status::Capturing, [false, true, false, true, false, false, false]),
        (Status::Captured, [false, false, false, true, false, false, false]),
        (Status::Voiding, [true, true, true, true, true, false, true]),
        (Status::Voided, [false, false, false, false, true, false, true]),
        (Status::Refunding, [false, false, false, true, false, true, false]),
        (Status::Refunded, [false, false, false, false, false, true, false]),
    ] {
        let seen = words.each_ref().map(|word| agree(&status, word.as_ref()));
        assert_eq!(seen, agreed, "{status:?}");
    }
    assert!(!agree(&declined, Some(&Effect::Decline { code: "expired_card".to_owned() })));
}
