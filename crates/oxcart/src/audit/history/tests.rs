use super::super::fixtures::*;
use super::*;

fn told(number: u128, user_id: i64, status: Status) -> Acknowledged {
    let key = format!("key-{number}");
    Acknowledged { user: user(user_id), key, checkout_id: id(number), status, total: None, order_id: None }
}

fn with(replies: impl IntoIterator<Item = Acknowledged>) -> Vec<String> {
    let mut facts = clean();
    facts.history.acknowledged.extend(replies);
    found(&facts)
}

#[test]
fn what_is_true_may_be_told_again_and_again() {
    let replies = [
        told(FIRST, 7, Status::Running),
        told(FIRST, 7, Status::Completed),
        told(FIRST, 7, Status::Completed),
        told(SECOND, 8, Status::Completed),
        told(DECLINED, 9, Status::Failed),
        told(RUNNING, 7, Status::Running),
    ];
    assert_eq!(with(replies), [""; 0]);
}

#[test]
fn h1_what_was_acknowledged_is_there() {
    let text = "user 7 was told that it is Completed, but it is not there";
    assert_eq!(with([told(70, 7, Status::Completed)]), [format!("H1 checkout {}: {text}", id(70))]);
    let text = "user 7 was told that it is Running, but it is not there";
    assert_eq!(with([told(70, 7, Status::Running)]), [format!("H1 checkout {}: {text}", id(70))]);
    let text = "user 8 was told of it, but it is of user 7";
    assert_eq!(with([told(FIRST, 8, Status::Completed)]), [format!("H1 checkout {}: {text}", id(FIRST))]);
}

#[test]
fn h1_an_end_that_was_told_is_the_end() {
    for (number, user, status, state) in [
        (FIRST, 7, Status::Failed, "COMPLETED"),
        (DECLINED, 9, Status::Completed, "FAILED"),
        (RUNNING, 7, Status::Completed, "RESERVING"),
    ] {
        let text = format!("user {user} was told that it is {status:?}, but it is {state}");
        assert_eq!(with([told(number, user, status)]), [format!("H1 checkout {}: {text}", id(number))]);
    }
}

#[test]
fn o3_replies_to_one_key_are_equal() {
    let other = Acknowledged { key: "key-1".to_owned(), ..told(RUNNING, 7, Status::Running) };
    let text = format!(
        "the key \"key-1\" was answered with checkout {} Completed and with checkout {} Running",
        id(FIRST),
        id(RUNNING)
    );
    assert_eq!(with([told(FIRST, 7, Status::Completed), other]), [format!("O3 user 7: {text}")]);
}

#[test]
fn o3_replies_to_one_key_have_one_end() {
    let found = with([told(FIRST, 7, Status::Completed), told(FIRST, 7, Status::Failed)]);
    let (first, both) = (id(FIRST), "was answered with checkout");
    assert_eq!(
        found,
        [
            format!("O3 user 7: the key \"key-1\" {both} {first} Completed and with checkout {first} Failed"),
            format!("H1 checkout {first}: user 7 was told that it is Failed, but it is COMPLETED"),
        ]
    );
}

#[test]
fn h1_the_total_and_the_order_that_were_told_are_those_that_it_has() {
    let first = || told(FIRST, 7, Status::Completed);
    let order = id(FIRST).order_id();
    let whole = Acknowledged { total: Some(usd(2250)), order_id: Some(order), ..first() };
    let running = Acknowledged { total: Some(usd(2250)), ..told(FIRST, 7, Status::Running) };
    assert_eq!(with([whole.clone(), running, whole]), [""; 0]);

    let dear = Acknowledged { total: Some(usd(9)), ..first() };
    let text = "user 7 was told that it costs 0.09 USD, but it costs 22.50 USD";
    assert_eq!(with([dear]), [format!("H1 checkout {}: {text}", id(FIRST))]);
    let other = id(SECOND).order_id();
    let text = format!("user 7 was told that it is order {other}, but it is order {order}");
    let foreign = Acknowledged { order_id: Some(other), ..first() };
    assert_eq!(with([foreign]), [format!("H1 checkout {}: {text}", id(FIRST))]);
    let early = Acknowledged { order_id: Some(other), ..told(DECLINED, 9, Status::Failed) };
    let text = format!("user 9 was told that it is order {other}, but it is FAILED");
    assert_eq!(with([early]), [format!("H1 checkout {}: {text}", id(DECLINED))]);
}

#[test]
fn o3_replies_to_one_key_have_one_total_and_one_order() {
    let first = || told(FIRST, 7, Status::Completed);
    let (order, id) = (id(FIRST).order_id(), id(FIRST));
    let whole = || Acknowledged { total: Some(usd(2250)), order_id: Some(order), ..first() };
    // An end is told in the same words each time.
    let text = format!(
        "O3 user 7: the key \"key-1\" was answered with checkout {id} Completed for 22.50 USD as order {order} \
         and with checkout {id} Completed for 22.50 USD"
    );
    assert_eq!(with([whole(), Acknowledged { order_id: None, ..whole() }]), [text]);
    // On the way there less may be told, but nothing else.
    let running = |total| Acknowledged { total: Some(usd(total)), ..told(FIRST, 7, Status::Running) };
    let found = with([running(2250), running(9), told(FIRST, 7, Status::Running)]);
    assert!(found[0].starts_with("O3 user 7: the key \"key-1\""), "{found:?}");
    let early =
        Acknowledged { order_id: Some(super::super::fixtures::id(SECOND).order_id()), ..running(2250) };
    assert!(with([early, whole()])[0].starts_with("O3 user 7"));
}
