//! What arrives from outside, made up by chance: `OXCART_FUZZ_SECONDS=60` tries each for a minute.

mod oracle;

use std::path::PathBuf;

use axum::response::Response;
use futures::FutureExt as _;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value};
use testkit::fuzz;
use types::{Currency, InvalidMoney, Money};

use crate::fields::{MOST_FIELDS, Read};
use crate::idempotency::{self, IDEMPOTENCY_KEY};
use crate::problem::Problem;
use crate::{body, carts, checkouts, inventory, orders, products, tokens};

pub(crate) fn corpus(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "corpus", target].iter().collect()
}

/// What a client is told; every refusal is a whole document of a size that nobody can blow up.
fn told(problem: Problem) -> Map<String, Value> {
    let response: Response = problem.document("a-request");
    let status = response.status().as_u16();
    assert_eq!(status, 400);
    let body = response.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
    let document: Map<String, Value> = serde_json::from_slice(&body).unwrap();
    assert_eq!(document["status"], status);
    document
}

const WORDS: [&str; 30] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "null",
    "true",
    "-1",
    "1.5",
    "1e3",
    "0",
    "9223372036854775808",
    "\\ud800",
    "\\u0000",
    "\\\"",
    "\u{202e}",
    "\u{feff}",
    "\"quantity\"",
    "\"product_id\"",
    "\"price\"",
    "\"amount\"",
    "\"currency\"",
    "\"name\"",
    "\"user_id\"",
    "\"total\"",
    "{\"$ne\":null}",
    "\"expected_total\"",
    "\"country\"",
];

/// What comes of a body that is read as one of these, and whether it should be; the texts of what is wrong, without
/// numbers.
fn read<T: Read>(bytes: &[u8], good: bool) -> Vec<String> {
    let problem = match body::parse::<T>(bytes) {
        Err(problem) => problem,
        Ok(_) => {
            assert!(good, "not to another reader");
            let other: Map<String, Value> = serde_json::from_slice(bytes).unwrap();
            // Neither order nor blanks nor escapes make a difference.
            assert!(body::parse::<T>(&serde_json::to_vec(&other).unwrap()).is_ok());
            // A field more is a field too many.
            let end = bytes.iter().rposition(|b| *b == b'}').unwrap();
            let comma: &[u8] = if other.is_empty() { b"" } else { b"," };
            let more = [&bytes[..end], comma, b"\"is_admin\":true}"].concat();
            assert!(body::parse::<T>(&more).is_err());
            return Vec::new();
        }
    };
    let document = told(problem);
    assert!(!good, "good to another reader: {document:?}");
    let errors = document["errors"].as_array().unwrap();
    assert!((1..=2 * MOST_FIELDS).contains(&errors.len()), "{} errors", errors.len());
    errors
        .iter()
        .map(|error| {
            assert!(error["field"].as_str().unwrap().chars().count() <= 64 + "shipping_address.".len());
            let message = error["message"].as_str().unwrap();
            assert!(message.len() < 200, "{message}");
            message.chars().filter(|c| !c.is_ascii_digit()).collect()
        })
        .collect()
}

#[test]
fn b2_bodies_are_understood_to_the_last_field_or_refused() {
    fuzz("bodies", &corpus("bodies"), &WORDS, |bytes| {
        [
            read::<carts::NewItem>(bytes, oracle::item(bytes)),
            read::<carts::NewQuantity>(bytes, oracle::quantity(bytes)),
            read::<checkouts::NewCheckout>(bytes, oracle::checkout(bytes)),
            read::<inventory::OnHand>(bytes, oracle::on_hand(bytes)),
            read::<orders::Step>(bytes, oracle::step(bytes)),
            read::<products::NewProduct>(bytes, oracle::new_product(bytes)),
            read::<products::WholeProduct>(bytes, oracle::whole_product(bytes)),
            read::<tokens::Wanted>(bytes, oracle::token(bytes)),
        ]
    });
}

fn key(header: Option<&[u8]>, field: Option<&str>) -> Option<String> {
    let mut headers = HeaderMap::new();
    if let Some(header) = header {
        headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_bytes(header).ok()?);
    }
    match idempotency::key(&headers, field.map(str::to_owned)) {
        Ok(key) => Some(key),
        Err(problem) => {
            told(problem);
            None
        }
    }
}

#[test]
fn s3_a_key_is_a_text_without_control_characters_or_refused() {
    let words = ["\"", "\\", "\\\"", ";", "\t", " ", "\u{7f}", "\u{85}", "\u{202e}", "é", "key"];
    fuzz("idempotency keys", &corpus("idempotency-keys"), &words, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let found = [key(Some(bytes), None), key(None, Some(&text))];
        for key_found in found.iter().flatten() {
            assert!((1..=255).contains(&key_found.chars().count()));
            assert!(!key_found.contains(char::is_control));
            let quoted = format!("\"{}\"", key_found.replace('\\', "\\\\").replace('"', "\\\""));
            assert_eq!(key(Some(quoted.as_bytes()), Some(key_found)).as_ref(), Some(key_found));
            assert_eq!(key(Some(quoted.as_bytes()), Some("another")), None);
        }
        found.map(|key| key.map(|key| (key.len() / 16, key.is_ascii())))
    });
}

/// Money by hand, of what a decimal number can hold.
fn by_hand(text: &str, exponent: usize) -> Option<Result<i64, InvalidMoney>> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let dot_is_inside = !digits.starts_with('.') && !digits.ends_with('.');
    if digits.is_empty() || !dot_is_inside || !plain(whole) || !plain(fraction) {
        return Some(Err(InvalidMoney::Amount));
    }
    if digits.len() > 28 {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > exponent {
        return Some(Err(InvalidMoney::Precision));
    }
    let minor: i128 = format!("{whole}{fraction:0<exponent$}").parse().unwrap();
    Some(i64::try_from(sign * minor).map_err(|_| InvalidMoney::Overflow))
}

#[test]
fn n1_money_is_what_it_is_by_hand() {
    let words =
        ["-", ".", "0", "00", "9", "9223372036854775807", "e3", "+", " ", "USD", "JPY", "KWD", "\u{660}"];
    fuzz("money", &corpus("money"), &words, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let (code, amount) = text.split_at_checked(3).unwrap_or_default();
        let Ok(currency) = code.parse::<Currency>() else { return Err("currency".to_owned()) };
        let read = Money::parse(amount, currency);
        if let Some(by_hand) = by_hand(amount, currency.exponent() as usize) {
            assert_eq!(read.map(|money| money.minor), by_hand, "{text}");
        }
        let money = read.map_err(|error| error.to_string())?;
        assert_eq!(Money::parse(&money.amount(), currency), Ok(money), "{text}");
        for times in [0, 1, 99, 999, i64::MAX] {
            let wide = i128::from(money.minor) * i128::from(times);
            let wanted = i64::try_from(wide).map_err(|_| InvalidMoney::Overflow);
            assert_eq!(money.checked_mul(times).map(|money| money.minor), wanted, "{text} x {times}");
        }
        Ok((currency.exponent(), money.minor.signum(), money.minor.unsigned_abs().checked_ilog2()))
    });
}
