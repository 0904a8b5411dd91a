//! The call of each state, and how its answer is read.
//!
//! A refusal counts only if the participant signed it with a reason. Everything else, a time-out, a reset,
//! a panic over there, is unknown: the same call is made again with the same key.

use std::time::Duration;

use platform::transport::Transport;
use platform::{Context, fault};
use proto::inventory::inventory_service_client::InventoryServiceClient;
use proto::inventory::{ConfirmRequest, Line, ReleaseRequest, ReservationStatus, ReserveRequest};
use proto::payment::payment_service_client::PaymentServiceClient;
use proto::payment::{AuthorizeRequest, CaptureRequest, Payment, PaymentStatus, RefundRequest, VoidRequest};
use proto::{Reason, inventory, status};
use tonic::{Response, Status};
use types::ProductId;

use crate::checkout::Checkout;
use crate::saga::state::{Failure, Outcome, State};

/// How long one call may take before its outcome counts as unknown.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The services that take part.
#[derive(Clone)]
pub struct Participants {
    /// Stock.
    pub inventory: Transport,
    /// Money.
    pub payment: Transport,
}

/// Makes the call that the checkout's state names. An end has none: nothing comes of it.
pub async fn perform(participants: &Participants, context: &Context, checkout: &Checkout) -> Outcome {
    fault::around(name(&checkout.state), call(participants, context, checkout)).await
}

/// Of the call, for fail points.
fn name(state: &State) -> &'static str {
    match state {
        State::Reserving => "checkout.reserve",
        State::Authorizing => "checkout.authorize",
        State::Committing => "checkout.confirm",
        State::Capturing => "checkout.capture",
        State::Voiding(_) => "checkout.void",
        State::Refunding(_) => "checkout.refund",
        State::Releasing(_) => "checkout.release",
        State::Completed | State::Failed(_) => "",
    }
}

async fn call(participants: &Participants, context: &Context, checkout: &Checkout) -> Outcome {
    let mut inventory = InventoryServiceClient::new(participants.inventory.clone());
    let mut payment = PaymentServiceClient::new(participants.payment.clone());
    let checkout_id = checkout.id.to_string();
    let reservation_id = checkout_id.clone();

    match &checkout.state {
        State::Reserving => {
            let lines = checkout.items.iter();
            let lines =
                lines.map(|i| Line { product_id: i.product_id.get(), quantity: i.quantity.get() }).collect();
            let reply = inventory.reserve(context.request(ReserveRequest { reservation_id, lines })).await;
            // An expired hold counts: confirming takes the stock again.
            use ReservationStatus::{Committed, Expired, Held};
            reservation(reply, &[Held, Committed, Expired])
        }
        State::Authorizing => {
            let request = AuthorizeRequest {
                checkout_id,
                user_id: checkout.user_id.get(),
                amount: Some(checkout.total.into()),
                payment_method: checkout.payment_method.clone(),
            };
            match payment.authorize(context.request(request)).await {
                // The client's choice, found out late.
                Err(status) if status::reason(&status) == Some(Reason::InvalidArgument) => {
                    Outcome::Refused(Failure::InvalidPaymentMethod)
                }
                reply => money(reply, checkout, &[PaymentStatus::Authorized, PaymentStatus::Captured]),
            }
        }
        State::Committing => {
            let reply = inventory.confirm(context.request(ConfirmRequest { reservation_id })).await;
            reservation(reply, &[ReservationStatus::Committed])
        }
        State::Capturing => {
            let request = CaptureRequest { checkout_id };
            match payment.capture(context.request(request)).await {
                // Taken, and given back by somebody else before we heard of it: nothing is sold for that.
                Ok(reply) if reply.get_ref().status() == PaymentStatus::Refunded => {
                    Outcome::Refused(Failure::CheckoutRefused {
                        reason: PaymentStatus::Refunded.as_str_name().to_owned(),
                    })
                }
                reply => money(reply, checkout, &[PaymentStatus::Captured]),
            }
        }
        State::Voiding(_) => match payment.void(context.request(VoidRequest { checkout_id })).await {
            Err(status) if status::reason(&status) == Some(Reason::PaymentCaptured) => {
                Outcome::AlreadyCaptured
            }
            // What was voided before it was authorised has no amount to compare.
            reply => undone(reply.map(|reply| {
                matches!(
                    reply.get_ref().status(),
                    PaymentStatus::Voided | PaymentStatus::Declined | PaymentStatus::Expired
                )
            })),
        },
        State::Refunding(_) => {
            let reply = payment.refund(context.request(RefundRequest { checkout_id })).await;
            undone(reply.map(|reply| reply.get_ref().status() == PaymentStatus::Refunded))
        }
        State::Releasing(_) => {
            let reply = inventory.release(context.request(ReleaseRequest { reservation_id })).await;
            undone(reply.map(|reply| {
                matches!(reply.get_ref().status(), ReservationStatus::Released | ReservationStatus::Rejected)
            }))
        }
        State::Completed | State::Failed(_) => Outcome::Unknown,
    }
}

fn reservation(
    reply: Result<Response<inventory::Reservation>, Status>,
    done: &[ReservationStatus],
) -> Outcome {
    match reply {
        Ok(reply) if done.contains(&reply.get_ref().status()) => Outcome::Done,
        Ok(reply) => surprising(reply.get_ref().status().as_str_name()),
        Err(status) => refused(&status),
    }
}

/// A payment counts only if it is of the amount that was asked for.
fn money(reply: Result<Response<Payment>, Status>, checkout: &Checkout, done: &[PaymentStatus]) -> Outcome {
    match reply {
        Ok(reply)
            if done.contains(&reply.get_ref().status())
                && reply.get_ref().amount == Some(checkout.total.into()) =>
        {
            Outcome::Done
        }
        Ok(reply) => surprising(reply.get_ref().status().as_str_name()),
        Err(status) => refused(&status),
    }
}

fn undone(reply: Result<bool, Status>) -> Outcome {
    match reply {
        Ok(true) => Outcome::Done,
        Ok(false) => surprising("not undone"),
        Err(status) => refused(&status),
    }
}

/// An answer that the contract does not allow proves nothing.
fn surprising(answer: &str) -> Outcome {
    tracing::error!(answer, "a participant answered what its contract does not allow");
    Outcome::Unknown
}

fn refused(answer: &Status) -> Outcome {
    let Some(reason) = status::reason(answer) else {
        tracing::warn!(code = ?answer.code(), message = answer.message(), "a call of a checkout got no definite answer");
        return Outcome::Unknown;
    };
    Outcome::Refused(match reason {
        Reason::InsufficientStock => {
            let ids = status::metadata(answer, "product_ids").unwrap_or_default();
            let ids = ids.split(',').filter_map(|id| ProductId::try_from(id.parse::<i64>().ok()?).ok());
            Failure::InsufficientStock { product_ids: ids.collect() }
        }
        Reason::PaymentDeclined => {
            let decline_code =
                status::metadata(answer, "decline_code").unwrap_or_else(|| "card_declined".to_owned());
            Failure::PaymentDeclined { decline_code }
        }
        other => Failure::CheckoutRefused { reason: other.as_str().to_owned() },
    })
}
