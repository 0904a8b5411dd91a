//! Refusals: a gRPC status with a stable, machine readable reason (`google.rpc.ErrorInfo`).
//!
//! A status that carries a [`Reason`] is a definite answer of the shop. One that carries none was made by
//! a library or a broken connection: whether the call took effect is unknown.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The `domain` of every [`Reason`].
pub const DOMAIN: &str = "oxcart";

/// When to try again what could not be done just now.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a call was refused. The text of each is part of the contract; the gateway's `code` is its lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A field can't be used; the violations name it.
    InvalidArgument,
    /// A quantity outside of its bounds.
    InvalidQuantity,
    /// An id that no product can have.
    InvalidProductId,
    /// No such product.
    ProductNotFound,
    /// The cart has no line for the product.
    ItemNotInCart,
    /// The cart has as many lines as a cart can have.
    CartFull,
    /// Nothing to buy.
    CartEmpty,
    /// The cart changed while it was being changed or bought.
    CartChanged,
    /// The product is sold in another currency than the rest of the cart.
    CurrencyMismatch,
    /// A product of the cart is no longer for sale.
    ProductUnavailable,
    /// Not enough stock; metadata `product_ids` names the products, comma-separated.
    InsufficientStock,
    /// The reservation was released, or expired and its stock is gone; it can't be used any more.
    ReservationReleased,
    /// No such reservation.
    ReservationNotFound,
    /// The reservation was never confirmed, or its stock was given back otherwise: nothing of it is sold.
    ReservationNotCommitted,
    /// The payment provider said no; metadata `decline_code` says why.
    PaymentDeclined,
    /// The payment was voided; it can't be authorised or captured any more.
    PaymentVoided,
    /// The payment was captured; it can be refunded, not voided.
    PaymentCaptured,
    /// The payment is not in a state that allows the call.
    PaymentNotCapturable,
    /// No such payment.
    PaymentNotFound,
    /// No idempotency key was sent.
    MissingIdempotencyKey,
    /// The idempotency key is empty, too long or has control characters.
    InvalidIdempotencyKey,
    /// The key was used before with other parameters.
    IdempotencyKeyReused,
    /// The total is not the expected one; metadata `total` has it.
    PriceChanged,
    /// This version of the cart is being bought or was bought; metadata `checkout_id` names the checkout.
    CheckoutInProgress,
    /// No such checkout, or not the caller's.
    CheckoutNotFound,
    /// No such order, or not the caller's.
    OrderNotFound,
    /// The lifecycle does not allow this step.
    InvalidTransition,
    /// Changed by somebody else meanwhile.
    StaleVersion,
    /// Too many requests.
    RateLimited,
    /// The request is too large.
    PayloadTooLarge,
    /// No token was sent.
    TokenMissing,
    /// The token can't be trusted.
    TokenInvalid,
    /// The token is too old.
    TokenExpired,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 33] = [
        Self::InvalidArgument,
        Self::InvalidQuantity,
        Self::InvalidProductId,
        Self::ProductNotFound,
        Self::ItemNotInCart,
        Self::CartFull,
        Self::CartEmpty,
        Self::CartChanged,
        Self::CurrencyMismatch,
        Self::ProductUnavailable,
        Self::InsufficientStock,
        Self::ReservationReleased,
        Self::ReservationNotFound,
        Self::ReservationNotCommitted,
        Self::PaymentDeclined,
        Self::PaymentVoided,
        Self::PaymentCaptured,
        Self::PaymentNotCapturable,
        Self::PaymentNotFound,
        Self::MissingIdempotencyKey,
        Self::InvalidIdempotencyKey,
        Self::IdempotencyKeyReused,
        Self::PriceChanged,
        Self::CheckoutInProgress,
        Self::CheckoutNotFound,
        Self::OrderNotFound,
        Self::InvalidTransition,
        Self::StaleVersion,
        Self::RateLimited,
        Self::PayloadTooLarge,
        Self::TokenMissing,
        Self::TokenInvalid,
        Self::TokenExpired,
    ];

    /// The text on the wire: `INSUFFICIENT_STOCK`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::InvalidQuantity => "INVALID_QUANTITY",
            Self::InvalidProductId => "INVALID_PRODUCT_ID",
            Self::ProductNotFound => "PRODUCT_NOT_FOUND",
            Self::ItemNotInCart => "ITEM_NOT_IN_CART",
            Self::CartFull => "CART_FULL",
            Self::CartEmpty => "CART_EMPTY",
            Self::CartChanged => "CART_CHANGED",
            Self::CurrencyMismatch => "CURRENCY_MISMATCH",
            Self::ProductUnavailable => "PRODUCT_UNAVAILABLE",
            Self::InsufficientStock => "INSUFFICIENT_STOCK",
            Self::ReservationReleased => "RESERVATION_RELEASED",
            Self::ReservationNotFound => "RESERVATION_NOT_FOUND",
            Self::ReservationNotCommitted => "RESERVATION_NOT_COMMITTED",
            Self::PaymentDeclined => "PAYMENT_DECLINED",
            Self::PaymentVoided => "PAYMENT_VOIDED",
            Self::PaymentCaptured => "PAYMENT_CAPTURED",
            Self::PaymentNotCapturable => "PAYMENT_NOT_CAPTURABLE",
            Self::PaymentNotFound => "PAYMENT_NOT_FOUND",
            Self::MissingIdempotencyKey => "MISSING_IDEMPOTENCY_KEY",
            Self::InvalidIdempotencyKey => "INVALID_IDEMPOTENCY_KEY",
            Self::IdempotencyKeyReused => "IDEMPOTENCY_KEY_REUSED",
            Self::PriceChanged => "PRICE_CHANGED",
            Self::CheckoutInProgress => "CHECKOUT_IN_PROGRESS",
            Self::CheckoutNotFound => "CHECKOUT_NOT_FOUND",
            Self::OrderNotFound => "ORDER_NOT_FOUND",
            Self::InvalidTransition => "INVALID_TRANSITION",
            Self::StaleVersion => "STALE_VERSION",
            Self::RateLimited => "RATE_LIMITED",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::TokenMissing => "TOKEN_MISSING",
            Self::TokenInvalid => "TOKEN_INVALID",
            Self::TokenExpired => "TOKEN_EXPIRED",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// A definite no: a code, a reason, a message for people, and facts for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    code: Code,
    reason: Reason,
    message: String,
    metadata: HashMap<String, String>,
}

