//! Port: whoever really moves the money.

use async_trait::async_trait;
use types::{CheckoutId, Money};

pub mod simulated;

/// A payment provider.
///
/// Every call is idempotent by its key and answers with where the key stands *after* the call, whoever
/// brought it there: a capture that comes after a void answers [`Standing::Voided`]. So an answer that is
/// late, repeated or lost is never wrong, only older. At most one authorisation and one capture take effect
/// for a key; of a capture and a void, one.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Reads a payment method. Nothing is asked of anyone yet.
    ///
    /// # Errors
    /// [`UnknownMethod`] when this provider can't be paid with it.
    fn method(&self, token: &str) -> Result<Method, UnknownMethod>;

    /// Puts the amount aside, or declines to.
    ///
    /// # Errors
    /// [`Error::OtherTerms`] when the key was authorised with another amount or method, and
    /// [`Error::NoAnswer`].
    async fn authorize(&self, key: CheckoutId, amount: Money, method: &Method) -> Result<Standing, Error>;

    /// Takes what was put aside, all of it.
    ///
    /// # Errors
    /// [`Error::UnknownKey`], [`Error::NoAnswer`].
    async fn capture(&self, key: CheckoutId) -> Result<Standing, Error>;

    /// Gives back what was put aside. An unknown key is remembered as void, so that an authorisation that
    /// comes late is refused.
    ///
    /// # Errors
    /// [`Error::NoAnswer`].
    async fn void(&self, key: CheckoutId) -> Result<Standing, Error>;

    /// Gives back what was taken, all of it.
    ///
    /// # Errors
    /// [`Error::UnknownKey`], [`Error::NoAnswer`].
    async fn refund(&self, key: CheckoutId) -> Result<Standing, Error>;

    /// Where a key stands; `None` when it was never heard of. Changes nothing.
    ///
    /// # Errors
    /// [`Error::NoAnswer`].
    async fn find(&self, key: CheckoutId) -> Result<Option<Standing>, Error>;

    /// Whether the provider can be reached at this moment.
    ///
    /// # Errors
    /// [`Error::NoAnswer`] when it can't.
    async fn ping(&self) -> Result<(), Error>;
}

/// A payment method that a [`Provider`] has read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Method(String);

impl Method {
    /// For providers, who check the token, and stores, which it comes back from.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The token: "pm_card_visa".
    pub fn token(&self) -> &str {
        &self.0
    }
}

/// What can't be paid with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {known}")]
pub struct UnknownMethod {
    /// What can be, comma-separated.
    pub known: String,
}

/// Where the provider stands with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The amount is put aside.
    Authorized,
    /// Refused for good; nothing was put aside.
    Declined {
        /// Why: "card_declined".
        code: String,
    },
    /// The money is taken.
    Captured,
    /// Nothing is put aside, and nothing will be.
    Voided,
    /// The money was taken and given back.
    Refunded,
}

/// What is beneath an [`Error::NoAnswer`]; for logs, not for decisions.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a call did not say where the key stands.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Whether the call took effect is unknown. Ask again with the same key.
    #[error("the payment provider gave no answer")]
    NoAnswer(#[source] Cause),
    /// The key belongs to a payment with other terms. Nothing changed.
    #[error("the payment provider knows the key with other terms")]
    OtherTerms,
    /// There is nothing under the key that could be taken or given back. Nothing changed.
    #[error("the payment provider does not know the key")]
    UnknownKey,
}
