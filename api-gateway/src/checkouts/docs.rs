//! `/api/v1/checkout`, described.

use http::StatusCode;
use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Checkout;
use crate::idempotency::MAX_LEN;
use crate::openapi::Operation;
use crate::openapi::schemas::{Fields, address, money, one_of, text, uuid};

/// Where a checkout stands.
pub(super) struct CheckoutStatus;

impl PartialSchema for CheckoutStatus {
    fn schema() -> RefOr<Schema> {
        let all =
            ["INITIATED", "INVENTORY_RESERVED", "PAYMENT_PENDING", "COMPENSATING", "COMPLETED", "FAILED"];
        one_of("Where a checkout stands", all).into()
    }
}

impl ToSchema for CheckoutStatus {}

const TAG: &str = "Checkout";

/// Up to 255 characters, bare or in quotes. Others than of ASCII are taken as well, where they are sent as UTF-8; clients
/// differ in how they send them.
const KEY: &str = r#"^([!#-~]([ -~]{0,253}[!-~])?|"([ !#-\[\]-~]|\\["\\]){1,255}")$"#;

const START: &str = "\
It waits until the checkout has ended, but no longer than the shop is set to (10 seconds): what is not done by then is 202 \
and goes on by itself, whether or not anybody waits.

The key makes the request repeatable: sent again with the same key, it is answered with what became of the first one, \
and nothing is bought twice. It is the header `Idempotency-Key`, bare or in quotes, or the field `idempotency_key`; if \
both are there, they must say the same. Keys of different users have nothing to do with each other.

Payment methods to try: `pm_card_visa`, `pm_card_mastercard`; `pm_card_chargeDeclined`, \
`pm_card_chargeDeclinedInsufficientFunds`, `pm_card_chargeDeclinedExpiredCard`, `pm_card_chargeDeclinedIncorrectCvc` \
and `pm_card_chargeDeclinedProcessingError` are declined; `pm_sim_slow`, `pm_sim_lost_reply` and `pm_sim_unavailable` \
are slow, never answer, and fail at first.";

pub(crate) fn start() -> Operation {
    let key = || text("The key under which this is bought once, new for each purchase");
    let in_body =
        key().min_length(Some(1)).max_length(Some(MAX_LEN)).pattern(Some(r"^[^\x00-\x1f\x7f-\x9f]+$"));
    let fields = Fields::new()
        .optional("idempotency_key", in_body)
        .optional(
            "payment_method",
            text("A payment token").max_length(Some(100)).pattern(Some("^[A-Za-z0-9_]*$")),
        )
        .optional("shipping_address", address())
        .optional("expected_total", money("Buy only if it costs this"));
    let example = json!({"payment_method": "pm_card_visa"});
    let headers = ["Location", "Idempotent-Replayed"];
    Operation::new(TAG, "startCheckout", "Buys what is in your cart")
        .says(START)
        .in_header("Idempotency-Key", key().pattern(Some(KEY)))
        .may_take("NewCheckout", fields.build(), example)
        .replies::<Checkout>(StatusCode::CREATED, "It is bought", &headers, bought())
        .replies::<Checkout>(
            StatusCode::ACCEPTED,
            "It is under way; look again at `Location`",
            &["Location", "Idempotent-Replayed", "Retry-After"],
            running(),
        )
        .leads_to(StatusCode::CREATED, "getCheckout", "id", "$response.body#/checkout_id")
        .leads_to(StatusCode::CREATED, "getOrder", "id", "$response.body#/order_id")
        .leads_to(StatusCode::ACCEPTED, "getCheckout", "id", "$response.body#/checkout_id")
        .leads_to(StatusCode::ACCEPTED, "watchCheckout", "id", "$response.body#/checkout_id")
        .refuses(StatusCode::BAD_REQUEST, &["missing_idempotency_key", "invalid_idempotency_key"])
        .refuses(StatusCode::PAYMENT_REQUIRED, &["payment_declined"])
        .refuses(
            StatusCode::CONFLICT,
            &[
                "cart_empty",
                "checkout_expired",
                "checkout_in_progress",
                "checkout_refused",
                "insufficient_stock",
                "price_changed",
                "product_unavailable",
            ],
        )
        .refuses(StatusCode::UNPROCESSABLE_ENTITY, &["idempotency_key_reused"])
}

pub(crate) fn show() -> Operation {
    Operation::new(TAG, "getCheckout", "What became of a checkout")
        .in_path("id", uuid("A checkout"))
        .replies::<Checkout>(StatusCode::OK, "The checkout with its timeline", &[], bought())
        .refuses(StatusCode::NOT_FOUND, &["checkout_not_found"])
}

pub(crate) fn watch() -> Operation {
    let number =
        text("The id of the last event that you have seen; empty for none").pattern(Some("^[0-9]*$"));
    Operation::new(TAG, "watchCheckout", "A checkout, step by step")
        .in_path("id", uuid("A checkout"))
        .replies_events(
            number,
            "A `step` for each entry of the timeline, with its number as the id; `data` has `checkout_id`, `state` and `at`. \
             The last entry is the `end`, and brings the whole Checkout.",
            EVENTS,
        )
        .refuses(StatusCode::NOT_FOUND, &["checkout_not_found"])
}

const EVENTS: &str = "\
retry: 1000

id: 1
event: step
data: {\"checkout_id\":\"01a20891-7521-738d-940d-18a298043746\",\"state\":\"RESERVING\",\"at\":\"2026-11-23T13:21:20.161Z\"}

";

fn running() -> Value {
    json!({
        "checkout_id": "01a20891-7521-738d-940d-18a298043746",
        "status": "PAYMENT_PENDING",
        "total": {"amount": "1299.99", "currency": "USD"},
        "created_at": "2026-11-23T13:21:20.161Z",
        "timeline": [
            step("RESERVING", "2026-11-23T13:21:20.161Z", "ok"),
            step("AUTHORIZING", "2026-11-23T13:21:20.163Z", None),
        ],
    })
}

fn step<'a>(state: &str, at: &str, outcome: impl Into<Option<&'a str>>) -> Value {
    json!({"state": state, "at": at, "attempt": 1, "outcome": outcome.into()})
}

fn bought() -> Value {
    json!({
        "checkout_id": "01a20891-7521-738d-940d-18a298043746",
        "status": "COMPLETED",
        "total": {"amount": "1299.99", "currency": "USD"},
        "order_id": "45859f46-685d-51ca-babc-dc00a9ae16d8",
        "created_at": "2026-11-23T13:21:20.161Z",
        "completed_at": "2026-11-23T13:21:20.172Z",
        "timeline": [
            step("RESERVING", "2026-11-23T13:21:20.161Z", "ok"),
            step("AUTHORIZING", "2026-11-23T13:21:20.163Z", "ok"),
            step("COMMITTING", "2026-11-23T13:21:20.166Z", "ok"),
            step("CAPTURING", "2026-11-23T13:21:20.169Z", "ok"),
        ],
    })
}
