//! The gRPC service: parse, call, render.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use platform::watch::{self, Watchers};
use platform::{Context, World};
use proto::checkout::checkout_service_server::CheckoutService;
use proto::checkout::{
    self as wire, CheckoutStatus, GetCheckoutRequest, InitiateCheckoutRequest, InitiateCheckoutResponse,
    WatchCheckoutRequest,
};
use proto::{Invalid, Reason, convert};
use tonic::{Request, Response, Status};
use types::{CheckoutId, UserId};

use crate::checkout::{Checkout, Ended, TimelineEntry};
use crate::error::Error;
use crate::initiate::{self, Initiator};
use crate::saga::state::{Failure, State};
use crate::store::Store;

/// How long a request waits for the end unless it says otherwise.
const DEFAULT_WAIT: Duration = Duration::from_secs(10);
/// The longest wait that a request may ask for, in milliseconds.
const MAX_WAIT_MS: i64 = 60_000;
/// What a wait leaves of the caller's deadline for the answer's way back.
const ANSWER_MARGIN: Duration = Duration::from_millis(200);
/// How often a waiting request looks at the store unasked: another instance may drive the checkout.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// What a request without one is paid with.
const DEFAULT_PAYMENT_METHOD: &str = "pm_card_visa";

/// The service's handlers.
#[derive(Clone)]
pub(crate) struct Api {
    /// Accepts checkouts.
    pub initiator: Arc<Initiator>,
    /// Where checkouts are kept.
    pub store: Arc<dyn Store>,
    /// Who waits for them.
    pub watchers: Watchers<CheckoutId>,
    /// Clock and ids.
    pub world: World,
}

#[tonic::async_trait]
impl CheckoutService for Api {
    async fn initiate_checkout(
        &self,
        request: Request<InitiateCheckoutRequest>,
    ) -> Result<Response<InitiateCheckoutResponse>, Status> {
        let context = Context::of(&request);
        let (request, wait) = parse(&context, request.into_inner())?;
        let initiated = self.initiator.initiate(&context, request).await?;
        let wait = wait.min(context.remaining().saturating_sub(ANSWER_MARGIN));
        let checkout = self.end(initiated.checkout_id, wait).await?;
        let response =
            InitiateCheckoutResponse { checkout: Some(render(&checkout)), replayed: initiated.replayed };
        Ok(Response::new(response))
    }

    async fn get_checkout(
        &self,
        request: Request<GetCheckoutRequest>,
    ) -> Result<Response<wire::Checkout>, Status> {
        let context = Context::of(&request);
        let request = request.into_inner();
        let checkout = self.find(&context, &request.checkout_id, request.user_id).await?;
        Ok(Response::new(render(&checkout)))
    }

    type WatchCheckoutStream = BoxStream<'static, Result<wire::Checkout, Status>>;

    async fn watch_checkout(
        &self,
        request: Request<WatchCheckoutRequest>,
    ) -> Result<Response<Self::WatchCheckoutStream>, Status> {
        let context = Context::of(&request);
        let request = request.into_inner();
        let id = self.find(&context, &request.checkout_id, request.user_id).await?.id;
        let store = self.store.clone();
        let look = move || {
            let store = store.clone();
            async move { store.find(id).await?.ok_or(Error::NotFound(id)) }
        };
        let (watch, clock) = (self.watchers.watch(id), self.world.clock.clone());
        let changes = watch::changes(watch, clock, LOOK_AGAIN, look, |checkout| checkout.state.is_terminal());
        Ok(Response::new(changes.map_ok(|checkout| render(&checkout)).map_err(Status::from).boxed()))
    }
}

impl Api {
    /// A user's checkout, or anyone's if `user_id` is 0.
    async fn find(&self, context: &Context, id: &str, user_id: i64) -> Result<Checkout, Error> {
        let user: Option<UserId> = context.about(convert::any_user_id("user_id", user_id)?);
        let id: CheckoutId = convert::parse("checkout_id", id)?;
        let checkout = self.store.find(id).await?;
        let checkout = checkout.filter(|checkout| user.is_none_or(|user| user == checkout.user_id));
        let checkout = checkout.ok_or(Error::NotFound(id))?;
        context.about(checkout.user_id);
        Ok(checkout)
    }

