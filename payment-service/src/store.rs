//! Port: where payments are kept.

#[cfg(test)]
mod conformance;
mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use platform::config::Location;
use platform::metrics::Metrics;
use sql::Error;
use types::{CheckoutId, Money, PaymentId, Timestamp, UserId};

use crate::payment::{Payment, Status, Terms};
use crate::provider::Method;
pub use postgres::Postgres;
pub use sqlite::Sqlite;

/// Payments, one per checkout. Each method is one transaction, durable when it has answered.
#[async_trait]
pub trait Store: Send + Sync {
    /// The payment of a checkout.
    ///
    /// # Errors
    /// When the store can't be read.
    async fn find(&self, checkout_id: CheckoutId) -> Result<Option<Payment>, Error>;

    /// Adds a payment, unless the checkout has one; that one stays as it is. Answers with the one that is
    /// there then.
    ///
    /// # Errors
    /// When the store can't be written, or does not know whether it was.
    async fn begin(&self, payment: Payment) -> Result<Payment, Error>;

    /// Moves a payment to a status, if it still has the status that `seen` has. Answers with the payment as
    /// it is then, whoever moved it.
    ///
    /// # Errors
    /// When the store can't be written, or does not know whether it was.
    async fn advance(&self, seen: &Payment, to: Status, at: Timestamp) -> Result<Payment, Error>;

    /// Every payment, as they all were at one moment, oldest first.
    ///
    /// # Errors
    /// When the store can't be read.
    async fn snapshot(&self) -> Result<Vec<Payment>, Error>;

    /// Whether the store can be reached at this moment.
    ///
    /// # Errors
    /// When it can't.
    async fn ping(&self) -> Result<(), Error>;

    /// Finishes what is under way and lets go of the place; later calls are answered with
    /// [`Error::Unavailable`].
    async fn close(&self);
}

/// Opens the store at this place. A server that is not there is waited for.
///
/// # Errors
/// What hinders it from being opened, in words for who started the program.
pub async fn open(location: &Location, metrics: &Metrics) -> anyhow::Result<Arc<dyn Store>> {
    Ok(match location {
        Location::File(path) => Arc::new(Sqlite::open(path, metrics).await?),
        Location::Postgres(server) => Arc::new(Postgres::open(server, metrics).await?),
    })
}

/// Opens a store that is there for reading only, beside a running service.
///
/// # Errors
/// What hinders it from being read.
pub async fn open_read_only(location: &Location) -> anyhow::Result<Arc<dyn Store>> {
    Ok(match location {
        Location::File(path) => Arc::new(Sqlite::open_read_only(path).await?),
        Location::Postgres(server) => Arc::new(Postgres::open_read_only(server).await?),
    })
}

/// A status as the columns `status` and `decline_code` have it.
fn parts(status: &Status) -> (&'static str, Option<&str>) {
    match status {
        Status::Pending => ("PENDING", None),
        Status::Authorized => ("AUTHORIZED", None),
        Status::Declined { code } => ("DECLINED", Some(code)),
        Status::Capturing => ("CAPTURING", None),
        Status::Captured => ("CAPTURED", None),
        Status::Voiding => ("VOIDING", None),
        Status::Voided => ("VOIDED", None),
        Status::Refunding => ("REFUNDING", None),
        Status::Refunded => ("REFUNDED", None),
    }
}

fn parse_status(status: &str, decline_code: Option<String>) -> Result<Status, Error> {
    match (status, decline_code) {
        ("PENDING", None) => Ok(Status::Pending),
        ("AUTHORIZED", None) => Ok(Status::Authorized),
        ("DECLINED", Some(code)) => Ok(Status::Declined { code }),
        ("CAPTURING", None) => Ok(Status::Capturing),
        ("CAPTURED", None) => Ok(Status::Captured),
        ("VOIDING", None) => Ok(Status::Voiding),
        ("VOIDED", None) => Ok(Status::Voided),
        ("REFUNDING", None) => Ok(Status::Refunding),
        ("REFUNDED", None) => Ok(Status::Refunded),
        (other, _) => Err(Error::defect(format!("no status of a payment: {other}"))),
    }
}

/// `user_id, amount_minor, currency, method`: all of them, or none where there are no terms.
type TermsColumns = (Option<i64>, Option<i64>, Option<String>, Option<String>);

/// The payment that the columns of a row make, whatever the adapter.
fn payment(
    (checkout_id, id): (CheckoutId, PaymentId),
    terms: TermsColumns,
    (status, decline_code): (&str, Option<String>),
    (created_at, updated_at): (Timestamp, Timestamp),
) -> Result<Payment, Error> {
    let terms = match terms {
        (Some(user), Some(minor), Some(currency), Some(method)) => Some(Terms {
            user_id: UserId::try_from(user).map_err(Error::defect)?,
            amount: Money::new(minor, currency.parse().map_err(Error::defect)?),
            method: Method::new(method),
        }),
        _ => None,
    };
    let status = parse_status(status, decline_code)?;
    Ok(Payment { id, checkout_id, terms, status, created_at, updated_at })
}
