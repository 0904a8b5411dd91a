//! Tokens that others sign, by every kind of key.

use std::net::Ipv4Addr;
use std::sync::LazyLock;

use api_gateway::auth::Role;
use api_gateway::{AuthMode, Settings};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use testkit::TempDir;

use crate::fake::Fake;
use crate::issuer::{EC, ED, Pair, RSA, key_set, name, pairs, unsigned};
use crate::replies::cart;
use crate::shop::{Shop, peers, settings};

const NOW: i64 = 1_763_842_530;

static DIR: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().unwrap());

fn jwt() -> Settings {
    Settings { auth_mode: AuthMode::Jwt, jwt_secret: None, ..settings() }
}

/// A gateway that knows this key only.
async fn knowing(pair: &Pair) -> Shop {
    let shop = Shop::with(Settings { jwt_public_key: Some(pair.public_pem.clone()), ..jwt() }).await;
    shop.services.replies("get_cart", cart());
    shop
}

/// A gateway that knows one key of each kind, as `rs`, `es` and `ed`.
async fn knowing_all() -> Shop {
    let path = DIR.path().join("all.json");
    std::fs::write(&path, key_set(&[RSA.jwk("rs"), EC.jwk("es"), ED.jwk("ed")])).unwrap();
    let jwks_url = Some(format!("file://{}", path.display()).parse().unwrap());
    let shop = Shop::with(Settings { jwks_url, ..jwt() }).await;
    shop.services.replies("get_cart", cart());
    shop
}

fn claims() -> Value {
    json!({"sub": "7", "exp": NOW + 60})
}

fn kid(pair: &Pair) -> &'static str {
    match pair.algorithm {
        Algorithm::RS256 => "rs",
        Algorithm::ES256 => "es",
        _ => "ed",
    }
}

#[tokio::test]
async fn j1_each_kind_of_key_verifies_what_it_has_signed() {
    let all = knowing_all().await;
    for pair in pairs() {
        let shop = knowing(pair).await;
        let file = DIR.path().join(format!("{}.pem", kid(pair)));
        std::fs::write(&file, &pair.public_pem).unwrap();
        let path = Some(file.to_str().unwrap().to_owned());
        let by_file = Shop::with(Settings { jwt_public_key: path, ..jwt() }).await;
        by_file.services.replies("get_cart", cart());
        let token = pair.token(kid(pair), &claims());
        let unnamed = pair.signed(&json!({"alg": name(pair.algorithm)}), &claims());
        for (shop, token) in [(&shop, &token), (&shop, &unnamed), (&by_file, &token), (&all, &token)] {
            assert_eq!(shop.cart_of(token).await.status, 200, "{:?}", pair.algorithm);
        }
        all.cart_of(&unnamed).await.problem(401, "token_invalid");
        for other in pairs().into_iter().filter(|other| other.algorithm != pair.algorithm) {
            shop.cart_of(&other.token(kid(pair), &claims())).await.problem(401, "token_invalid");
        }
    }
}

#[tokio::test]
async fn j1_a_token_does_not_choose_its_algorithm() {
    let all = knowing_all().await;
    let claims = claims();
    for pair in pairs() {
        let (shop, kid, own) = (knowing(pair).await, kid(pair), name(pair.algorithm));
        let header = |alg: Value| json!({"alg": alg, "kid": kid});
        let bare = |header: &Value| format!("{}.", unsigned(header, &claims));
        let mut forged = Vec::new();
        for none in ["none", "None", "nOnE", "NONE", ""] {
            forged.push(bare(&header(json!(none))));
            forged.push(format!("{}AAAA", bare(&header(json!(none)))));
            forged.push(pair.signed(&header(json!(none)), &claims));
        }
        // No signature, no algorithm, no text for one, two of them.
        forged.push(bare(&header(own.clone())));
        forged.push(unsigned(&header(own.clone()), &claims));
        forged.push(pair.signed(&json!({"kid": kid}), &claims));
        forged.push(pair.signed(&header(json!([own])), &claims));
        forged.push(pair.signed(&header(json!(null)), &claims));
        let twice = format!("{{\"alg\":{own},\"kid\":\"{kid}\",\"alg\":\"none\"}}");
        forged.push(format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode(twice),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        ));
        // The public key as if it were a shared secret, in every form that somebody may take for it.
        let trimmed = pair.public_pem.trim_end();
        let der = trimmed.lines().filter(|line| !line.starts_with('-')).collect::<String>();
        for secret in [pair.public_pem.as_bytes(), trimmed.as_bytes(), der.as_bytes(), kid.as_bytes(), b""] {
            for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                let message = unsigned(&header(name(algorithm)), &claims);
                let key = EncodingKey::from_secret(secret);
                let mac = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
                forged.push(format!("{message}.{mac}"));
            }
        }
        // The name of one algorithm with the signature of another, and the key of one with the name of another.
        for other in pairs().into_iter().filter(|other| other.algorithm != pair.algorithm) {
            forged.push(other.signed(&header(own.clone()), &claims));
            forged.push(pair.signed(&header(name(other.algorithm)), &claims));
            forged.push(other.token(kid, &claims));
        }
        if pair.algorithm == Algorithm::RS256 {
            for other in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
                forged.push(pair.signed_as(other, &header(name(other)), &claims));
                forged.push(pair.signed_as(other, &header(own.clone()), &claims));
            }
        }
        for token in forged {
            for shop in [&shop, &all] {
                shop.cart_of(&token).await.problem(401, "token_invalid");
            }
        }
        assert_eq!(shop.cart_of(&pair.token(kid, &claims)).await.status, 200);
    }
}

