//! What is refused, with which code and reason: in process and over TCP alike.

use platform::tasks::Tasks;
use platform::transport::Transport;
use proto::Reason;
use proto::payment::payment_service_client::PaymentServiceClient;
use proto::payment::{AuthorizeRequest, CaptureRequest, PaymentStatus};
use proto::status;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::books::{check_at_rest, effects_of};
use crate::till::{Ask, Client, Refused, Till, ask, asking, checkout, in_process, refused};

const VISA: Ask = Ask::Authorize("pm_card_visa");

#[tokio::test]
async fn refusals_in_process() {
    let till = Till::new();
    let client = in_process(&till.open().await);
    walk(&client, &till).await;
    check_at_rest(&till.payments().await, &till.ledger().await);
}

#[tokio::test]
async fn refusals_over_tcp() {
    let till = Till::new();
    let service = till.open().await;
    let shutdown = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut tasks = Tasks::new(shutdown.clone());
    tasks.spawn("grpc", service.grpc().serve(listener, shutdown.clone()));
    let worker = shutdown.clone();
    tasks.spawn("workers", async move { service.work(worker).await });

    let client = PaymentServiceClient::new(Transport::connect("payment", &address).unwrap());
    walk(&client, &till).await;
    check_at_rest(&till.payments().await, &till.ledger().await);
    drop(client);
    shutdown.cancel();
    tasks.join().await.unwrap();
}

async fn walk(client: &Client, till: &Till) {
    nothing_is_known(client).await;
    authorized_first(client).await;
    voided_first(client, till).await;
    captured_first(client).await;
    fields_are_named(client).await;
}

async fn nothing_is_known(client: &Client) {
    for asked in [Ask::Capture, Ask::Refund, Ask::Get] {
        let reply = ask(client, checkout(1), asked).await;
        assert_eq!(reply, refused(Code::NotFound, Reason::PaymentNotFound), "{asked:?}");
    }
}

async fn authorized_first(client: &Client) {
    let id = checkout(2);
    assert_eq!(ask(client, id, VISA).await, Ok(PaymentStatus::Authorized));
    let unpaid = refused(Code::FailedPrecondition, Reason::PaymentNotCapturable);
    assert_eq!(ask(client, id, Ask::Refund).await, unpaid);

    let dearer = AuthorizeRequest {
        amount: Some(proto::common::Money { currency_code: "USD".into(), minor_units: 130_000 }),
        ..asking(id, "pm_card_visa")
    };
    let other_user = AuthorizeRequest { user_id: 8, ..asking(id, "pm_card_visa") };
    let other_card = asking(id, "pm_card_mastercard");
    for other in [dearer, other_user, other_card] {
        let authorize = client.clone().authorize(other.clone()).await.unwrap_err();
        let charge = client.clone().charge(other).await.unwrap_err();
        for status in [authorize, charge] {
            let reused = refused::<()>(Code::InvalidArgument, Reason::IdempotencyKeyReused);
            assert_eq!(Err(Refused::from(status)), reused);
        }
    }
    assert_eq!(ask(client, id, Ask::Get).await, Ok(PaymentStatus::Authorized));

    let declined = checkout(3);
    ask(client, declined, Ask::Authorize("pm_card_chargeDeclined")).await.unwrap_err();
    for asked in [Ask::Capture, Ask::Refund] {
        let reply = ask(client, declined, asked).await;
        assert_eq!(reply, refused(Code::FailedPrecondition, Reason::PaymentNotCapturable));
    }
}

async fn voided_first(client: &Client, till: &Till) {
    let (unknown, authorized) = (checkout(4), checkout(5));
    assert_eq!(ask(client, authorized, VISA).await, Ok(PaymentStatus::Authorized));
    for id in [unknown, authorized] {
        for _ in 0..2 {
            assert_eq!(ask(client, id, Ask::Void).await, Ok(PaymentStatus::Voided));
        }
        for asked in [VISA, Ask::Charge("pm_card_visa"), Ask::Capture, Ask::Refund] {
            let reply = ask(client, id, asked).await;
            assert_eq!(reply, refused(Code::Aborted, Reason::PaymentVoided), "{asked:?}");
        }
        assert_eq!(ask(client, id, Ask::Get).await, Ok(PaymentStatus::Voided));
    }
    let ledger = till.ledger().await;
    assert_eq!(effects_of(unknown, &ledger), ["tombstone"]);
    assert_eq!(effects_of(authorized, &ledger), ["authorize", "void"]);
}

async fn captured_first(client: &Client) {
    let id = checkout(6);
    let charge = Ask::Charge("pm_card_visa");
    for _ in 0..2 {
        assert_eq!(ask(client, id, charge).await, Ok(PaymentStatus::Captured));
        assert_eq!(ask(client, id, Ask::Void).await, refused(Code::Aborted, Reason::PaymentCaptured));
    }
    assert_eq!(ask(client, id, Ask::Refund).await, Ok(PaymentStatus::Refunded));
    assert_eq!(ask(client, id, Ask::Void).await, refused(Code::Aborted, Reason::PaymentCaptured));
    // What was asked for has happened once, and does not happen again.
    for asked in [VISA, charge, Ask::Capture, Ask::Refund] {
        assert_eq!(ask(client, id, asked).await, Ok(PaymentStatus::Refunded), "{asked:?}");
    }
}

async fn fields_are_named(client: &Client) {
    let id = checkout(7);
    let good = || asking(id, "pm_card_visa");
    let amount = |currency: &str, minor_units| {
        Some(proto::common::Money { currency_code: currency.into(), minor_units })
    };
    let tokens = "must be one of pm_card_visa, pm_card_mastercard, pm_card_chargeDeclined, \
                  pm_card_chargeDeclinedInsufficientFunds, pm_card_chargeDeclinedExpiredCard, \
                  pm_card_chargeDeclinedIncorrectCvc, pm_card_chargeDeclinedProcessingError, \
                  pm_sim_slow, pm_sim_lost_reply, pm_sim_unavailable";
    let uuid = "must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057";
    let cases = [
        (AuthorizeRequest { checkout_id: "1".into(), ..good() }, "checkout_id", uuid),
        (AuthorizeRequest { user_id: 0, ..good() }, "user_id", "must be a positive integer"),
        (AuthorizeRequest { amount: None, ..good() }, "amount", "is required"),
        (AuthorizeRequest { amount: amount("USD", 0), ..good() }, "amount", "must be more than nothing"),
        (AuthorizeRequest { amount: amount("USD", -1), ..good() }, "amount", "must be more than nothing"),
        (
            AuthorizeRequest { amount: amount("usd", 1), ..good() },
            "amount.currency_code",
            "must be an ISO 4217 currency code such as USD",
        ),
        (asking(id, "tok_visa"), "payment_method", tokens),
        (asking(id, ""), "payment_method", tokens),
    ];
    for (request, field, message) in cases {
        for status in [
            client.clone().authorize(request.clone()).await.unwrap_err(),
            client.clone().charge(request).await.unwrap_err(),
        ] {
            assert_eq!(status.code(), Code::InvalidArgument);
            assert_eq!(status::reason(&status), Some(Reason::InvalidArgument));
            assert_eq!(status::violations(&status), [(field.to_owned(), message.to_owned())]);
        }
    }
    let status = client.clone().capture(CaptureRequest::default()).await.unwrap_err();
    assert_eq!(status::violations(&status), [("checkout_id".to_owned(), uuid.to_owned())]);
    assert_eq!(ask(client, id, Ask::Get).await, refused(Code::NotFound, Reason::PaymentNotFound));
}
