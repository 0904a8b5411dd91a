//! What the others are told.

use event_log::Event;
use platform::trace;
use proto::events::{OrderCancelled, OrderCreated, OrderStatusChanged};
use serde::Serialize;
use types::{Timestamp, UserId};
use uuid::Uuid;

use crate::cancellation::Cancellation;
use crate::order::Order;
use crate::store::Step;

/// Who tells.
const SOURCE: &str = "orders-service";

/// Where an announcement comes from: its own id, and the trace and the request that it belongs to.
pub(crate) struct Origin {
    pub(crate) id: Uuid,
    pub(crate) traceparent: Option<String>,
    pub(crate) request_id: Option<String>,
}

/// An order was made.
pub(crate) fn created(order: &Order, origin: Origin) -> Event {
    let data = OrderCreated {
        order_id: order.id,
        checkout_id: order.purchase.checkout_id,
        user_id: order.purchase.user_id,
        total: order.purchase.total,
        created_at: order.created_at,
    };
    event(OrderCreated::TYPE, order.purchase.user_id, order.created_at, &data, origin)
}

/// An order took a step.
pub(crate) fn status_changed(user_id: UserId, step: Step, origin: Origin) -> Event {
    let data = OrderStatusChanged {
        order_id: step.id,
        user_id,
        from: step.from.to_string(),
        to: step.to.to_string(),
        changed_at: step.at,
    };
    event(OrderStatusChanged::TYPE, user_id, step.at, &data, origin)
}

/// An order was cancelled; `None` as long as it is only being cancelled.
pub(crate) fn cancelled(cancellation: &Cancellation) -> Option<Event> {
    let cancelled_at = cancellation.ended_at?;
    let data = OrderCancelled {
        order_id: cancellation.order_id,
        checkout_id: cancellation.checkout_id,
        user_id: cancellation.user_id,
        refunded: cancellation.total,
        cancelled_at,
    };
    // The id follows from the order: no second end can be told of.
    let id = Uuid::new_v5(&cancellation.order_id.0, b"cancelled");
    let (traceparent, request_id) = cancellation.origin.parts();
    let origin = Origin { id, traceparent, request_id };
    Some(event(OrderCancelled::TYPE, cancellation.user_id, cancelled_at, &data, origin))
}

fn event(kind: &str, user_id: UserId, time: Timestamp, data: &impl Serialize, origin: Origin) -> Event {
    Event {
        id: origin.id,
        kind: kind.to_owned(),
        source: SOURCE.to_owned(),
        key: user_id.to_string(),
        time,
        // What is being done now, and else what it was begun for.
        traceparent: trace::traceparent().or(origin.traceparent),
        request_id: origin.request_id,
        data: serde_json::to_vec(data).expect("names, numbers and texts are JSON").into(),
    }
}