#[tokio::test]
async fn j2_the_claims_that_are_needed_and_their_times() {
    let shop = knowing(&ED).await;
    let with = |claim: &str, value: Value| {
        let mut claims = claims();
        claims[claim] = value;
        claims
    };
    let without = |claim: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(claim);
        claims
    };
    let mut invalid = vec![without("exp"), without("sub"), json!([]), json!("7")];
    for (claim, first_bad) in [("nbf", NOW + 31), ("iat", NOW + 31)] {
        let good = with(claim, json!(first_bad - 1));
        assert_eq!(shop.cart_of(&ED.token("ed", &good)).await.status, 200, "{good}");
        invalid.push(with(claim, json!(first_bad)));
    }
    for claim in ["exp", "nbf", "iat"] {
        let no_moments = [json!(9_223_372_036_854_775_808_u64), json!(-1), json!(1.5), json!("1"), json!([])];
        invalid.extend(no_moments.map(|moment| with(claim, moment)));
    }
    for claims in invalid {
        shop.cart_of(&ED.token("ed", &claims)).await.problem(401, "token_invalid");
    }
    let last_good = with("exp", json!(NOW - 29));
    assert_eq!(shop.cart_of(&ED.token("ed", &last_good)).await.status, 200);
    let first_bad = with("exp", json!(NOW - 30));
    shop.cart_of(&ED.token("ed", &first_bad)).await.problem(401, "token_expired");
}

#[tokio::test]
async fn j3_only_access_tokens_are_taken() {
    let shop = knowing(&ED).await;
    let typed = |typ: Value| ED.signed(&json!({"alg": "EdDSA", "typ": typ}), &claims());
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "jwt"] {
        assert_eq!(shop.cart_of(&typed(json!(typ))).await.status, 200, "{typ}");
    }
    let others =
        ["id+jwt", "rt+jwt", "refresh+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "JWE", "", "at+jwt "];
    for typ in others.map(|typ| json!(typ)).into_iter().chain([json!(1), json!(["at+jwt"])]) {
        shop.cart_of(&typed(typ)).await.problem(401, "token_invalid");
    }
    // What an issuer signs with one key for several uses is told apart by whom it is for.
    let only_ours = Settings {
        jwt_public_key: Some(ED.public_pem.clone()),
        jwt_issuer: Some("https://id.example".into()),
        jwt_audience: Some("shop".into()),
        ..jwt()
    };
    let shop = Shop::with(only_ours).await;
    shop.services.replies("get_cart", cart());
    for (iss, aud, status) in [
        ("https://id.example", json!("shop"), 200),
        ("https://id.example", json!(["shop", "other"]), 200),
        ("https://id.example", json!("web-client"), 401),
        ("https://id.example/", json!("shop"), 401),
    ] {
        let mut claims = claims();
        claims["iss"] = json!(iss);
        claims["aud"] = aud;
        assert_eq!(shop.cart_of(&ED.token("ed", &claims)).await.status, status, "{claims}");
    }
    let of_our_own = shop.token(7, Role::Admin);
    shop.cart_of(&of_our_own).await.problem(401, "token_invalid");
}

#[tokio::test]
async fn j4_a_token_that_brings_its_own_key_is_refused() {
    let (shop, thief) = (knowing_all().await, crate::issuer::ed());
    for field in [
        json!({"jwk": thief.jwk("ed")}),
        json!({"jwk": ED.jwk("ed")}),
        json!({"jku": "https://evil.example/keys"}),
        json!({"x5u": "https://evil.example/cert"}),
        json!({"crit": ["exp"]}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"crit": []}),
    ] {
        let mut header = json!({"alg": "EdDSA", "kid": "ed"});
        header.as_object_mut().unwrap().extend(field.as_object().unwrap().clone());
        for pair in [&*ED, &thief] {
            shop.cart_of(&pair.signed(&header, &claims())).await.problem(401, "token_invalid");
        }
    }
    let harmless = json!({"alg": "EdDSA", "kid": "ed", "x5t": "abc", "cty": "x", "more": 1});
    assert_eq!(shop.cart_of(&ED.signed(&harmless, &claims())).await.status, 200);
}

