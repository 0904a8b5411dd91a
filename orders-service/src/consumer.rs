//! Completed checkouts become orders.

use async_trait::async_trait;
use event_log::{Event, HandleError, Handler};
use proto::events::{CHECKOUT_EVENTS, CheckoutCompleted};

use crate::order::Purchase;
use crate::orders::Orders;

/// The consumer group whose offsets these are.
pub(crate) const GROUP: &str = "orders-service";

/// What it hears.
pub(crate) const TOPICS: &[&str] = &[CHECKOUT_EVENTS];

/// Makes an order of each `checkout.completed.v1`; other events are none of its business.
pub(crate) struct CompletedCheckouts {
    pub(crate) orders: Orders,
}

#[async_trait]
impl Handler for CompletedCheckouts {
    async fn handle(&self, _topic: &str, event: &Event) -> Result<(), HandleError> {
        if event.kind != CheckoutCompleted::TYPE {
            return Ok(());
        }
        let purchase = read(event).map_err(HandleError::Reject)?;
        let order = self.orders.make(purchase.clone(), event).await.map_err(class)?;
        if order.purchase != purchase {
            return Err(HandleError::Failed(anyhow::anyhow!(
                "the checkout had become order {} before, with other contents",
                order.id
            )));
        }
        Ok(())
    }
}

/// What the event says, or why it says nothing. The reason quotes nothing of it: it names people.
fn read(event: &Event) -> Result<Purchase, String> {
    let unreadable = |error: serde_json::Error| {
        let (kind, line, column) = (error.classify(), error.line(), error.column());
        format!("unreadable JSON: {kind:?} error at line {line}, column {column}")
    };
    let completed: CheckoutCompleted = serde_json::from_slice(&event.data).map_err(unreadable)?;
    Purchase::try_from(completed).map_err(|implausible| implausible.to_string())
}

/// Whether it is of use to try again: making an order is, as long as the store may recover.
fn class(error: sql::Error) -> HandleError {
    match error {
        sql::Error::Unavailable(_) | sql::Error::Unknown(_) => HandleError::Retry(error.into()),
        sql::Error::Conflict(_) | sql::Error::Defect(_) => HandleError::Failed(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_circumstances_of_the_store_are_worth_another_try() {
        assert!(matches!(class(sql::Error::unavailable("busy")), HandleError::Retry(_)));
        assert!(matches!(class(sql::Error::unknown("disk")), HandleError::Retry(_)));
        assert!(matches!(class(sql::Error::defect("decode")), HandleError::Failed(_)));
    }
}
