//! Completed checkouts empty the carts of what they bought.

use async_trait::async_trait;
use event_log::{Event, HandleError, Handler};
use platform::fault;
use proto::events::{CHECKOUT_EVENTS, CheckoutCompleted};

use crate::cart::Purchase;
use crate::carts::Carts;
use crate::error::Error;
use crate::store;

/// The consumer group whose offsets these are.
pub(crate) const GROUP: &str = "cart-service";

/// What it hears.
pub(crate) const TOPICS: &[&str] = &[CHECKOUT_EVENTS];

/// Takes the purchase of each `checkout.completed.v1` out of the buyer's cart. Other kinds of events change no
/// cart.
pub(crate) struct CompletedCheckouts {
    pub(crate) carts: Carts,
}

#[async_trait]
impl Handler for CompletedCheckouts {
    async fn handle(&self, _topic: &str, event: &Event) -> Result<(), HandleError> {
        if event.kind != CheckoutCompleted::TYPE {
            return Ok(());
        }
        let completed: CheckoutCompleted = serde_json::from_slice(&event.data).map_err(unreadable)?;
        let taken_out = self.carts.take_out(Purchase::from(completed));
        fault::around("cart.apply", taken_out).await.map_err(class)
    }
}

/// Says where the JSON is wrong, not what it says: that may name people.
fn unreadable(error: serde_json::Error) -> HandleError {
    let (class, line, column) = (error.classify(), error.line(), error.column());
    HandleError::Reject(format!("unreadable JSON: {class:?} error at line {line}, column {column}"))
}

/// Whether circumstances are to blame, which may change. Trying again is safe after any error, since a purchase
/// counts once.
fn class(error: Error) -> HandleError {
    match error {
        Error::Contended
        | Error::Catalogue(_)
        | Error::Store(store::Error::Unavailable(_) | store::Error::Unknown(_)) => {
            HandleError::Retry(error.into())
        }
        Error::Refused(_) | Error::Stale | Error::Store(store::Error::Defect(_)) | Error::BrokenOff(_) => {
            HandleError::Failed(error.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_circumstances_are_worth_another_try_for_ever() {
        let store = |error: sql::Error| class(Error::Store(error.into()));
        assert!(matches!(store(sql::Error::unavailable("busy")), HandleError::Retry(_)));
        assert!(matches!(store(sql::Error::unknown("disk")), HandleError::Retry(_)));
        assert!(matches!(store(sql::Error::defect("decode")), HandleError::Failed(_)));
        assert!(matches!(class(Error::Contended), HandleError::Retry(_)));
    }

    #[test]
    fn what_is_said_of_unreadable_json_quotes_nothing_of_it() {
        let error = serde_json::from_str::<CheckoutCompleted>(r#"{"checkout_id":"Jane Doe"}"#).unwrap_err();
        let HandleError::Reject(reason) = unreadable(error) else { panic!("it can't be understood") };
        assert_eq!(reason, "unreadable JSON: Data error at line 1, column 25");
    }
}