#[tokio::test]
async fn j1_keys_that_can_not_be_used_stop_the_start_in_one_line() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let pem = |text: &str| Settings { jwt_public_key: Some(text.to_owned()), ..jwt() };
    let jwks = |path: &str| Settings { jwks_url: Some(format!("file://{path}").parse().unwrap()), ..jwt() };
    let (private, public) = (RSA.private_pem.as_str(), ED.public_pem.as_str());
    let both = Settings { jwt_secret: settings().jwt_secret, ..pem(public) };
    let all = Settings { jwks_url: jwks("x").jwks_url, ..both.clone() };
    let dev = |settings| Settings { auth_mode: AuthMode::Dev, ..settings };
    let wanted = "wanted: one public key in PEM: RSA, EC on P-256 or Ed25519";
    let (secret, not_json) = (file("secret.pem", private), file("not.json", "<html>"));
    let symmetric = file("oct.json", &key_set(&[json!({"kty": "oct", "k": "c2VjcmV0"})]));
    let large = file("large.json", &" ".repeat(64 * 1024 + 1));
    let more = "more than one of JWT_SECRET, JWT_PUBLIC_KEY and JWKS_URL is set; wanted: ";
    for (settings, start) in [
        (jwt(), "JWT_SECRET is not set; wanted: "),
        (both, more),
        (all, more),
        (dev(pem(public)), "AUTH_MODE=dev signs tokens and JWT_PUBLIC_KEY can't; wanted: AUTH_MODE=jwt"),
        (dev(jwks("x")), "AUTH_MODE=dev signs tokens and JWKS_URL can't; wanted: AUTH_MODE=jwt"),
        (
            pem(private),
            &format!("JWT_PUBLIC_KEY=*** can't be used: it is not one public key in PEM; {wanted}"),
        ),
        (
            pem(&secret),
            &format!("JWT_PUBLIC_KEY={secret} can't be used: it is not one public key in PEM; {wanted}"),
        ),
        (
            pem(&public.repeat(2)),
            "JWT_PUBLIC_KEY=*** can't be used: it is not one public key in PEM; wanted: ",
        ),
        (pem(&public.replace("MC", "AA")), "JWT_PUBLIC_KEY=*** can't be used: it is a key of another kind"),
        (pem(P384), "JWT_PUBLIC_KEY=*** can't be used: it is a key of another kind"),
        (pem(RSA_1024), "JWT_PUBLIC_KEY=*** can't be used: its RSA modulus does not have 2048 to 8192 bits"),
        (pem("/nowhere.pem"), "JWT_PUBLIC_KEY=/nowhere.pem can't be read: No such file"),
        (jwks("/nowhere"), "JWKS_URL=file:///nowhere can't be used: it can't be read: No such file"),
        (jwks(&not_json), &format!("JWKS_URL=file://{not_json} can't be used: it is no JSON Web Key Set")),
        (
            jwks(&symmetric),
            &format!("JWKS_URL=file://{symmetric} can't be used: no key in it can be used; wanted: "),
        ),
        (
            jwks(&large),
            &format!("JWKS_URL=file://{large} can't be used: it has more than 65536 bytes; wanted: "),
        ),
    ] {
        let opened = api_gateway::open(
            settings,
            Ipv4Addr::LOCALHOST.into(),
            peers(&Fake::default()),
            testkit::world().0,
        );
        let error = format!("{:#}", opened.await.err().expect(start));
        assert!(error.starts_with(start) && !error.contains('\n'), "{error}\n{start}");
    }
}

const P384: &str = "-----BEGIN PUBLIC KEY-----\n\
             MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE2NQ7+J3GM/+pd6jFAxNMkiXrnws6E7cQ\n\
             eAKWYS59dbWjSZXJ6aax7PBLV2+CpytP2y1SvhlxRlZ6y7Yx5ECLw4i/WTEDd+K0\n\
             E6G4+ybUh0KdRTtpAjr7jicRFr1elF1U\n\
             -----END PUBLIC KEY-----";

const RSA_1024: &str = "-----BEGIN PUBLIC KEY-----\n\
             MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC+il0d5ZaodK/HJJ+7VcCiyOh7\n\
             VMc8v9uyFc/fVI/+/zJc2rlSQOGGssoJI2N1DIE5vzODyAyN7UrT5cJyeW7JQ3ZF\n\
             XqW7p2LMdl4iVzmlBaHDtagSjHArXCfIQfhSWgkZW+tRrS834OVw9rhf58Gj7ao1\n\
             5CQLnbVdgO2WxjF/nQIDAQAB\n\
             -----END PUBLIC KEY-----";
