use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use platform::metrics::{Lookups, Metrics};
use serde_json::{Value, json};
use types::Timestamp;

use super::claims::Expected;
use super::key::{Key, Unusable};
use super::key_set::KeySet;
use super::*;

const SECRET: &str = "a secret of at least thirty-two bytes";
const NOW: i64 = 1_763_842_530;

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn keys_for(issuer: Option<&str>, audience: Option<&str>) -> KeySet {
    let expected = Expected { issuer: issuer.map(Into::into), audience: audience.map(Into::into) };
    KeySet::only(Key::of_secret(SECRET.as_bytes()), Arc::new(expected), untold())
}

/// Lookups that nobody hears of.
pub(super) fn untold() -> Lookups {
    Lookups::new(&Metrics::default(), "tokens")
}

fn keys() -> KeySet {
    keys_for(None, None)
}

fn signed(claims: &Value) -> String {
    signed_with(&Header::new(Algorithm::HS256), claims, SECRET)
}

fn signed_with(header: &Header, claims: &Value, secret: &str) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// Who it is, or whether the token had been good once.
fn verify(claims: &Value) -> Result<Identity, &'static str> {
    verdict(keys().verify(&signed(claims), moment(NOW)))
}

fn verdict(outcome: Result<Identity, Refusal>) -> Result<Identity, &'static str> {
    outcome.map_err(|refusal| match refusal {
        Refusal::Invalid(_) => "invalid",
        Refusal::Expired => "expired",
        Refusal::UnknownKey | Refusal::NoKeys => "no key",
    })
}

fn identity(user_id: i64, role: Role) -> Identity {
    let user_id = UserId::try_from(user_id).unwrap();
    Identity { user_id, role }
}

#[test]
fn what_is_issued_is_believed_until_it_expires() {
    let keys = keys_for(Some("shop"), Some("api"));
    let signer = Signer::new(&SECRET.into(), Some("shop".into()), Some("api".into())).unwrap();
    let token = signer.issue(identity(7, Role::Admin), moment(NOW), Duration::from_secs(60)).unwrap();
    assert_eq!(token.expires_at, moment(NOW + 60));
    assert_eq!(keys.verify(&token.token, moment(NOW)), Ok(identity(7, Role::Admin)));
    assert_eq!(keys.verify(&token.token, moment(NOW + 89)), Ok(identity(7, Role::Admin)));
    assert_eq!(keys.verify(&token.token, moment(NOW + 90)), Err(Refusal::Expired));
}

#[test]
fn j2_the_user_is_the_claim_or_else_a_numeric_subject() {
    let exp = NOW + 60;
    for (claims, wanted) in [
        (json!({"sub": "7", "exp": exp}), Ok(identity(7, Role::User))),
        (json!({"sub": "x", "exp": exp, "user_id": 8}), Ok(identity(8, Role::User))),
        (json!({"sub": "7", "exp": exp, "role": "admin"}), Ok(identity(7, Role::Admin))),
        (json!({"sub": "7", "exp": exp, "role": "root"}), Err("invalid")),
        (json!({"sub": "x", "exp": exp}), Err("invalid")),
        (json!({"sub": "", "exp": exp}), Err("invalid")),
        (json!({"sub": "-7", "exp": exp}), Err("invalid")),
        (json!({"sub": "+7", "exp": exp}), Err("invalid")),
        (json!({"sub": "0", "exp": exp}), Err("invalid")),
        (json!({"sub": "9223372036854775808", "exp": exp}), Err("invalid")),
        (json!({"sub": "7", "exp": exp, "user_id": 0}), Err("invalid")),
        (json!({"sub": "7", "exp": exp, "user_id": "8"}), Err("invalid")),
        (json!({"sub": "7", "exp": exp, "user_id": 1.5}), Err("invalid")),
        (json!({"exp": exp, "user_id": 8}), Err("invalid")),
        (json!({"sub": 7, "exp": exp}), Err("invalid")),
        (json!({"sub": "7"}), Err("invalid")),
    ] {
        assert_eq!(verify(&claims), wanted, "{claims}");
    }
}

