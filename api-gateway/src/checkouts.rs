//! `/api/v1/checkout`

pub(crate) mod docs;
pub(crate) mod events;

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use platform::Context;
use proto::checkout as pb;
use proto::{Reason, status};
use serde::Serialize;
use tonic::{Code, Status};
use types::{Address, CheckoutId, Money, Timestamp};
use utoipa::ToSchema;

use crate::body::Body;
use crate::fields::{Fields, Read};
use crate::gateway::Shop;
use crate::guard::Caller;
use crate::openapi::schemas;
use crate::path::Id;
use crate::problem::Problem;
use crate::{idempotency, reply};

const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The call is given so much longer than its wait, to be accepted and to answer.
const BEYOND_THE_WAIT: Duration = Duration::from_secs(5);
/// When to look again for the end of a checkout, in seconds.
const LOOK_AGAIN: &str = "1";

/// A purchase, done or under way.
#[derive(Serialize, ToSchema)]
pub(crate) struct Checkout {
    #[schema(format = "uuid")]
    checkout_id: String,
    #[schema(value_type = docs::CheckoutStatus)]
    status: &'static str,
    #[schema(value_type = schemas::Money)]
    total: Money,
    /// Once it is completed. The order itself follows a moment later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uuid", nullable = false)]
    order_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Failure, required = false)]
    failure: Option<Failure>,
    #[schema(value_type = schemas::Moment)]
    created_at: Timestamp,
    /// Once it has ended, well or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Moment, required = false)]
    completed_at: Option<Timestamp>,
    /// Every step so far.
    timeline: Vec<Entry>,
}

/// Why nothing was bought.
#[derive(Serialize, ToSchema)]
#[schema(as = CheckoutFailure)]
struct Failure {
    /// As in a problem document.
    code: String,
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    decline_code: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    product_ids: Vec<i64>,
}

/// A step of a checkout.
#[derive(Serialize, ToSchema)]
#[schema(as = CheckoutStep)]
struct Entry {
    state: String,
    #[schema(value_type = schemas::Moment)]
    at: Timestamp,
    /// How often its call was made.
    attempt: i32,
    /// Null while the state lasts.
    #[schema(required = true)]
    outcome: Option<String>,
}

impl TryFrom<pb::Checkout> for Checkout {
    type Error = Problem;

