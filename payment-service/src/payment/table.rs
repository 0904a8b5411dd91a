//! Every status with every command, and every status with everything the provider may tell.

use types::Currency;
use uuid::Uuid;

use super::*;

fn terms(minor: i64) -> Terms {
    Terms {
        user_id: UserId::try_from(7).unwrap(),
        amount: Money::new(minor, Currency::USD),
        method: Method::new("pm_card_visa"),
    }
}

fn payment(status: Status, terms: Option<Terms>) -> Payment {
    let at = Timestamp::from_micros(0);
    let (id, checkout_id) = (PaymentId(Uuid::from_u128(1)), CheckoutId(Uuid::from_u128(2)));
    Payment { id, checkout_id, terms, status, created_at: at, updated_at: at }
}

fn declined() -> Status {
    Status::Declined { code: "card_declined".into() }
}

fn all() -> [Status; 9] {
    use Status::*;
    [Pending, Authorized, Capturing, Voiding, declined(), Captured, Voided, Refunding, Refunded]
}

#[test]
fn every_status_answers_every_command() {
    use Refusal as No;
    use Status::*;
    use Step::{Answer, Ask, Intend};
    let asked = terms(100);
    let authorize = || Ok(Ask(Call::Authorize(terms(100))));
    let capture = || Ok(Ask(Call::Capture));
    let void = || Ok(Ask(Call::Void));
    let no = || Err(No::Declined { code: "card_declined".into() });
    #[rustfmt::skip]
    let table = [
        // status      Authorize          Capture                 Void                 Refund
        (Pending,    [authorize(),      Err(No::NotCapturable), Ok(Intend(Voiding)), Err(No::NotRefundable)]),
        (Authorized, [Ok(Answer),       Ok(Intend(Capturing)),  Ok(Intend(Voiding)), Err(No::NotRefundable)]),
        (Capturing,  [Ok(Answer),       capture(),              Ok(Intend(Voiding)), capture()]),
        (Voiding,    [void(),           void(),                 void(),              void()]),
        (declined(), [no(),             Err(No::NotCapturable), Ok(Answer),          Err(No::NotRefundable)]),
        (Captured,   [Ok(Answer),       Ok(Answer),             Err(No::Captured),   Ok(Intend(Refunding))]),
        (Voided,     [Err(No::Voided),  Err(No::Voided),        Ok(Answer),          Err(No::Voided)]),
        (Refunding,  [Ok(Answer),       Ok(Answer),             Err(No::Captured),   Ok(Ask(Call::Refund))]),
        (Refunded,   [Ok(Answer),       Ok(Answer),             Err(No::Captured),   Ok(Answer)]),
    ];
    assert_eq!(table.each_ref().map(|(status, _)| status.clone()), all());
    let commands = [Command::Authorize(asked.clone()), Command::Capture, Command::Void, Command::Refund];
    for (status, row) in table {
        let payment = payment(status, Some(asked.clone()));
        for (command, expected) in commands.iter().zip(row) {
            assert_eq!(decide(&payment, command), expected, "{command:?} of {:?}", payment.status);
        }
    }
}

#[test]
fn nothing_known_answers_every_command() {
    let asked = terms(100);
    assert_eq!(begin(&Command::Authorize(asked.clone())), Ok((Some(asked), Status::Pending)));
    assert_eq!(begin(&Command::Void), Ok((None, Status::Voiding)));
    assert_eq!(begin(&Command::Capture), Err(Refusal::NotFound));
    assert_eq!(begin(&Command::Refund), Err(Refusal::NotFound));
}

#[test]
fn other_terms_are_refused_in_every_status() {
    let method = Terms { method: Method::new("pm_card_mastercard"), ..terms(100) };
    let user = Terms { user_id: UserId::try_from(8).unwrap(), ..terms(100) };
    for other in [terms(101), method, user] {
        for status in all() {
            let payment = payment(status, Some(terms(100)));
            assert_eq!(decide(&payment, &Command::Authorize(other.clone())), Err(Refusal::OtherTerms));
        }
    }
    let tombstone = payment(Status::Voided, None);
    assert_eq!(decide(&tombstone, &Command::Authorize(terms(100))), Err(Refusal::Voided));
}

#[test]
fn every_status_takes_the_providers_word_and_never_moves_back() {
    use Status::*;
    let code = || "card_declined".to_owned();
    let words = [
        Standing::Authorized,
        Standing::Declined { code: code() },
        Standing::Captured,
        Standing::Voided,
        Standing::Refunded,
    ];
    #[rustfmt::skip]
    let table = [
        // status     authorized   declined    captured   voided     refunded
        (Pending,    [Authorized, declined(), Captured,  Voided,    Refunded]),
        (Authorized, [Authorized, declined(), Captured,  Voided,    Refunded]),
        (Capturing,  [Capturing,  declined(), Captured,  Voided,    Refunded]),
        (Voiding,    [Voiding,    declined(), Captured,  Voided,    Refunded]),
        (declined(), [declined(), declined(), declined(), declined(), Refunded]),
        (Captured,   [Captured,   Captured,   Captured,  Captured,  Refunded]),
        (Voided,     [Voided,     Voided,     Voided,    Voided,    Refunded]),
        (Refunding,  [Refunding,  Refunding,  Refunding, Refunding, Refunded]),
        (Refunded,   [Refunded,   Refunded,   Refunded,  Refunded,  Refunded]),
    ];
    assert_eq!(table.each_ref().map(|(status, _)| status.clone()), all());
    for (status, row) in table {
        for (standing, expected) in words.iter().zip(row) {
            assert_eq!(status.after(standing.clone()), expected, "{status:?} told {standing:?}");
        }
    }
}

#[test]
fn every_intent_moves_forward_and_is_unsettled() {
    for status in all() {
        let payment = payment(status, Some(terms(100)));
        for command in [Command::Authorize(terms(100)), Command::Capture, Command::Void, Command::Refund] {
            match decide(&payment, &command) {
                Ok(Step::Intend(intent)) => {
                    assert!(intent.rank() > payment.status.rank());
                    assert!(!intent.is_settled());
                }
                Ok(Step::Ask(_)) => assert!(!payment.status.is_settled()),
                Ok(Step::Answer) | Err(_) => {}
            }
        }
    }
}
