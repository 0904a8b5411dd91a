//! The call of each state, and how its answer is read.
//!
//! Only what the participant says is done is done. A time-out, a reset, a panic over there, an answer that the
//! contract does not have: all of that is unknown, and the same call is made again with the same key.

use std::time::Duration;

use platform::transport::Transport;
use platform::{Context, fault};
use proto::inventory::inventory_service_client::InventoryServiceClient;
use proto::inventory::{ReservationStatus, RestockRequest};
use proto::payment::payment_service_client::PaymentServiceClient;
use proto::payment::{PaymentStatus, RefundRequest};
use proto::status::reason;
use tonic::Status;

use super::{Cancellation, Outcome, State};

/// How long one call may take before its outcome counts as unknown.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The services that take back what was sold.
#[derive(Clone)]
pub struct Peers {
    /// Stock.
    pub inventory: Transport,
    /// Money.
    pub payment: Transport,
}

/// Makes the call that the state names. An end has none: nothing comes of it.
pub(super) async fn perform(peers: &Peers, context: &Context, cancellation: &Cancellation) -> Outcome {
    fault::around(name(cancellation.state), call(peers, context, cancellation)).await
}

/// Of the call, for fail points.
fn name(state: State) -> &'static str {
    match state {
        State::Refunding => "orders.refund",
        State::Restocking => "orders.restock",
        // An end makes no call.
        State::Cancelled => "",
    }
}

async fn call(peers: &Peers, context: &Context, cancellation: &Cancellation) -> Outcome {
    let key = cancellation.checkout_id.to_string();
    match cancellation.state {
        State::Refunding => {
            let request = context.request(RefundRequest { checkout_id: key });
            let reply = PaymentServiceClient::new(peers.payment.clone()).refund(request).await;
            // What was paid is given back, all of it and nothing else.
            let whole = Some(cancellation.total.into());
            outcome(reply.map(|payment| {
                let payment = payment.into_inner();
                payment.status() == PaymentStatus::Refunded && payment.amount == whole
            }))
        }
        State::Restocking => {
            let request = context.request(RestockRequest { reservation_id: key });
            let reply = InventoryServiceClient::new(peers.inventory.clone()).restock(request).await;
            outcome(reply.map(|reservation| reservation.get_ref().status() == ReservationStatus::Restocked))
        }
        State::Cancelled => Outcome::Unknown,
    }
}

fn outcome(reply: Result<bool, Status>) -> Outcome {
    match reply {
        Ok(true) => Outcome::Done,
        Ok(false) => {
            tracing::error!("a participant of a cancellation answered what its contract does not allow");
            Outcome::Unknown
        }
        Err(status) => match reason(&status) {
            Some(reason) => {
                tracing::error!(reason = reason.as_str(), "an undo of a cancellation was refused");
                Outcome::Refused(reason)
            }
            None => {
                let (code, message) = (status.code(), status.message());
                tracing::warn!(?code, message, "a call of a cancellation got no definite answer");
                Outcome::Unknown
            }
        },
    }
}
