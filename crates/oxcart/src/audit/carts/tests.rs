use cart_service::cart::{LIFETIME, Taken};

use super::super::fixtures::*;
use super::*;

#[test]
fn c4_a_purchase_is_taken_out_at_the_latest_when_its_event_is_consumed() {
    let mut facts = clean();
    facts.carts[0].purchases.recent.clear();
    let text = "bought version 10 of the cart of user 7, which knows of purchases up to 1; \
                cart-service is done with its event at 1";
    assert_eq!(found(&facts), [format!("C4 checkout {}: {text}", id(FIRST))]);

    let carts = facts.log.progress.iter_mut().find(|it| it.group == GROUP).unwrap();
    carts.next = 1;
    let text = "bought version 10 of the cart of user 7, which knows of purchases up to 1 so far";
    assert_eq!(found(&facts), [format!("C4 checkout {}: {text}", id(FIRST))]);
    assert!(check(&facts)[0].may_pass, "the event is still to come");
}

#[test]
fn c4_a_cart_that_began_later_has_every_purchase_behind_it() {
    let mut facts = clean();
    facts.carts[0].purchases.recent.clear();
    facts.carts[0].purchases.floor = Version(10);
    assert_eq!(found(&facts), [""; 0]);
}

#[test]
fn c4_a_cart_that_is_gone_has_nothing_left() {
    let mut facts = clean();
    facts.carts[0].purchases.recent.clear();
    facts.carts[0].updated_at = facts.now.before(LIFETIME);
    assert_eq!(found(&facts), [""; 0]);
}

#[test]
fn c4_a_purchase_is_taken_out_once() {
    let mut facts = clean();
    let twin = facts.carts[0].purchases.recent[0];
    facts.carts[0].purchases.recent.push(twin);
    assert_eq!(
        found(&facts),
        [format!("C4 user 7: checkout {} was taken out of the cart 2 times", id(FIRST))]
    );
}

#[test]
fn c4_only_a_purchase_is_taken_out() {
    let mut facts = clean();
    let taken = |number| Taken { checkout: id(number), version: Version(30) };
    facts.carts[1].purchases.recent.push(taken(DECLINED));
    let text =
        format!("checkout {} was taken out of the cart, but is no purchase of this user", id(DECLINED));
    assert_eq!(found(&facts), [format!("C4 user 9: {text}")]);

    // Another user's.
    facts.carts[1].purchases.recent = vec![taken(FIRST)];
    assert_eq!(
        found(&facts),
        [format!("C4 user 9: {}", text.replace(&id(DECLINED).to_string(), &id(FIRST).to_string()))]
    );

    // Of a checkout that may have ended while we were reading.
    facts.carts[1].purchases.recent = vec![taken(70)];
    assert_eq!(found(&facts).len(), 1);
    facts.carts[1].updated_at = at(101);
    assert_eq!(found(&facts), [""; 0]);
}
