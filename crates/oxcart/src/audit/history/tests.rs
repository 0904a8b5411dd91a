use super::super::fixtures::*;
use super::*;

fn told(number: u128, user_id: i64, status: Status) -> Acknowledged {
    let key = format!("key-{number}");
    Acknowledged { user: user(user_id), key, checkout_id: id(number), status }
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