#[test]
fn j2_times_are_checked_to_the_second_with_half_a_minute_of_leeway() {
    let refused = |claims: Value| verify(&claims).err();
    let exp = NOW + 60;
    assert_eq!(refused(json!({"sub": "7", "exp": NOW - 29})), None);
    assert_eq!(refused(json!({"sub": "7", "exp": NOW - 30})), Some("expired"));
    for begin in ["nbf", "iat"] {
        assert_eq!(refused(json!({"sub": "7", "exp": exp, begin: NOW + 30})), None);
        assert_eq!(refused(json!({"sub": "7", "exp": exp, begin: NOW + 31})), Some("invalid"));
        let other = if begin == "nbf" { "iat" } else { "nbf" };
        let both = json!({"sub": "7", "exp": exp, begin: NOW + 31, other: NOW});
        assert_eq!(refused(both), Some("invalid"), "the later one counts");
    }
    assert_eq!(refused(json!({"sub": "7", "exp": 253_402_300_799_i64})), None);
}

#[test]
fn j2_what_is_no_moment_is_refused() {
    let moments = [
        json!(9_223_372_036_854_775_808_u64),
        json!(i64::MAX),
        json!(253_402_300_800_i64),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!("soon"),
        json!((NOW + 60).to_string()),
        json!([NOW + 60]),
        json!(true),
    ];
    for moment in &moments {
        for claim in ["exp", "nbf", "iat"] {
            let mut claims = json!({"sub": "7", "exp": NOW + 60});
            claims[claim] = moment.clone();
            assert_eq!(verify(&claims), Err("invalid"), "{claims}");
        }
    }
    assert_eq!(verify(&json!({"sub": "7", "exp": null})), Err("invalid"));
}

#[test]
fn j2_issuer_and_audience_are_demanded_where_configured() {
    let keys = keys_for(Some("shop"), Some("api"));
    let accepted = |more: Value| {
        let mut claims = json!({"sub": "7", "exp": NOW + 60});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        keys.verify(&signed(&claims), moment(NOW)).is_ok()
    };
    assert!(accepted(json!({"iss": "shop", "aud": "api"})));
    assert!(accepted(json!({"iss": "shop", "aud": ["other", "api"]})));
    for refused in [
        json!({}),
        json!({"iss": "shop"}),
        json!({"aud": "api"}),
        json!({"iss": "other", "aud": "api"}),
        json!({"iss": "shop", "aud": "other"}),
        json!({"iss": "shop", "aud": []}),
        json!({"iss": "shop", "aud": 1}),
        json!({"iss": ["shop"], "aud": "api"}),
    ] {
        assert!(!accepted(refused.clone()), "{refused}");
    }
    let neither = json!({"sub": "7", "exp": NOW + 60, "iss": "other", "aud": "other"});
    assert!(verify(&neither).is_ok(), "nor looked at where not");
}

#[test]
fn j1_only_our_secret_and_our_algorithm_count() {
    let claims = json!({"sub": "7", "exp": NOW + 60});
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let mut bad = vec![
        signed_with(&Header::new(Algorithm::HS256), &claims, "another secret, as long as the first one"),
        signed_with(&Header::new(Algorithm::HS512), &claims, SECRET),
        String::new(),
        "a.b".into(),
        "a.b.c".into(),
    ];
    for alg in ["none", "None", "nOnE", "RS256", "HS256"] {
        bad.push(format!("{}.{}.", part(&json!({"alg": alg})), part(&claims)));
    }
    bad.push(format!("{}.{}.x", part(&json!({"typ": "JWT"})), part(&claims)));
    let good = signed(&claims);
    bad.push(good.trim_end_matches(|c| c != '.').to_owned());
    bad.push(format!("{good}A"));
    for token in bad {
        assert_eq!(verdict(keys().verify(&token, moment(NOW))), Err("invalid"), "{token}");
    }
    assert!(keys().verify(&good, moment(NOW)).is_ok());
}

#[test]
fn j1_a_short_secret_is_refused() {
    assert!(matches!(Signer::new(&"x".repeat(31).into(), None, None), Err(Error::WeakSecret)));
    assert!(Signer::new(&"x".repeat(32).into(), None, None).is_ok());
}

