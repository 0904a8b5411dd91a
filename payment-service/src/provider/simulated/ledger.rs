//! The ledger of the simulated provider: what took effect, in its order.

use std::path::Path;

use sql::sqlite::Database;
use sqlx::SqliteConnection;
use types::{CheckoutId, Money, Timestamp};

use crate::provider::{Method, Standing};

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
    pub(super) fn standing(&self) -> Standing {
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
pub(super) struct Terms {
    pub(super) amount: Money,
    pub(super) method: Method,
}

/// What is held under a key.
pub(super) struct Held {
    pub(super) standing: Standing,
    /// `None` under a tombstone.
    pub(super) terms: Option<Terms>,
}

/// The ledger in this file, oldest entry first, whether or not the provider is at work on it.
///
/// # Errors
/// When the file can't be opened or read.
pub async fn ledger(path: &Path) -> anyhow::Result<Vec<Entry>> {
    let database = Database::open_read_only(path).await?;
    let entries = entries(&mut *database.read().await?).await;
    database.close().await;
    Ok(entries?)
}

pub(super) async fn entries(connection: &mut SqliteConnection) -> Result<Vec<Entry>, sql::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT seq, checkout_key, effect, decline_code, amount_minor, currency, method, at
         FROM ledger ORDER BY seq",
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|row| Ok(row.parse()?.0)).collect()
}

pub(super) async fn held(
    connection: &mut SqliteConnection,
    key: CheckoutId,
) -> Result<Option<Held>, sql::Error> {
    let last: Option<Row> = sqlx::query_as(
        "SELECT seq, checkout_key, effect, decline_code, amount_minor, currency, method, at
         FROM ledger WHERE checkout_key = ? ORDER BY seq DESC LIMIT 1",
    )
    .bind(key.to_string())
    .fetch_optional(connection)
    .await?;
    let Some(row) = last else { return Ok(None) };
    let (entry, terms) = row.parse()?;
    Ok(Some(Held { standing: entry.effect.standing(), terms }))
}

pub(super) async fn append(
    connection: &mut SqliteConnection,
    key: CheckoutId,
    effect: &Effect,
    terms: Option<&Terms>,
    at: Timestamp,
) -> Result<(), sql::Error> {
    let (effect, decline_code) = effect.parts();
    sqlx::query(
        "INSERT INTO ledger (checkout_key, effect, decline_code, amount_minor, currency, method, at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(key.to_string())
    .bind(effect)
    .bind(decline_code)
    .bind(terms.map(|terms| terms.amount.minor))
    .bind(terms.map(|terms| terms.amount.currency.code()))
    .bind(terms.map(|terms| terms.method.token()))
    .bind(at.micros())
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts one more authorisation that failed for want of a provider; how many there are now.
pub(super) async fn count_outage(
    connection: &mut SqliteConnection,
    key: CheckoutId,
) -> Result<i64, sql::Error> {
    let attempts = sqlx::query_scalar(
        "INSERT INTO outages (checkout_key, attempts) VALUES (?, 1)
         ON CONFLICT (checkout_key) DO UPDATE SET attempts = attempts + 1 RETURNING attempts",
    )
    .bind(key.to_string())
    .fetch_one(connection)
    .await?;
    Ok(attempts)
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    checkout_key: String,
    effect: String,
    decline_code: Option<String>,
    amount_minor: Option<i64>,
    currency: Option<String>,
    method: Option<String>,
    at: i64,
}

impl Row {
    fn parse(self) -> Result<(Entry, Option<Terms>), sql::Error> {
        let effect = match (self.effect.as_str(), self.decline_code) {
            ("authorize", None) => Effect::Authorize,
            ("decline", Some(code)) => Effect::Decline { code },
            ("capture", None) => Effect::Capture,
            ("void", None) => Effect::Void,
            ("refund", None) => Effect::Refund,
            ("tombstone", None) => Effect::Tombstone,
            (other, _) => return Err(sql::Error::defect(format!("no effect of the ledger: {other}"))),
        };
        let terms = match (self.amount_minor, self.currency, self.method) {
            (Some(minor), Some(currency), Some(method)) => {
                let amount = Money::new(minor, currency.parse().map_err(sql::Error::defect)?);
                Some(Terms { amount, method: Method::new(method) })
            }
            _ => None,
        };
        let entry = Entry {
            seq: self.seq,
            key: self.checkout_key.parse().map_err(sql::Error::defect)?,
            effect,
            amount: terms.as_ref().map(|terms| terms.amount),
            at: Timestamp::from_micros(self.at),
        };
        Ok((entry, terms))
    }
}
