//! The ledger of the simulated provider: what took effect, in its order.

mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use platform::config::Location;
use platform::metrics::Metrics;
use types::{CheckoutId, Money, Timestamp};

use crate::provider::{Method, Standing};
pub use postgres::Postgres;
pub use sqlite::Sqlite;

/// Where the ledger is kept. Each method is one transaction, durable when it has answered; of two calls for one
/// key at once, through whichever instance, the second sees what the first one did.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Opens a key with an effect, unless it is open. Of the calls for a key so many of the first are only
    /// counted: the provider is out.
    ///
    /// # Errors
    /// Any [`sql::Error`].
    async fn begin(&self, key: CheckoutId, opening: Opening) -> Result<Begun, sql::Error>;

    /// Adds the effect that `decide` finds right for where the key stands, if any.
    ///
    /// # Errors
    /// Any [`sql::Error`].
    async fn resolve(&self, key: CheckoutId, decide: Decide, at: Timestamp) -> Result<Resolved, sql::Error>;

    /// What is held under a key.
    ///
    /// # Errors
    /// Any [`sql::Error`].
    async fn held(&self, key: CheckoutId) -> Result<Option<Held>, sql::Error>;

    /// Everything that took effect, oldest first.
    ///
    /// # Errors
    /// Any [`sql::Error`].
    async fn entries(&self) -> Result<Vec<Entry>, sql::Error>;

    /// Whether the ledger can be reached at this moment.
    ///
    /// # Errors
    /// [`sql::Error::Unavailable`] when it can't.
    async fn ping(&self) -> Result<(), sql::Error>;
}

/// What is to be done for where a key stands.
pub type Decide = fn(Option<&Standing>) -> Option<Effect>;

/// How a key is to be opened.
#[derive(Debug, Clone)]
pub struct Opening {
    /// What about.
    pub terms: Terms,
    /// With which effect.
    pub effect: Effect,
    /// How many calls are only counted before.
    pub outages: i64,
    /// When.
    pub at: Timestamp,
}

/// What came of opening a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is open now, with the effect.
    Now,
    /// It was open.
    Before(Held),
    /// It was counted.
    Outage,
}

/// What came of resolving a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// This was added, about these terms if there are any.
    Now(Effect, Option<Terms>),
    /// Nothing was to be done for what is held.
    Before(Held),
    /// Nothing was to be done for a key that nobody knows.
    Unknown,
}

/// Opens the ledger at this place. A server that is not there is waited for.
///
/// # Errors
/// What hinders it from being opened, in words for who started the program.
pub async fn open(location: &Location, metrics: &Metrics) -> anyhow::Result<Arc<dyn Ledger>> {
    Ok(match location {
        Location::File(path) => Arc::new(Sqlite::open(path, metrics).await?),
        Location::Postgres(server) => Arc::new(Postgres::open(server, metrics).await?),
    })
}

/// Opens a ledger that is there for reading only, whether or not the provider is at work on it.
///
/// # Errors
/// What hinders it from being read.
pub async fn open_read_only(location: &Location) -> anyhow::Result<Arc<dyn Ledger>> {
    Ok(match location {
        Location::File(path) => Arc::new(Sqlite::open_read_only(path).await?),
        Location::Postgres(server) => Arc::new(Postgres::open_read_only(server).await?),
    })
}

/// One thing that took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the ledger, counted up.
    pub seq: i64,
    /// The payment.
    pub key: CheckoutId,
    /// What happened.
    pub effect: Effect,
    /// How much of it; `None` for a tombstone.
    pub amount: Option<Money>,
    /// When.
    pub at: Timestamp,
}

/// What can happen to a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The amount was put aside.
    Authorize,
    /// Nothing was put aside, for good.
    Decline {
        /// Why: "card_declined".
        code: String,
    },
    /// The amount was taken.
    Capture,
    /// What was put aside was given back.
    Void,
    /// What was taken was given back.
    Refund,
    /// Nothing was there; whatever comes late is refused.
    Tombstone,
}

impl Effect {
    /// Where it leaves the key.
    pub fn standing(&self) -> Standing {
        match self {
            Self::Authorize => Standing::Authorized,
            Self::Decline { code } => Standing::Declined { code: code.clone() },
            Self::Capture => Standing::Captured,
            Self::Void | Self::Tombstone => Standing::Voided,
            Self::Refund => Standing::Refunded,
        }
    }

    fn parts(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Authorize => ("authorize", None),
            Self::Decline { code } => ("decline", Some(code)),
            Self::Capture => ("capture", None),
            Self::Void => ("void", None),
            Self::Refund => ("refund", None),
            Self::Tombstone => ("tombstone", None),
        }
    }
}

/// What an authorisation was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// How much.
    pub amount: Money,
    /// Paid how.
    pub method: Method,
}

/// What is held under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Where it stands.
    pub standing: Standing,
    /// `None` under a tombstone.
    pub terms: Option<Terms>,
}

/// `effect, decline_code, amount_minor, currency, method` of a row.
type Columns = (String, Option<String>, Option<i64>, Option<String>, Option<String>);

/// What the columns of a row say, whatever the adapter.
fn parse(
    seq: i64,
    key: CheckoutId,
    (effect, decline_code, minor, currency, method): Columns,
    at: Timestamp,
) -> Result<(Entry, Option<Terms>), sql::Error> {
    let effect = match (effect.as_str(), decline_code) {
        ("authorize", None) => Effect::Authorize,
        ("decline", Some(code)) => Effect::Decline { code },
        ("capture", None) => Effect::Capture,
        ("void", None) => Effect::Void,
        ("refund", None) => Effect::Refund,
        ("tombstone", None) => Effect::Tombstone,
        (other, _) => return Err(sql::Error::defect(format!("no effect of the ledger: {other}"))),
    };
    let terms = match (minor, currency, method) {
        (Some(minor), Some(currency), Some(method)) => {
            let amount = Money::new(minor, currency.parse().map_err(sql::Error::defect)?);
            Some(Terms { amount, method: Method::new(method) })
        }
        _ => None,
    };
    let amount = terms.as_ref().map(|terms| terms.amount);
    Ok((Entry { seq, key, effect, amount, at }, terms))
}