impl Rejection {
    /// A refusal. The message is shown to clients: no internals.
    pub fn new(code: Code, reason: Reason, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), metadata: HashMap::new() }
    }

    /// Adds a fact for programs.
    #[must_use]
    pub fn with_metadata(mut self, key: &str, value: impl Into<String>) -> Self {
        self.metadata.insert(key.to_owned(), value.into());
        self
    }

    /// The refusal as the wire carries it.
    pub fn into_status(self) -> Status {
        let details = ErrorDetails::with_error_info(self.reason.as_str(), DOMAIN, self.metadata);
        Status::with_error_details(self.code, self.message, details)
    }
}

impl From<Rejection> for Status {
    fn from(rejection: Rejection) -> Self {
        rejection.into_status()
    }
}

/// A field that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct Invalid {
    field: String,
    message: String,
    reason: Reason,
}

impl Invalid {
    /// A field by its name on the wire, and what it must be: `("quantity", "must be between 1 and 99")`.
    pub fn new(field: impl Into<String>, message: impl ToString) -> Self {
        Self { field: field.into(), message: message.to_string(), reason: Reason::InvalidArgument }
    }

    /// With a reason of its own in place of [`Reason::InvalidArgument`].
    #[must_use]
    pub fn because(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }
}

impl From<Invalid> for Status {
    fn from(invalid: Invalid) -> Self {
        let text = invalid.to_string();
        let mut details = ErrorDetails::with_error_info(invalid.reason.as_str(), DOMAIN, HashMap::new());
        details.add_bad_request_violation(invalid.field, invalid.message);
        Self::with_error_details(Code::InvalidArgument, text, details)
    }
}

/// This service answers, but something that it needs does not: UNAVAILABLE, with a `google.rpc.RetryInfo` by
/// which a caller's circuit breaker tells it from a service that is gone. It carries no [`Reason`]: whether the
/// call took effect is unknown.
pub fn not_now(message: impl Into<String>) -> Status {
    Status::with_error_details(Code::Unavailable, message, ErrorDetails::with_retry_info(Some(RETRY_AFTER)))
}

/// The reason that a status carries; `None` means that the outcome of the call is unknown.
pub fn reason(status: &Status) -> Option<Reason> {
    let info = status.get_details_error_info()?;
    if info.domain == DOMAIN { Reason::parse(&info.reason) } else { None }
}

/// A fact that a refusal carries.
pub fn metadata(status: &Status, key: &str) -> Option<String> {
    status.get_details_error_info()?.metadata.remove(key)
}

/// The fields that can't be used, each with what it must be.
pub fn violations(status: &Status) -> Vec<(String, String)> {
    let violations =
        status.get_details_bad_request().map(|request| request.field_violations).unwrap_or_default();
    violations.into_iter().map(|violation| (violation.field, violation.description)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_survives_the_wire() {
        let status =
            Rejection::new(Code::FailedPrecondition, Reason::PaymentDeclined, "the card was declined")
                .with_metadata("decline_code", "card_declined")
                .into_status();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(reason(&status), Some(Reason::PaymentDeclined));
        assert_eq!(metadata(&status, "decline_code").as_deref(), Some("card_declined"));
    }

    #[test]
    fn an_invalid_field_is_named() {
        let status = Status::from(
            Invalid::new("quantity", "must be between 1 and 99").because(Reason::InvalidQuantity),
        );
        assert_eq!((status.code(), reason(&status)), (Code::InvalidArgument, Some(Reason::InvalidQuantity)));
        assert_eq!(violations(&status), [("quantity".to_owned(), "must be between 1 and 99".to_owned())]);
    }

    #[test]
    fn what_a_library_made_up_has_no_reason() {
        for code in [Code::Unavailable, Code::Unknown, Code::Cancelled, Code::InvalidArgument, Code::Aborted]
        {
            assert_eq!(reason(&Status::new(code, "transport error")), None);
        }
    }

    #[test]
    fn what_can_not_be_done_now_has_details_but_no_reason() {
        let status = not_now("the catalogue is not available");
        assert_eq!((status.code(), reason(&status)), (Code::Unavailable, None));
        assert_eq!(status.get_details_retry_info().and_then(|info| info.retry_delay), Some(RETRY_AFTER));
    }

    #[test]
    fn texts_are_unique_and_read_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(reason));
        }
    }
}
