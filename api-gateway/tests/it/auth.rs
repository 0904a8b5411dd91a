use std::net::Ipv4Addr;
use std::time::Duration;

use api_gateway::auth::{Identity, Role, Signer};
use api_gateway::{AuthMode, Settings};
use jsonwebtoken::{Algorithm, EncodingKey};
use platform::clock::Clock as _;
use serde_json::{Value, json};
use types::UserId;

use crate::fake::Fake;
use crate::issuer::unsigned;
use crate::replies::cart;
use crate::shop::{SECRET, Shop, ask, peers, settings};

#[tokio::test]
async fn j5_every_token_that_is_no_good_gets_one_answer() {
    let shop = Shop::guarded().await;
    shop.services.replies("get_cart", cart());
    let other = Signer::new(&"another secret of thirty-two bytes".into(), None, None).unwrap();
    let seven = Identity { user_id: UserId::try_from(7).unwrap(), role: Role::Admin };
    let stranger = other.issue(seven, shop.clock.now(), Duration::from_secs(60)).unwrap().token;
    let good = shop.token(7, Role::User);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let signed = |header: Value, claims: Value| {
        let message = unsigned(&header, &claims);
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("Bearer {message}.{signature}")
    };
    let (hs256, exp) = (json!({"alg": "HS256"}), 1_763_842_590);
    let bad = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer nonsense".to_owned(),
        "Basic dXNlcjpwYXNz".to_owned(),
        good.clone(),
        format!("Bearer {stranger}"),
        format!("Bearer {message}."),
        format!("Bearer {message}.{}", signature.to_ascii_lowercase()),
        format!("Bearer {good}.{signature}"),
        signed(json!({"alg": "none"}), json!({"sub": "7", "exp": exp})),
        signed(json!({"alg": "HS512"}), json!({"sub": "7", "exp": exp})),
        signed(json!({"alg": "HS256", "typ": "id+jwt"}), json!({"sub": "7", "exp": exp})),
        signed(json!({"alg": "HS256", "crit": ["x"]}), json!({"sub": "7", "exp": exp})),
        signed(hs256.clone(), json!({"sub": "7"})),
        signed(hs256.clone(), json!({"exp": exp})),
        signed(hs256.clone(), json!({"sub": "7", "exp": exp, "nbf": exp})),
        signed(hs256.clone(), json!({"sub": "nobody", "exp": exp})),
        signed(hs256.clone(), json!({"sub": "7", "exp": exp, "role": "root"})),
    ];
    let mut answers = Vec::new();
    for authorization in &bad {
        let sent = [("authorization", authorization.as_str()), ("x-request-id", "one")];
        let answer = shop.send(ask("GET", "/api/v1/cart", &sent, "")).await;
        answer.problem(401, "token_invalid");
        assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
        answers.push(answer);
    }
    for answer in &answers {
        assert_eq!(answer.body, answers[0].body);
        assert_eq!(answer.headers, answers[0].headers);
    }
    let fits = [("authorization", signed(hs256, json!({"sub": "7", "exp": exp})))];
    let fits = fits.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(shop.send(ask("GET", "/api/v1/cart", &fits, "")).await.status, 200);
}

#[tokio::test]
async fn j5_a_token_that_was_good_is_said_to_have_expired() {
    let shop = Shop::guarded().await;
    shop.services.replies("get_cart", cart());
    let old = shop.token(7, Role::Admin);
    shop.clock.advance(Duration::from_secs(3600 + 29));
    assert_eq!(shop.cart_of(&old).await.status, 200, "within the leeway");
    shop.clock.advance(Duration::from_secs(1));
    let answer = shop.cart_of(&old).await;
    answer.problem(401, "token_expired");
    assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    let (message, _) = old.rsplit_once('.').unwrap();
    shop.cart_of(&format!("{message}.AAAA")).await.problem(401, "token_invalid");
    let nobody = shop.get("/api/v1/cart").await;
    nobody.problem(401, "token_missing");
    assert_eq!(nobody.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case_and_the_header_once() {
    let shop = Shop::guarded().await;
    shop.services.replies("get_cart", cart());
    let token = shop.token(7, Role::User);
    for scheme in ["bearer", "BEARER", "Bearer", "bEaReR"] {
        let authorization = format!("{scheme} {token}");
        let answer = shop.send(ask("GET", "/api/v1/cart", &[("authorization", &authorization)], "")).await;
        assert_eq!(answer.status, 200, "{scheme}");
    }
    let authorization = format!("Bearer {token}");
    let twice = [("authorization", authorization.as_str()), ("authorization", authorization.as_str())];
    shop.send(ask("GET", "/api/v1/cart", &twice, "")).await.problem(401, "token_invalid");
}

#[tokio::test]
async fn mode_dev_gives_out_tokens_and_checks_them() {
    let shop = Shop::open().await;
    shop.services.replies("get_cart", cart());
    let answer = shop.json("POST", "/api/v1/auth/token", json!({"user_id": 7, "role": "user"})).await;
    assert_eq!(answer.status, 200);
    let token = answer.json();
    assert_eq!(token["expires_at"], "2025-11-22T21:15:30.000Z");
    assert_eq!(token.as_object().unwrap().len(), 2);
    let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let answer = shop.send(ask("PUT", "/api/v1/inventory/1", &headers, r#"{"on_hand":1}"#)).await;
    answer.problem(403, "permission_denied");
    shop.send(ask("GET", "/api/v1/cart", &headers, "")).await;
    let asked = shop.services.asked::<proto::cart::GetCartRequest>("get_cart");
    assert_eq!(asked[0].user_id, 7);

    for body in [json!({}), json!({"user_id": 0}), json!({"user_id": "7"})] {
        let answer = shop.json("POST", "/api/v1/auth/token", body).await;
        assert_eq!(answer.refused_fields("invalid_argument"), ["user_id"]);
    }
    let answer = shop.json("POST", "/api/v1/auth/token", json!({"user_id": 7, "role": "root"})).await;
    assert_eq!(answer.refused_fields("invalid_argument"), ["role"]);
}

#[tokio::test]
async fn j2_issuer_and_audience_are_demanded_where_set() {
    let strict = Settings {
        auth_mode: AuthMode::Jwt,
        jwt_issuer: Some("shop".into()),
        jwt_audience: Some("api".into()),
        ..settings()
    };
    let shop = Shop::with(strict).await;
    shop.cart_of(&shop.token(7, Role::User)).await.problem(401, "token_invalid");
}

#[tokio::test]
async fn j1_a_weak_secret_stops_the_start_and_mode_dev_needs_none() {
    let world = testkit::world().0;
    let open = async |settings| {
        api_gateway::open(settings, Ipv4Addr::LOCALHOST.into(), peers(&Fake::default()), world.clone()).await
    };
    for auth_mode in [AuthMode::Jwt, AuthMode::Dev] {
        let weak = Settings { auth_mode, jwt_secret: Some("short".into()), ..settings() };
        assert!(open(weak).await.err().unwrap().to_string().starts_with("JWT_SECRET is too short"));
    }
    assert!(open(Settings { jwt_secret: None, ..settings() }).await.is_ok());
}
