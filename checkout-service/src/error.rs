//! Why a request to this service is not done, and the only mapping to gRPC.

use proto::{Invalid, Reason, Rejection};
use tonic::{Code, Status};
use types::{CheckoutId, Money, ProductId};

/// Why a request is not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field can't be used.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// The key was used with another request.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// The cart has no lines.
    #[error("the cart is empty")]
    CartEmpty,
    /// Lines whose product is gone.
    #[error("the cart has products that are no longer for sale: {0:?}")]
    Unavailable(Vec<ProductId>),
    /// The total is not the expected one.
    #[error("the total is {0}")]
    PriceChanged(Money),
    /// The cart is being bought or was bought.
    #[error("checkout {0} is buying this cart or has bought it")]
    InProgress(CheckoutId),
    /// No such checkout, or another user's.
    #[error("there is no checkout {0}")]
    NotFound(CheckoutId),
    /// The cart service did not answer, or not as it must.
    #[error("the cart can't be read")]
    Cart(#[source] Box<Status>),
    /// The store did not do it.
    #[error("the checkout store failed: {0}")]
    Store(#[from] sql::Error),
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Invalid(invalid) => invalid.into(),
            Error::KeyReused => {
                Rejection::new(Code::InvalidArgument, Reason::IdempotencyKeyReused, text).into_status()
            }
            Error::CartEmpty => {
                Rejection::new(Code::FailedPrecondition, Reason::CartEmpty, text).into_status()
            }
            Error::Unavailable(products) => {
                let ids = products.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                let text = format!(
                    "no longer for sale, take it out of the cart: product {}",
                    ids.replace(',', ", ")
                );
                Rejection::new(Code::FailedPrecondition, Reason::ProductUnavailable, text)
                    .with_metadata("product_ids", ids)
                    .into_status()
            }
            Error::PriceChanged(total) => {
                let text = format!("the total is {total} now");
                Rejection::new(Code::Aborted, Reason::PriceChanged, text)
                    .with_metadata("amount", total.amount())
                    .with_metadata("currency", total.currency.code())
                    .into_status()
            }
            Error::InProgress(id) => Rejection::new(Code::Aborted, Reason::CheckoutInProgress, text)
                .with_metadata("checkout_id", id.to_string())
                .into_status(),
            Error::NotFound(_) => {
                Rejection::new(Code::NotFound, Reason::CheckoutNotFound, text).into_status()
            }
            // A refusal of the cart is ours too; anything else says nothing about this request.
            Error::Cart(status) if proto::status::reason(&status).is_some() => *status,
            Error::Cart(status) => {
                tracing::warn!(code = ?status.code(), message = status.message(), "the cart can't be read");
                proto::status::not_now("the cart can't be read at the moment")
            }
            Error::Store(error @ (sql::Error::Unavailable(_) | sql::Error::Unknown(_))) => {
                tracing::error!(error = ?error, "the checkout store failed");
                Status::unavailable("the checkout store is not available at the moment")
            }
            Error::Store(error @ (sql::Error::Conflict(_) | sql::Error::Defect(_))) => {
                tracing::error!(error = ?error, "the checkout store failed");
                Status::internal("internal error")
            }
        }
    }
}