    /// The checkout at its end, or as it stands after so long a wait.
    async fn end(&self, id: CheckoutId, wait: Duration) -> Result<Checkout, Error> {
        let mut watch = self.watchers.watch(id);
        let over = self.world.clock.sleep(wait);
        tokio::pin!(over);
        loop {
            let checkout = self.store.find(id).await?.ok_or(Error::NotFound(id))?;
            if checkout.state.is_terminal() {
                return Ok(checkout);
            }
            tokio::select! {
                biased;
                () = watch.changed() => {}
                () = &mut over => return Ok(checkout),
                () = self.world.clock.sleep(LOOK_AGAIN) => {}
            }
        }
    }
}

fn parse(
    context: &Context,
    request: InitiateCheckoutRequest,
) -> Result<(initiate::Request, Duration), Invalid> {
    let user_id = context.about(convert::user_id("user_id", request.user_id)?);
    let key = request.idempotency_key;
    if key.is_empty() || key.chars().count() > 255 || key.chars().any(char::is_control) {
        let message = "must be 1 to 255 characters, none of them a control character";
        return Err(Invalid::new("idempotency_key", message).because(Reason::InvalidIdempotencyKey));
    }
    let method = request.payment_method;
    if method.len() > 100 || !method.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(Invalid::new("payment_method", "must be a payment token such as pm_card_visa"));
    }
    let wait = match request.wait_ms {
        None => DEFAULT_WAIT,
        Some(ms @ 0..=MAX_WAIT_MS) => Duration::from_millis(ms.unsigned_abs()),
        Some(_) => {
            return Err(Invalid::new("wait_ms", format!("must be between 0 and {MAX_WAIT_MS}")));
        }
    };
    let expected_total =
        request.expected_total.map(|total| convert::money("expected_total", Some(total))).transpose()?;
    let request = initiate::Request {
        user_id,
        idempotency_key: key,
        payment_method: if method.is_empty() { DEFAULT_PAYMENT_METHOD.to_owned() } else { method },
        shipping_address: convert::address("shipping_address", request.shipping_address)?,
        expected_total,
    };
    Ok((request, wait))
}

fn render(checkout: &Checkout) -> wire::Checkout {
    wire::Checkout {
        checkout_id: checkout.id.to_string(),
        user_id: checkout.user_id.get(),
        status: status(&checkout.state).into(),
        total: Some(checkout.total.into()),
        order_id: checkout.id.order_id().to_string(),
        failure: checkout.state.failure().map(failure),
        created_at: Some(convert::timestamp(checkout.created_at)),
        completed_at: checkout.completed_at.map(convert::timestamp),
        timeline: checkout.timeline.iter().map(entry).collect(),
        stuck: checkout.is_stuck(),
    }
}

/// What the public sees of a state.
fn status(state: &State) -> CheckoutStatus {
    match state {
        State::Reserving => CheckoutStatus::Initiated,
        State::Authorizing => CheckoutStatus::InventoryReserved,
        State::Committing | State::Capturing => CheckoutStatus::PaymentPending,
        State::Voiding(_) | State::Refunding(_) | State::Releasing(_) => CheckoutStatus::Compensating,
        State::Completed => CheckoutStatus::Completed,
        State::Failed(_) => CheckoutStatus::Failed,
    }
}

fn failure(failure: &Failure) -> wire::Failure {
    let (decline_code, product_ids) = match failure {
        Failure::PaymentDeclined { decline_code } => (decline_code.clone(), Vec::new()),
        Failure::InvalidPaymentMethod => ("invalid_payment_method".to_owned(), Vec::new()),
        Failure::InsufficientStock { product_ids } => {
            (String::new(), product_ids.iter().map(|id| id.get()).collect())
        }
        Failure::CheckoutExpired | Failure::CheckoutRefused { .. } => (String::new(), Vec::new()),
    };
    wire::Failure { code: failure.code().to_owned(), message: failure.message(), decline_code, product_ids }
}

fn entry(entry: &TimelineEntry) -> wire::TimelineEntry {
    let outcome = match entry.outcome {
        Ended::Open => "",
        Ended::Ok => "ok",
        Ended::No => "no",
        Ended::Expired => "expired",
    };
    wire::TimelineEntry {
        state: entry.state.clone(),
        at: Some(convert::timestamp(entry.at)),
        attempt: i32::try_from(entry.attempt).unwrap_or(i32::MAX),
        outcome: outcome.to_owned(),
    }
}