    fn try_from(checkout: pb::Checkout) -> Result<Self, Problem> {
        use pb::CheckoutStatus::{
            Compensating, Completed, Failed, Initiated, InventoryReserved, PaymentPending, Unspecified,
        };
        let status = match checkout.status() {
            Initiated => "INITIATED",
            InventoryReserved => "INVENTORY_RESERVED",
            PaymentPending => "PAYMENT_PENDING",
            Compensating => "COMPENSATING",
            Completed => "COMPLETED",
            Failed => "FAILED",
            Unspecified => return Err(reply::broken("a checkout without a status")),
        };
        let completed = checkout.status() == Completed;
        let ended = checkout.completed_at.map(|at| reply::moment("checkout.completed_at", Some(at)));
        Ok(Self {
            checkout_id: checkout.checkout_id,
            status,
            total: reply::money("checkout.total", checkout.total)?,
            order_id: completed.then_some(checkout.order_id),
            failure: checkout.failure.map(Failure::from),
            created_at: reply::moment("checkout.created_at", checkout.created_at)?,
            completed_at: ended.transpose()?,
            timeline: checkout.timeline.into_iter().map(Entry::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl From<pb::Failure> for Failure {
    fn from(failure: pb::Failure) -> Self {
        let pb::Failure { code, message, decline_code, product_ids } = failure;
        Self { code, message, decline_code, product_ids }
    }
}

impl TryFrom<pb::TimelineEntry> for Entry {
    type Error = Problem;

    fn try_from(entry: pb::TimelineEntry) -> Result<Self, Problem> {
        Ok(Self {
            state: entry.state,
            at: reply::moment("timeline.at", entry.at)?,
            attempt: entry.attempt,
            outcome: Some(entry.outcome).filter(|outcome| !outcome.is_empty()),
        })
    }
}

/// How to buy the cart.
#[derive(Default)]
pub(crate) struct NewCheckout {
    idempotency_key: Option<String>,
    payment_method: Option<String>,
    shipping_address: Option<Address>,
    expected_total: Option<Money>,
}

impl Read for NewCheckout {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            idempotency_key: fields.text("idempotency_key"),
            payment_method: fields.text("payment_method"),
            shipping_address: fields.address("shipping_address"),
            expected_total: fields.money("expected_total"),
        })
    }
}

/// `POST /api/v1/checkout`
pub(crate) async fn start(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
    headers: HeaderMap,
    body: Option<Body<NewCheckout>>,
) -> Result<Response, Problem> {
    let wanted = body.map(|Body(wanted)| wanted).unwrap_or_default();
    let request = pb::InitiateCheckoutRequest {
        user_id: caller.user_id.get(),
        idempotency_key: idempotency::key(&headers, wanted.idempotency_key)?,
        payment_method: wanted.payment_method.unwrap_or_default(),
        shipping_address: wanted.shipping_address.map(Into::into),
        expected_total: wanted.expected_total.map(Into::into),
        wait_ms: Some(i64::try_from(shop.checkout_wait.as_millis()).map_err(Problem::internal)?),
    };
    let context = context.within(shop.checkout_wait + BEYOND_THE_WAIT);
    let answer = shop.peers.checkouts().initiate_checkout(context.request(request)).await;
    let answer = answer.map_err(refused)?.into_inner();
    let checkout = answer.checkout.ok_or_else(|| reply::broken("an answer without its checkout"))?;
    let mut response = outcome(checkout).unwrap_or_else(Problem::into_response);
    if answer.replayed {
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// `GET /api/v1/checkout/{id}`
pub(crate) async fn show(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
    Id(id): Id<CheckoutId>,
) -> Result<Json<Checkout>, Problem> {
    let call = || {
        let request = pb::GetCheckoutRequest { checkout_id: id.to_string(), user_id: caller.user_id.get() };
        let (mut checkouts, request) = (shop.peers.checkouts(), context.request(request));
        async move { checkouts.get_checkout(request).await }
    };
    Checkout::try_from(shop.retries.read(call).await?).map(Json)
}

/// What became of a checkout within the wait.
fn outcome(checkout: pb::Checkout) -> Result<Response, Problem> {
    use pb::CheckoutStatus::{
        Compensating, Completed, Failed, Initiated, InventoryReserved, PaymentPending, Unspecified,
    };
    let location = [(LOCATION, location(&checkout.checkout_id))];
    match checkout.status() {
        Completed => Ok((StatusCode::CREATED, location, Json(Checkout::try_from(checkout)?)).into_response()),
        Failed => Err(failed(checkout)),
        Initiated | InventoryReserved | PaymentPending | Compensating | Unspecified => {
            let again = [(RETRY_AFTER, LOOK_AGAIN)];
            let body = Json(Checkout::try_from(checkout)?);
            Ok((StatusCode::ACCEPTED, location, again, body).into_response())
        }
    }
}

/// A checkout that ended without a purchase.
fn failed(checkout: pb::Checkout) -> Problem {
    let Some(failure) = checkout.failure else {
        return reply::broken("a failed checkout without its failure");
    };
    let http = match failure.code.as_str() {
        "payment_declined" => StatusCode::PAYMENT_REQUIRED,
        _ => StatusCode::CONFLICT,
    };
    let mut problem =
        Problem::new(http, failure.code, failure.message).with("checkout_id", checkout.checkout_id);
    if !failure.decline_code.is_empty() {
        problem = problem.with("decline_code", failure.decline_code);
    }
    if !failure.product_ids.is_empty() {
        problem = problem.with("product_ids", failure.product_ids);
    }
    problem
}

/// A checkout that was not accepted, or of which nobody knows whether it was.
fn refused(refusal: Status) -> Problem {
    let reason = status::reason(&refusal);
    let running = (reason == Some(Reason::CheckoutInProgress))
        .then(|| status::metadata(&refusal, "checkout_id"))
        .flatten()
        .and_then(|id| HeaderValue::from_str(&location(&id)).ok());
    let known = reason.is_some() || refusal.code() == Code::ResourceExhausted;
    // A connection that broke in the middle says UNKNOWN; to a client it is a shop that can't be reached just now.
    let refusal = match refusal.code() {
        Code::Unknown if !known => Status::unavailable(refusal.message()),
        _ => refusal,
    };
    let problem = Problem::from(refusal);
    match running {
        Some(location) => problem.header(LOCATION, location),
        None if known => problem,
        None => problem.detail(
            "whether the checkout has begun is not known; repeat the request with the same Idempotency-Key: \
             that is safe, nothing is bought twice",
        ),
    }
}

fn location(checkout_id: &str) -> String {
    format!("/api/v1/checkout/{checkout_id}")
}
