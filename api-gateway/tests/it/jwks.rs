//! Keys that are published, and change.

use std::sync::Arc;
use std::time::Duration;

use api_gateway::auth::KeySetUrl;
use api_gateway::{AuthMode, Settings};
use futures::future::{join, join_all};
use serde_json::{Value, json};
use testkit::{TempDir, eventually};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::issuer::{EC, ED, Pair, Publisher, RSA, Says, ed, key_set};
use crate::replies::cart;
use crate::shop::{Shop, settings};

const NOW: i64 = 1_763_842_530;
const SOON: Duration = Duration::from_secs(10);
/// Between two looks while all is well.
const EVERY: Duration = Duration::from_secs(300);
/// Between any two looks.
const AT_MOST_EVERY: Duration = Duration::from_secs(10);

fn claims() -> Value {
    json!({"sub": "7", "exp": NOW + 100_000})
}

/// A gateway that follows these keys.
async fn following(place: KeySetUrl) -> (Shop, JoinSet<anyhow::Result<()>>) {
    let followed =
        Settings { auth_mode: AuthMode::Jwt, jwt_secret: None, jwks_url: Some(place), ..settings() };
    let (shop, serving) = Shop::serving(followed).await;
    shop.services.replies("get_cart", cart());
    (shop, serving)
}

impl Shop {
    async fn accepts(&self, token: &str) -> bool {
        let answer = self.cart_of(token).await;
        if answer.status != 200 {
            let problem = answer.problem(401, "token_invalid");
            assert_eq!(problem["detail"], "the token is not valid here", "as for any other cause");
        }
        answer.status == 200
    }

    /// Lets the time pass until the gateway looks again.
    async fn looks_again(&self, publisher: &Publisher, pause: Duration) {
        let before = publisher.asked();
        eventually("it sleeps", SOON, async || self.clock.sleepers() > 0).await;
        self.clock.advance(pause);
        eventually("it looks again", SOON, async || publisher.asked() > before).await;
        eventually("it has looked", SOON, async || self.clock.sleepers() > 0).await;
    }
}

#[tokio::test]
async fn j4_keys_are_rotated_with_an_overlap() {
    let new = ed();
    let publisher = Publisher::new(Says::Text(key_set(&[ED.jwk("old")]))).await;
    let (shop, _serving) = following(publisher.place()).await;
    let (by_old, by_new) = (ED.token("old", &claims()), new.token("new", &claims()));
    assert!(shop.accepts(&by_old).await && !shop.accepts(&by_new).await);

    publisher.publishes(&[ED.jwk("old"), new.jwk("new")]);
    shop.clock.advance(AT_MOST_EVERY);
    assert!(shop.accepts(&by_new).await, "the first token of a new key waits for it");
    assert!(shop.accepts(&by_old).await, "and the old key still counts");
    assert_eq!(publisher.asked(), 2);

    publisher.publishes(&[new.jwk("new")]);
    shop.looks_again(&publisher, EVERY).await;
    assert!(!shop.accepts(&by_old).await, "with a key goes what it has verified");
    assert!(shop.accepts(&by_new).await);

    publisher.publishes(&[ED.jwk("new")]);
    shop.looks_again(&publisher, EVERY).await;
    assert!(!shop.accepts(&by_new).await, "a name alone is no key");
    publisher.publishes(&[]);
    shop.looks_again(&publisher, EVERY).await;
    assert!(!shop.accepts(&ED.token("new", &claims())).await, "an empty set is believed");
}

