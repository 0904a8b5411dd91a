use super::super::fixtures::*;
use super::*;

#[test]
fn o3_a_key_makes_one_checkout() {
    let mut facts = clean();
    let key = facts.checkouts.keys.iter_mut().find(|(_, _, it)| *it == id(RUNNING)).unwrap();
    key.1 = "key-1".to_owned();
    let text = format!("the key \"key-1\" made 2 checkouts: {}, {}", id(FIRST), id(RUNNING));
    assert_eq!(found(&facts), [format!("O3 user 7: {text}")]);
}

#[test]
fn o3_the_same_text_of_another_user_is_another_key() {
    let mut facts = clean();
    for (_, key, _) in facts.checkouts.keys.iter_mut().filter(|(user, _, _)| user.get() != 7) {
        *key = "key-1".to_owned();
    }
    assert_eq!(found(&facts), [""; 0]);
}

#[test]
fn o3_a_checkout_has_one_key_of_its_user() {
    let mut facts = clean();
    facts.checkouts.keys.push((user(7), "other".to_owned(), id(FIRST)));
    assert_eq!(found(&facts), [format!("O3 checkout {}: was made under 2 keys", id(FIRST))]);

    let mut facts = clean();
    facts.checkouts.keys[0].0 = user(8);
    assert_eq!(
        found(&facts),
        [format!("O3 user 8: the key \"key-1\" made checkout {} of user 7", id(FIRST))]
    );

    let mut facts = clean();
    facts.checkouts.keys.push((user(7), "other".to_owned(), id(70)));
    let text = format!("the key \"other\" made checkout {}, which is not there", id(70));
    assert_eq!(found(&facts), [format!("O3 user 7: {text}")]);
}

#[test]
fn o4_a_version_is_bought_once_but_may_fail_before() {
    let mut facts = clean();
    let version = checkout(&mut facts, FIRST).cart_version;
    checkout(&mut facts, RUNNING).cart_version = version;
    let text = format!("version 10 of the cart is bought 2 times: {}, {}", id(FIRST), id(RUNNING));
    assert_eq!(found(&facts), [format!("O4 user 7: {text}")]);

    let mut facts = clean();
    let declined = checkout(&mut facts, DECLINED);
    (declined.user_id, declined.cart_version) = (user(7), version);
    let buyer = facts.checkouts.keys.iter_mut().find(|(_, _, it)| *it == id(DECLINED)).unwrap();
    buyer.0 = user(7);
    let payment = facts.payments.iter_mut().find(|it| it.checkout_id == id(DECLINED)).unwrap();
    payment.terms.as_mut().unwrap().user_id = user(7);
    assert_eq!(found(&facts), [""; 0]);
}

#[test]
fn l1_a_checkout_ends_within_its_deadline_and_some_grace() {
    let mut facts = clean();
    facts.now = checkout(&mut facts, RUNNING).deadline.after(GRACE);
    assert_eq!(found(&facts), [""; 0]);
    facts.now = facts.now.after(Duration::from_micros(1));
    let text = format!("L1 checkout {}: still running after 60 s: RESERVING, 0 attempts", id(RUNNING));
    assert_eq!(found(&facts), [text]);
    assert!(check(&facts)[0].may_pass);
}