#[test]
fn j4_a_verified_token_is_remembered_and_held_against_the_clock_each_time() {
    let keys = keys();
    let good = signed(&json!({"sub": "7", "exp": NOW + 60, "nbf": NOW}));
    for _ in 0..3 {
        assert_eq!(keys.verify(&good, moment(NOW + 89)), Ok(identity(7, Role::User)));
        assert_eq!(keys.verify(&good, moment(NOW + 90)), Err(Refusal::Expired));
        assert_eq!(verdict(keys.verify(&good, moment(NOW - 31))), Err("invalid"), "the clock was set back");
    }
    assert_eq!(keys.remembered(), 1);

    let another = signed_with(&Header::new(Algorithm::HS256), &json!({"sub": "7", "exp": NOW + 60}), "other");
    let forged = format!("{}{}", good.trim_end_matches(|c| c != '.'), another.rsplit('.').next().unwrap());
    let long = format!("{good}{}", "A".repeat(8 * 1024));
    let signed_but_long = signed(&json!({"sub": "7", "exp": NOW + 60, "more": "A".repeat(8 * 1024)}));
    let old = signed(&json!({"sub": "7", "exp": NOW - 60}));
    for refused in [forged, long, signed_but_long, old] {
        assert!(keys.verify(&refused, moment(NOW)).is_err());
    }
    assert_eq!(keys.remembered(), 1, "what is refused takes no room");
}

#[test]
fn j4_how_often_a_token_is_known_already_is_told() {
    let metrics = Metrics::default();
    let key = Key::of_secret(SECRET.as_bytes());
    let keys = KeySet::only(key, Arc::default(), Lookups::new(&metrics, "tokens"));
    let good = signed(&json!({"sub": "7", "exp": NOW + 60}));
    for token in [&good, &good, &good, &format!("{good}A"), &format!("{good}A")] {
        let _ = keys.verify(token, moment(NOW));
    }
    let text = metrics.text();
    for (result, count) in [("hit", 2), ("miss", 3), ("bypass", 0)] {
        let line = format!("oxcart_cache_lookups_total{{cache=\"tokens\",result=\"{result}\"}} {count}");
        assert!(text.lines().any(|shown| shown == line), "{line} in {text}");
    }
}

#[test]
fn j4_not_more_than_ten_thousand_tokens_are_remembered() {
    let keys = keys();
    for user in 1..=10_100 {
        let token = signed(&json!({"sub": user.to_string(), "exp": NOW + 60}));
        assert!(keys.verify(&token, moment(NOW)).is_ok());
    }
    assert!((1..=10_000).contains(&keys.remembered()), "{}", keys.remembered());
}

#[test]
fn j1_a_key_is_public_and_of_a_kind_that_we_verify() {
    let jwk = |json: Value| Key::of_jwk(&serde_json::from_value(json).unwrap()).err();
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (word, modulus) = (part(&[7; 32]), part(&[0xff; 256]));
    let rsa = json!({"kty": "RSA", "n": modulus, "e": "AQAB"});
    let with = |key: &Value, name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        key
    };
    let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": word});
    let ec = json!({"kty": "EC", "crv": "P-256", "x": word, "y": word});
    for good in [
        rsa.clone(),
        with(&rsa, "alg", json!("RS256")),
        with(&rsa, "use", json!("sig")),
        with(&rsa, "key_ops", json!(["verify"])),
        with(&ed, "alg", json!("EdDSA")),
        with(&ec, "alg", json!("ES256")),
    ] {
        assert_eq!(jwk(good.clone()), None, "{good}");
    }
    for (bad, why) in [
        (with(&rsa, "n", json!(part(&[0xff; 255]))), Unusable::Size),
        (with(&rsa, "n", json!(part(&[0xff; 1025]))), Unusable::Size),
        (with(&rsa, "alg", json!("RS512")), Unusable::Use),
        (with(&rsa, "alg", json!("HS256")), Unusable::Use),
        (with(&rsa, "alg", json!("none")), Unusable::Use),
        (with(&rsa, "use", json!("enc")), Unusable::Use),
        (with(&rsa, "key_ops", json!(["sign"])), Unusable::Use),
        (with(&ec, "alg", json!("RS256")), Unusable::Use),
        (with(&ec, "crv", json!("P-384")), Unusable::Kind),
        (with(&ed, "crv", json!("P-256")), Unusable::Kind),
        (json!({"kty": "oct", "k": word}), Unusable::Kind),
        (json!({"kty": "AKP", "pub": word}), Unusable::Kind),
    ] {
        assert_eq!(jwk(bad.clone()), Some(why), "{bad}");
    }
}
