//! Rows of the SQLite store: what is written into them, and what is read from them.

use platform::Origin;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use types::{CheckoutId, Currency, Money, Timestamp, UserId};
use uuid::Uuid;

use crate::checkout::Checkout;
use crate::saga::state::State;
use crate::store::{Claimed, Error, KeyUse};

pub(super) async fn key_use(
    connection: &mut SqliteConnection,
    user_id: UserId,
    key: &str,
) -> Result<Option<KeyUse>, Error> {
    let row: Option<(String, String)> =
        sqlx::query_as("SELECT checkout_id, fingerprint FROM idempotency_keys WHERE user_id = ? AND key = ?")
            .bind(user_id.get())
            .bind(key)
            .fetch_optional(connection)
            .await?;
    row.map(|(id, fingerprint)| Ok(KeyUse { checkout_id: parse_id(&id)?, fingerprint })).transpose()
}

/// A purchase that is running or done, and that the cart has not seen yet.
pub(super) async fn in_progress(
    connection: &mut SqliteConnection,
    user_id: UserId,
    bought_version: i64,
) -> Result<Option<CheckoutId>, Error> {
    let id: Option<String> = sqlx::query_scalar(
        "SELECT id FROM checkouts WHERE user_id = ? AND cart_version > ? AND state <> 'FAILED' \
         ORDER BY cart_version DESC LIMIT 1",
    )
    .bind(user_id.get())
    .bind(bought_version)
    .fetch_optional(connection)
    .await?;
    id.as_deref().map(parse_id).transpose()
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    checkout: &Checkout,
    owner: Uuid,
    lease_until: i64,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO checkouts (id, user_id, cart_version, items, total_minor, currency, payment_method, \
         shipping_address, traceparent, created_at, deadline, state, due_at, fence, owner, lease_until, timeline, \
         request_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(checkout.id.to_string())
    .bind(checkout.user_id.get())
    .bind(checkout.cart_version)
    .bind(json(&checkout.items)?)
    .bind(checkout.total.minor)
    .bind(checkout.total.currency.code())
    .bind(&checkout.payment_method)
    .bind(checkout.shipping_address.as_ref().map(json).transpose()?)
    .bind(&checkout.origin.traceparent)
    .bind(checkout.created_at.micros())
    .bind(checkout.deadline.micros())
    .bind(checkout.state.name())
    .bind(checkout.due_at.micros())
    .bind(checkout.fence)
    .bind(owner.to_string())
    .bind(lease_until)
    .bind(json(&checkout.timeline)?)
    .bind(&checkout.origin.request_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// A checkout that was claimed, unless it can't be read: it is left until its lease is over, and then for
/// whoever can. What the row says is not logged: it names people.
pub(super) fn readable(row: &SqliteRow) -> Option<Claimed> {
    let claimed = || {
        // The row is as it was before it got its new fence.
        let mut checkout = read(row)?;
        checkout.fence += 1;
        Ok::<_, Error>(Claimed { checkout, is_abandoned: row.try_get("is_abandoned")? })
    };
    claimed()
        .inspect_err(|error| {
            let id: Option<String> = row.try_get("id").ok();
            tracing::error!(checkout_id = id, %error, "a checkout can't be read");
        })
        .ok()
}

pub(super) fn read(row: &SqliteRow) -> Result<Checkout, Error> {
    let state: String = row.try_get("state")?;
    let failure: Option<String> = row.try_get("failure")?;
    let failure = failure.as_deref().map(from_json).transpose()?;
    let currency: Currency = row.try_get::<String, _>("currency")?.parse().map_err(Error::defect)?;
    let address: Option<String> = row.try_get("shipping_address")?;
    let moment = |column| row.try_get(column).map(Timestamp::from_micros);
    Ok(Checkout {
        id: parse_id(row.try_get("id")?)?,
        user_id: parse_user(row.try_get("user_id")?)?,
        cart_version: row.try_get("cart_version")?,
        items: from_json(row.try_get("items")?)?,
        total: Money::new(row.try_get("total_minor")?, currency),
        payment_method: row.try_get("payment_method")?,
        shipping_address: address.as_deref().map(from_json).transpose()?,
        origin: Origin { request_id: row.try_get("request_id")?, traceparent: row.try_get("traceparent")? },
        created_at: moment("created_at")?,
        deadline: moment("deadline")?,
        state: State::from_parts(&state, failure)
            .ok_or_else(|| Error::defect(format!("a checkout is in the unknown state {state}")))?,
        due_at: moment("due_at")?,
        fence: row.try_get("fence")?,
        timeline: from_json(row.try_get("timeline")?)?,
        completed_at: row.try_get::<Option<i64>, _>("completed_at")?.map(Timestamp::from_micros),
    })
}

pub(super) fn parse_id(text: &str) -> Result<CheckoutId, Error> {
    text.parse().map_err(Error::defect)
}

pub(super) fn parse_user(id: i64) -> Result<UserId, Error> {
    UserId::try_from(id).map_err(Error::defect)
}

pub(super) fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(Error::defect)
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(Error::defect)
}