#[tokio::test]
async fn j4_an_unknown_kid_asks_once_in_a_while_whatever_it_is() {
    let publisher = Publisher::new(Says::Text(key_set(&[ED.jwk("known")]))).await;
    let (shop, _serving) = following(publisher.place()).await;
    let long = "k".repeat(1024 * 1024);
    let mut kids: Vec<String> = [
        "../../etc/passwd",
        "file:///dev/null",
        "https://evil.example/keys",
        "' OR 1=1 --",
        "known'; DROP TABLE keys",
        "known\0",
        "KNOWN",
        " known",
        "",
        &long,
    ]
    .map(str::to_owned)
    .into();
    kids.extend((0..200).map(|number| format!("flood-{number}")));
    let flood = async || {
        let tokens: Vec<_> = kids.iter().map(|kid| ED.token(kid, &claims())).collect();
        join_all(tokens.iter().map(|token| shop.accepts(token))).await.contains(&true)
    };
    assert!(!flood().await);
    assert_eq!(publisher.asked(), 1, "when it began");
    for looks in 2..5 {
        shop.clock.advance(AT_MOST_EVERY - Duration::from_secs(1));
        assert!(!flood().await);
        assert_eq!(publisher.asked(), looks - 1, "not yet");
        shop.clock.advance(Duration::from_secs(1));
        assert!(!flood().await && !flood().await);
        assert_eq!(publisher.asked(), looks, "one for all of them");
    }
    assert!(shop.accepts(&ED.token("known", &claims())).await);
    for number in [json!(1), json!(null), json!(["known"]), json!({"known": 1})] {
        let odd = ED.signed(&json!({"alg": "EdDSA", "kid": number}), &claims());
        assert_eq!(shop.accepts(&odd).await, number.is_null(), "the only key needs no name");
    }
}

#[tokio::test]
async fn j4_who_misses_a_key_while_it_is_looked_for_causes_no_second_look() {
    let publisher = Publisher::new(Says::Text(key_set(&[ED.jwk("ed")]))).await;
    let (shop, _serving) = following(publisher.place()).await;
    let gate = Arc::new(Notify::new());
    publisher.says(Says::Later(gate.clone(), key_set(&[ED.jwk("ed"), EC.jwk("es")])));
    shop.clock.advance(AT_MOST_EVERY);
    let token = EC.token("es", &claims());
    let second = async {
        eventually("it looks", SOON, async || publisher.asked() == 2).await;
        let open = async { gate.notify_one() };
        join(shop.accepts(&token), open).await.0
    };
    assert_eq!(join(shop.accepts(&token), second).await, (true, true));
    eventually("it sleeps", SOON, async || shop.clock.sleepers() > 0).await;
    assert_eq!(publisher.asked(), 2);
}

