//! `/api/v1/checkout/{id}/events`

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use platform::Context;
use proto::checkout as pb;
use serde::Serialize;
use types::{CheckoutId, Timestamp};

use super::Checkout;
use crate::events::{self, END, Told, event};
use crate::gateway::Shop;
use crate::guard::Caller;
use crate::path::Id;
use crate::problem::Problem;
use crate::reply;

/// A state that a checkout has come to.
#[derive(Serialize)]
struct Step<'a> {
    checkout_id: &'a str,
    state: &'a str,
    at: Timestamp,
}

/// `GET /api/v1/checkout/{id}/events`
///
/// A `step` for each entry of the timeline, with its number as the id; the last one is the `end`, and brings the whole
/// checkout.
pub(crate) async fn watch(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    caller: Caller,
    Id(id): Id<CheckoutId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut seen = events::seen(&headers, |id| id.parse::<usize>().ok())?.unwrap_or(0);
    let open = || {
        let request = pb::WatchCheckoutRequest { checkout_id: id.to_string(), user_id: caller.user_id.get() };
        let (mut checkouts, request) = (shop.peers.checkouts(), context.request(request));
        async move { checkouts.watch_checkout(request).await }
    };
    let tell = move |checkout: pb::Checkout| {
        let before = std::mem::replace(&mut seen, checkout.timeline.len());
        behind(before, checkout)
    };
    events::stream(&shop, caller, context.request_id(), open, tell).await
}

/// The steps behind the first so many.
fn behind(seen: usize, checkout: pb::Checkout) -> Result<Told, Problem> {
    use pb::CheckoutStatus::{Completed, Failed};
    let steps = checkout.timeline.get(seen..).ok_or_else(events::never_given)?;
    let is_over = matches!(checkout.status(), Completed | Failed);
    let (open, end) = match steps.split_last() {
        Some((_, open)) if is_over => (open, true),
        _ => (steps, false),
    };
    let mut told = Vec::with_capacity(steps.len());
    for (number, entry) in (seen + 1..).zip(open) {
        let at = reply::moment("timeline.at", entry.at)?;
        let step = Step { checkout_id: &checkout.checkout_id, state: &entry.state, at };
        told.push(event(number.to_string(), "step", step)?);
    }
    if end {
        let number = checkout.timeline.len();
        told.push(event(number.to_string(), END, Checkout::try_from(checkout)?)?);
    }
    Ok(if is_over { Told::Last(told) } else { Told::More(told) })
}
