//! Rows of checkouts, and the statement that accepts one.

use platform::Origin;
use sql::postgres::micros;
use sqlx::postgres::PgRow;
use sqlx::types::time::OffsetDateTime;
use sqlx::{PgConnection, Row as _};
use types::{CheckoutId, Currency, Money, Timestamp, UserId};
use uuid::Uuid;

use crate::checkout::Checkout;
use crate::saga::state::State;
use crate::store::{Accepted, Claimed, Error, IdempotencyKey, KeyUse, LEASE};

/// What [`read`] needs of a row.
macro_rules! columns {
    () => {
        "id, user_id, cart_version, items::text AS items, total_minor, currency, payment_method, \
         shipping_address::text AS shipping_address, traceparent, request_id, created_at, deadline, state, \
         failure::text AS failure, due_at, fence, timeline::text AS timeline, completed_at"
    };
}
pub(super) use columns;

/// Writes the checkout and its key, unless one of them is taken. For who keeps the buyer's other requests out.
pub(super) async fn accept(
    connection: &mut PgConnection,
    checkout: &Checkout,
    key: &IdempotencyKey,
    bought_version: i64,
    owner: Uuid,
) -> Result<Accepted, Error> {
    let (used, fingerprint, running): (Option<Uuid>, Option<String>, Option<Uuid>) = sqlx::query_as(
        "WITH used AS (
             SELECT checkout_id, fingerprint FROM idempotency_keys WHERE user_id = $2 AND key = $15
         ), running AS (
             SELECT id FROM checkouts WHERE user_id = $2 AND cart_version > $17 AND state <> 'FAILED'
             ORDER BY cart_version DESC LIMIT 1
         ), accepted AS (
             INSERT INTO checkouts (id, user_id, cart_version, items, total_minor, currency, payment_method,
                                    shipping_address, traceparent, created_at, deadline, state, fence, timeline,
                                    owner, due_at, lease_until, request_id)
             SELECT $1, $2, $3, $4::jsonb, $5, $6, $7, $8::jsonb, $9, $10, $11, $12, $13, $14::jsonb,
                    $18, now(), now() + $19 * interval '1 microsecond', $20
             WHERE NOT EXISTS (SELECT FROM used) AND NOT EXISTS (SELECT FROM running)
             RETURNING id
         ), taken AS (
             INSERT INTO idempotency_keys (user_id, key, fingerprint, checkout_id)
             SELECT $2, $15, $16, id FROM accepted
         )
         SELECT (SELECT checkout_id FROM used), (SELECT fingerprint FROM used), (SELECT id FROM running)",
    )
    .bind(checkout.id.0)
    .bind(checkout.user_id.get())
    .bind(checkout.cart_version)
    .bind(json(&checkout.items)?)
    .bind(checkout.total.minor)
    .bind(checkout.total.currency.code())
    .bind(&checkout.payment_method)
    .bind(checkout.shipping_address.as_ref().map(json).transpose()?)
    .bind(&checkout.origin.traceparent)
    .bind(OffsetDateTime::from(checkout.created_at))
    .bind(OffsetDateTime::from(checkout.deadline))
    .bind(checkout.state.name())
    .bind(checkout.fence)
    .bind(json(&checkout.timeline)?)
    .bind(&key.text)
    .bind(&key.fingerprint)
    .bind(bought_version)
    .bind(owner)
    .bind(micros(LEASE))
    .bind(&checkout.origin.request_id)
    .fetch_one(connection)
    .await?;
    Ok(match (used.zip(fingerprint), running) {
        (Some((id, fingerprint)), _) => {
            Accepted::Repeated(KeyUse { checkout_id: CheckoutId(id), fingerprint })
        }
        (None, Some(id)) => Accepted::InProgress(CheckoutId(id)),
        (None, None) => Accepted::New,
    })
}

/// A checkout that was claimed, unless it can't be read: it is left until its lease is over, and then for
/// whoever can. What the row says is not logged: it names people.
pub(super) fn readable(row: &PgRow) -> Option<Claimed> {
    let claimed =
        || Ok::<_, Error>(Claimed { checkout: read(row)?, is_abandoned: row.try_get("is_abandoned")? });
    claimed()
        .inspect_err(|error| {
            let checkout_id: Option<Uuid> = row.try_get("id").ok();
            tracing::error!(?checkout_id, %error, "a checkout can't be read");
        })
        .ok()
}

pub(super) fn read(row: &PgRow) -> Result<Checkout, Error> {
    let state: String = row.try_get("state")?;
    let failure: Option<String> = row.try_get("failure")?;
    let failure = failure.as_deref().map(from_json).transpose()?;
    let currency: Currency = row.try_get::<String, _>("currency")?.parse().map_err(Error::defect)?;
    let address: Option<String> = row.try_get("shipping_address")?;
    let moment = |column| row.try_get::<OffsetDateTime, _>(column).map(Timestamp::from);
    Ok(Checkout {
        id: CheckoutId(row.try_get("id")?),
        user_id: user(row.try_get("user_id")?)?,
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
        completed_at: row.try_get::<Option<OffsetDateTime>, _>("completed_at")?.map(Timestamp::from),
    })
}

pub(super) fn user(id: i64) -> Result<UserId, Error> {
    UserId::try_from(id).map_err(Error::defect)
}

pub(super) fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(Error::defect)
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(Error::defect)
}
