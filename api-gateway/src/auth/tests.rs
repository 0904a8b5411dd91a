use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "a secret of at least thirty-two bytes";
const NOW: i64 = 1_763_842_530;

fn keys() -> Keys {
    Keys::new(&SECRET.into(), None, None).unwrap()
}

fn signed(claims: &Value) -> String {
    signed_with(&Header::new(Algorithm::HS256), claims, SECRET)
}

fn signed_with(header: &Header, claims: &Value, secret: &str) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn verify(claims: &Value) -> Result<Identity, Refusal> {
    keys().verify(&signed(claims), moment(NOW))
}

fn identity(user_id: i64, role: Role) -> Identity {
    let user_id = UserId::try_from(user_id).unwrap();
    Identity { user_id, role }
}

#[test]
fn what_is_issued_is_believed_until_it_expires() {
    let keys = Keys::new(&SECRET.into(), Some("shop".into()), Some("api".into())).unwrap();
    let token = keys.issue(identity(7, Role::Admin), moment(NOW), Duration::from_secs(60)).unwrap();
    assert_eq!(token.expires_at, moment(NOW + 60));
    assert_eq!(keys.verify(&token.token, moment(NOW)), Ok(identity(7, Role::Admin)));
    assert_eq!(keys.verify(&token.token, moment(NOW + 89)), Ok(identity(7, Role::Admin)));
    assert_eq!(keys.verify(&token.token, moment(NOW + 90)), Err(Refusal::Expired));
}

#[test]
fn the_user_is_the_claim_or_else_a_numeric_subject() {
    let exp = NOW + 60;
    for (claims, wanted) in [
        (json!({"sub": "7", "exp": exp}), Ok(identity(7, Role::User))),
        (json!({"sub": "x", "exp": exp, "user_id": 8}), Ok(identity(8, Role::User))),
        (json!({"sub": "7", "exp": exp, "role": "admin"}), Ok(identity(7, Role::Admin))),
        (json!({"sub": "7", "exp": exp, "role": "root"}), Err(Refusal::Invalid)),
        (json!({"sub": "x", "exp": exp}), Err(Refusal::Invalid)),
        (json!({"sub": "", "exp": exp}), Err(Refusal::Invalid)),
        (json!({"sub": "-7", "exp": exp}), Err(Refusal::Invalid)),
        (json!({"sub": "+7", "exp": exp}), Err(Refusal::Invalid)),
        (json!({"sub": "0", "exp": exp}), Err(Refusal::Invalid)),
        (json!({"sub": "9223372036854775808", "exp": exp}), Err(Refusal::Invalid)),
        (json!({"sub": "7", "exp": exp, "user_id": 0}), Err(Refusal::Invalid)),
        (json!({"sub": "7", "exp": exp, "user_id": "8"}), Err(Refusal::Invalid)),
        (json!({"sub": "7", "exp": exp, "user_id": 1.5}), Err(Refusal::Invalid)),
        (json!({"exp": exp, "user_id": 8}), Err(Refusal::Invalid)),
        (json!({"sub": 7, "exp": exp}), Err(Refusal::Invalid)),
        (json!({"sub": "7"}), Err(Refusal::Invalid)),
    ] {
        assert_eq!(verify(&claims), wanted, "{claims}");
    }
}

#[test]
fn times_are_checked_to_the_second_with_half_a_minute_of_leeway() {
    let refused = |claims: Value| verify(&claims).err();
    let exp = NOW + 60;
    assert_eq!(refused(json!({"sub": "7", "exp": NOW - 29})), None);
    assert_eq!(refused(json!({"sub": "7", "exp": NOW - 30})), Some(Refusal::Expired));
    assert_eq!(refused(json!({"sub": "7", "exp": exp, "nbf": NOW + 30})), None);
    assert_eq!(refused(json!({"sub": "7", "exp": exp, "nbf": NOW + 31})), Some(Refusal::Invalid));
    assert_eq!(refused(json!({"sub": "7", "exp": -1})), Some(Refusal::Expired));
    assert_eq!(refused(json!({"sub": "7", "exp": i64::MAX})), None);
    for exp in [json!(9_223_372_036_854_775_808_u64), json!(1.5), json!("soon"), json!(null)] {
        assert_eq!(refused(json!({"sub": "7", "exp": exp})), Some(Refusal::Invalid), "{exp}");
    }
}

#[test]
fn issuer_and_audience_are_demanded_where_configured() {
    let keys = Keys::new(&SECRET.into(), Some("shop".into()), Some("api".into())).unwrap();
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
    ] {
        assert!(!accepted(refused.clone()), "{refused}");
    }
}

#[test]
fn only_our_key_and_our_algorithm_count() {
    let claims = json!({"sub": "7", "exp": NOW + 60});
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let mut bad = vec![
        signed_with(&Header::new(Algorithm::HS256), &claims, "another secret, as long as the first one"),
        signed_with(&Header::new(Algorithm::HS512), &claims, SECRET),
        signed_with(
            &Header { crit: Some(vec!["exp".into()]), ..Header::new(Algorithm::HS256) },
            &claims,
            SECRET,
        ),
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
        assert_eq!(keys().verify(&token, moment(NOW)), Err(Refusal::Invalid), "{token}");
    }
    assert!(keys().verify(&good, moment(NOW)).is_ok());
}

#[test]
fn a_short_secret_is_refused() {
    assert!(matches!(Keys::new(&"x".repeat(31).into(), None, None), Err(Error::WeakSecret)));
    assert!(Keys::new(&"x".repeat(32).into(), None, None).is_ok());
}
