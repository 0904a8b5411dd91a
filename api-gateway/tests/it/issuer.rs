//! Who signs tokens with keys of his own, and publishes them.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use api_gateway::auth::KeySetUrl;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::StatusCode;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// A pair of keys.
pub(crate) struct Pair {
    pub(crate) algorithm: Algorithm,
    pub(crate) public_pem: String,
    pub(crate) private_pem: String,
    encoding: EncodingKey,
    jwk: Value,
}

pub(crate) static RSA: LazyLock<Pair> = LazyLock::new(|| {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let private: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    Pair::new(Algorithm::RS256, private.as_ref(), &pair.public_key().as_der().unwrap())
});

pub(crate) static EC: LazyLock<Pair> = LazyLock::new(|| {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let private = pair.to_pkcs8v1().unwrap();
    Pair::new(Algorithm::ES256, private.as_ref(), &pair.public_key().as_der().unwrap())
});

pub(crate) static ED: LazyLock<Pair> = LazyLock::new(ed);

/// One more of these.
pub(crate) fn ed() -> Pair {
    let pair = Ed25519KeyPair::generate().unwrap();
    let private = pair.to_pkcs8v1().unwrap();
    Pair::new(Algorithm::EdDSA, private.as_ref(), &pair.public_key().as_der().unwrap())
}

/// One of each kind.
pub(crate) fn pairs() -> [&'static Pair; 3] {
    [&RSA, &EC, &ED]
}

impl Pair {
    fn new(algorithm: Algorithm, private: &[u8], public: &PublicKeyX509Der<'_>) -> Self {
        let (private_pem, public_pem) = (pem("PRIVATE KEY", private), pem("PUBLIC KEY", public.as_ref()));
        let (private, public) = (private_pem.as_bytes(), public_pem.as_bytes());
        let (encoding, decoding) = match algorithm {
            Algorithm::RS256 => (EncodingKey::from_rsa_pem(private), DecodingKey::from_rsa_pem(public)),
            Algorithm::ES256 => (EncodingKey::from_ec_pem(private), DecodingKey::from_ec_pem(public)),
            _ => (EncodingKey::from_ed_pem(private), DecodingKey::from_ed_pem(public)),
        };
        let jwk = Jwk::from_decoding_key(&decoding.unwrap(), Some(algorithm)).unwrap();
        let jwk = serde_json::to_value(jwk).unwrap();
        Self { algorithm, encoding: encoding.unwrap(), public_pem, private_pem, jwk }
    }

    /// As it is published under this name.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = json!(kid);
        jwk
    }

    /// A token with these claims, under this name of the key.
    pub(crate) fn token(&self, kid: &str, claims: &Value) -> String {
        self.signed(&json!({"alg": name(self.algorithm), "kid": kid}), claims)
    }

    /// A token with any header, signed with this key nevertheless.
    pub(crate) fn signed(&self, header: &Value, claims: &Value) -> String {
        self.signed_as(self.algorithm, header, claims)
    }

    /// The same, signed in another way.
    pub(crate) fn signed_as(&self, algorithm: Algorithm, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.encoding, algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

/// What is signed of a token.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}", part(header), part(claims))
}

pub(crate) fn name(algorithm: Algorithm) -> Value {
    serde_json::to_value(Header::new(algorithm).alg).unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A set of these keys.
pub(crate) fn key_set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// What a publisher answers.
#[derive(Clone)]
pub(crate) enum Says {
    Text(String),
    /// This, but not as a success.
    Status(u16, String),
    /// See there instead.
    Elsewhere(String),
    /// Much, and ever more.
    Endless,
    Nothing,
    /// This, once it may.
    Later(Arc<Notify>, String),
}

/// A web server on this machine that counts how often it was asked.
pub(crate) struct Publisher {
    address: SocketAddr,
    state: Arc<Mutex<(Says, usize)>>,
    _serving: JoinSet<std::io::Result<()>>,
}

impl Publisher {
    pub(crate) async fn new(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new((says, 0)));
        let heard = state.clone();
        let router = Router::new().fallback(async move || {
            let says = {
                let mut state = heard.lock().unwrap_or_else(PoisonError::into_inner);
                state.1 += 1;
                state.0.clone()
            };
            says.answer().await
        });
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await });
        Self { address, state, _serving: serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    pub(crate) fn place(&self) -> KeySetUrl {
        self.url().parse().unwrap()
    }

    pub(crate) fn says(&self, says: Says) {
        self.state.lock().unwrap().0 = says;
    }

    pub(crate) fn publishes(&self, keys: &[Value]) {
        self.says(Says::Text(key_set(keys)));
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.state.lock().unwrap().1
    }
}

impl Says {
    async fn answer(self) -> Response {
        match self {
            Self::Text(text) => text.into_response(),
            Self::Status(status, text) => (StatusCode::from_u16(status).unwrap(), text).into_response(),
            Self::Elsewhere(url) => (StatusCode::FOUND, [("location", url)]).into_response(),
            Self::Endless => {
                let more = || Ok::<_, std::io::Error>(" ".repeat(1000));
                Body::from_stream(futures::stream::repeat_with(more)).into_response()
            }
            Self::Nothing => std::future::pending().await,
            Self::Later(gate, text) => {
                gate.notified().await;
                text.into_response()
            }
        }
    }
}