#[tokio::test]
async fn j4_good_keys_stay_good_while_their_source_is_away() {
    let thief = key_set(&[EC.jwk("thief")]);
    let elsewhere = Publisher::new(Says::Text(thief.clone())).await;
    let publisher = Publisher::new(Says::Text(key_set(&[RSA.jwk("rs"), ED.jwk("ed")]))).await;
    let (shop, _serving) = following(publisher.place()).await;
    let good = [RSA.token("rs", &claims()), ED.token("ed", &claims())];
    let mut pause = EVERY;
    for says in [
        Says::Status(500, thief.clone()),
        Says::Status(404, thief.clone()),
        Says::Status(203, thief.clone()),
        Says::Elsewhere(elsewhere.url()),
        Says::Text("<html>".into()),
        Says::Text("{}".into()),
        Says::Text(r#"{"keys": {}}"#.into()),
        Says::Text(String::new()),
        Says::Text(thief.clone() + &" ".repeat(64 * 1024)),
        Says::Endless,
        Says::Nothing,
    ] {
        publisher.says(says);
        shop.looks_again(&publisher, pause).await;
        pause = AT_MOST_EVERY;
        for token in &good {
            assert!(shop.accepts(token).await);
        }
        assert!(!shop.accepts(&EC.token("thief", &claims())).await);
    }
    assert_eq!(elsewhere.asked(), 0, "where it is sent to, it does not go");

    publisher.publishes(&[RSA.jwk("rs")]);
    shop.looks_again(&publisher, pause).await;
    assert!(shop.accepts(&good[0]).await && !shop.accepts(&good[1]).await);
}

#[tokio::test]
async fn j4_before_any_key_was_read_nobody_is_judged() {
    let publisher = Publisher::new(Says::Status(503, String::new())).await;
    let (shop, _serving) = following(publisher.place()).await;
    let token = ED.token("ed", &claims());
    let answer = shop.cart_of(&token).await;
    answer.problem(503, "unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    let missing = shop.get("/health/ready").await.problem(503, "not_ready")["dependencies"].clone();
    assert_eq!(missing, json!(["jwks"]));
    assert_eq!(shop.get("/health").await.status, 200, "alive nevertheless");
    assert_eq!(publisher.asked(), 1);

    publisher.publishes(&[ED.jwk("ed")]);
    shop.looks_again(&publisher, AT_MOST_EVERY).await;
    assert!(shop.accepts(&token).await);
    assert_eq!(shop.get("/health/ready").await.status, 200);
}

#[tokio::test]
async fn j4_keys_that_can_not_be_used_hide_no_others() {
    let weak = json!({"kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB"});
    let published = |pair: &Pair, field: &str, value: Value| {
        let mut jwk = pair.jwk("x");
        jwk[field] = value;
        jwk
    };
    let shared = json!({"kty": "oct", "kid": "x", "k": "c2VjcmV0"});
    let for_secrets = published(&RSA, "use", json!("enc"));
    let of_another_kind = json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "x", "pub": "AAAA"});
    let strange = published(&EC, "alg", json!("ES512"));
    let keys = [weak, shared, for_secrets, of_another_kind, strange, json!(1), json!({}), ED.jwk("ed")];
    let publisher = Publisher::new(Says::Text(key_set(&keys))).await;
    let (shop, _serving) = following(publisher.place()).await;
    assert!(shop.accepts(&ED.token("ed", &claims())).await);
    for pair in [&*RSA, &EC] {
        assert!(!shop.accepts(&pair.token("x", &claims())).await);
    }
}

#[tokio::test]
async fn j4_a_file_is_followed_as_well() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("keys.json");
    std::fs::write(&path, key_set(&[ED.jwk("ed")])).unwrap();
    let (shop, _serving) = following(format!("file://{}", path.display()).parse().unwrap()).await;
    let (by_ed, by_ec) = (ED.token("ed", &claims()), EC.token("es", &claims()));
    assert!(shop.accepts(&by_ed).await && !shop.accepts(&by_ec).await);
    std::fs::write(&path, key_set(&[EC.jwk("es")])).unwrap();
    shop.clock.advance(AT_MOST_EVERY);
    assert!(shop.accepts(&by_ec).await && !shop.accepts(&by_ed).await);
    std::fs::remove_file(&path).unwrap();
    shop.clock.advance(AT_MOST_EVERY);
    assert!(!shop.accepts(&by_ed).await && shop.accepts(&by_ec).await, "what was read last counts");
}

#[test]
fn j4_keys_are_fetched_by_https_or_from_this_machine() {
    for good in [
        "https://id.example/keys",
        "http://localhost:8080/keys",
        "http://127.0.0.1/keys",
        "http://127.8.9.10/",
        "http://[::1]:1/keys",
        "file:///etc/keys.json",
        "file://keys.json",
    ] {
        assert!(good.parse::<KeySetUrl>().is_ok(), "{good}");
    }
    for bad in [
        "",
        "keys.json",
        "file://",
        "ftp://localhost/keys",
        "data:application/json,{}",
        "http://id.example/keys",
        "http://10.0.0.1/keys",
        "http://0.0.0.0/keys",
        "http://localhost.example/keys",
        "http://127.0.0.1.example/keys",
        "http://127.0.0.1@evil.example/keys",
        "http://[::ffff:10.0.0.1]/keys",
        "https://",
    ] {
        let error = bad.parse::<KeySetUrl>().unwrap_err().to_string();
        assert_eq!(
            error, "it is neither https://…, nor http://… on a loopback address, nor file://PATH",
            "{bad}"
        );
    }
}
