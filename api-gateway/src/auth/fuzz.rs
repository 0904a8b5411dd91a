//! Headers that say who asks, made up by chance.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde::de::IgnoredAny;
use serde_json::Value;
use testkit::fuzz;
use types::Timestamp;

use super::claims::Expected;
use super::key::Key;
use super::key_set::KeySet;
use super::tests::untold;
use super::{Identity, Refusal, Role};
use crate::fuzz::corpus;
use crate::guard::bearer;

/// What the tokens of the corpus are signed with, and when they are good, in microseconds.
const SECRET: &[u8] = b"a secret of at least thirty-two bytes";
const NOW: i64 = 1_763_842_530_000_000;

#[test]
fn j1_nothing_is_believed_but_what_was_signed() {
    let good = ["good-user", "good-admin"].map(|name| {
        let header = std::fs::read_to_string(corpus("tokens").join(name)).unwrap();
        header.strip_prefix("Bearer ").unwrap().to_owned()
    });
    let keys = KeySet::only(Key::of_secret(SECRET), Arc::new(Expected::default()), untold());
    let words = [
        ".",
        "..",
        "=",
        "Bearer ",
        "bearer  ",
        "eyJ",
        "eyJhbGciOiJub25lIn0",
        "eyJhbGciOiJSUzI1NiJ9",
        "AAAA",
        "_",
        "-",
        "+",
        "\u{0}",
        ",",
        "\"",
    ];
    fuzz("tokens", &corpus("tokens"), &words, |bytes| {
        let header = HeaderValue::from_bytes(bytes).map_err(|_| "no header")?;
        let token = bearer(&header).ok_or("no token")?;
        match keys.verify(token, Timestamp::from_micros(NOW)) {
            Ok(identity) => {
                assert!(good.iter().any(|good| good == token), "{token} is believed");
                Ok(identity.user_id.get())
            }
            Err(Refusal::Invalid(why)) => Err(why),
            Err(Refusal::Expired) => Err("expired"),
            Err(Refusal::UnknownKey | Refusal::NoKeys) => unreachable!("there is one key for all"),
        }
    });
}

/// Holds whom a token is said to speak for against what another reader finds in its claims.
fn check(claims: &Value, Identity { user_id, role }: Identity) {
    let seconds = |name: &str| claims[name].as_i64();
    let (now, leeway) = (NOW / 1_000_000, 30);
    assert!(claims.is_object() && claims["sub"].is_string(), "{claims}");
    assert!(seconds("exp").is_some_and(|exp| exp + leeway > now), "{claims}");
    for from in ["nbf", "iat"] {
        let said = seconds(from).is_some_and(|from| (0..=now + leeway).contains(&from));
        assert!(claims[from].is_null() || said, "{claims}");
    }
    let numeric = |sub: &Value| sub.as_str().and_then(|sub| sub.parse().ok());
    assert_eq!(
        claims["user_id"].as_i64().or_else(|| numeric(&claims["sub"])),
        Some(user_id.get()),
        "{claims}"
    );
    assert_eq!(role == Role::Admin, claims["role"] == "admin", "{claims}");
}

#[test]
fn j2_claims_are_what_another_reader_finds_in_them() {
    let keys = KeySet::only(Key::of_secret(SECRET), Arc::new(Expected::default()), untold());
    let key = EncodingKey::from_secret(SECRET);
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let words = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "true",
        "\"sub\":",
        "\"exp\":",
        "\"iat\":",
        "\"nbf\":",
        "\"user_id\":",
        "\"role\":",
        "\"admin\"",
        "\"user\"",
        "1763842530",
        "1763842500",
        "1763842560",
        "9223372036854775807",
        "-1",
        "1.5",
        "1e9",
        "\"7\"",
        "\\u0037",
    ];
    fuzz("claims", &corpus("claims"), &words, |bytes| {
        let message = format!("{head}.{}", URL_SAFE_NO_PAD.encode(bytes));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        match keys.verify(&format!("{message}.{signature}"), Timestamp::from_micros(NOW)) {
            Ok(identity) => {
                match serde_json::from_slice(bytes) {
                    Ok(claims) => check(&claims, identity),
                    // Half a pair of surrogates, which JSON may have and no text of ours can: in a claim that is not
                    // looked at.
                    Err(_) => {
                        let IgnoredAny = serde_json::from_slice(bytes).unwrap();
                    }
                }
                Ok((identity.user_id.get().ilog2(), bytes.len() / 8))
            }
            Err(refusal) => Err((format!("{refusal:?}"), bytes.len() / 16)),
        }
    });
}
