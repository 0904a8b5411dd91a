//! A gateway to ask.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Duration;

use api_gateway::auth::{Identity, Role, Signer};
use api_gateway::{AuthMode, Gateway, Peers, Port, Settings, StreamBounds, Timeouts};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use platform::World;
use platform::clock::Clock as _;
use platform::transport::Transport;
use serde_json::Value;
use testkit::ManualClock;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use types::UserId;

use crate::contract::CONTRACT;
use crate::fake::Fake;

pub(crate) const SECRET: &str = "a secret of at least thirty-two bytes";

/// A gateway, the services behind it, and its clock.
pub(crate) struct Shop {
    pub(crate) services: Fake,
    pub(crate) clock: ManualClock,
    pub(crate) router: Router,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// No limit, no token needed: user 1, an admin.
pub(crate) fn settings() -> Settings {
    Settings {
        auth_mode: AuthMode::Dev,
        dev_on_any_address: false,
        jwt_secret: Some(SECRET.into()),
        jwt_public_key: None,
        jwks_url: None,
        jwt_issuer: None,
        jwt_audience: None,
        rate_limit_rps: 0,
        rate_limit_burst: 1,
        max_requests: 1000,
        trusted_proxies: Vec::new(),
        cors_origins: Vec::new(),
        hsts_max_age: None,
        checkout_wait_ms: 10_000,
        port: Port::default(),
        streams: StreamBounds { max_event_streams: 4, max_event_streams_per_user: 2 },
        redis: None,
        timeouts: Timeouts::default(),
    }
}

pub(crate) fn peers(services: &Fake) -> Peers {
    Peers {
        product: Transport::in_process("product", &services.product()),
        cart: Transport::in_process("cart", &services.cart()),
        inventory: Transport::in_process("inventory", &services.inventory()),
        checkout: Transport::in_process("checkout", &services.checkout()),
        orders: Transport::in_process("orders", &services.orders()),
    }
}

pub(crate) async fn gateway(settings: Settings, services: &Fake, world: World) -> Gateway {
    api_gateway::open(settings, Ipv4Addr::LOCALHOST.into(), peers(services), world).await.unwrap()
}

impl Shop {
    /// In mode dev, without limits.
    pub(crate) async fn open() -> Self {
        Self::with(settings()).await
    }

    /// In mode jwt, without limits.
    pub(crate) async fn guarded() -> Self {
        Self::with(Settings { auth_mode: AuthMode::Jwt, ..settings() }).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let services = Fake::default();
        let (world, clock) = testkit::world();
        let router = gateway(settings, &services, world).await.router();
        Self { services, clock, router }
    }

    /// Kept up to date, as a gateway that listens is.
    pub(crate) async fn serving(settings: Settings) -> (Self, JoinSet<anyhow::Result<()>>) {
        let services = Fake::default();
        let (world, clock) = testkit::world();
        let gateway = gateway(settings, &services, world).await;
        let router = gateway.router();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(gateway.serve(listener, CancellationToken::new()));
        (Self { services, clock, router }, serving)
    }

    /// Every answer is held against the document.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = self.exchange(request).await;
        let checked = CONTRACT.check(&method, &path, &answer);
        if let Err(error) = checked {
            let (status, body) = (answer.status, String::from_utf8_lossy(&answer.body));
            panic!(
                "{method} {path} is not as openapi.json says: {error}\n{status} {:?} {body}",
                answer.headers
            );
        }
        answer
    }

    /// As it comes.
    pub(crate) async fn exchange(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: head.status, headers: head.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(ask("GET", path, &[], "")).await
    }

    /// With this token.
    pub(crate) async fn cart_of(&self, token: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        self.send(ask("GET", "/api/v1/cart", &[("authorization", &bearer)], "")).await
    }

    pub(crate) async fn json(&self, method: &str, path: &str, body: impl ToString) -> Answer {
        self.send(ask(method, path, &[("content-type", "application/json")], &body.to_string())).await
    }

    /// A token that is good for an hour.
    pub(crate) fn token(&self, user_id: i64, role: Role) -> String {
        let signer = Signer::new(&SECRET.into(), None, None).unwrap();
        let identity = Identity { user_id: UserId::try_from(user_id).unwrap(), role };
        signer.issue(identity, self.clock.now(), Duration::from_secs(3600)).unwrap().token
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that this is a whole problem document, and returns it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let document = self.any_problem();
        assert_eq!((self.status.as_u16(), document["code"].as_str()), (status, Some(code)), "{document}");
        document
    }

    /// Asserts that this is a whole problem document, whatever the problem is, and returns it.
    #[track_caller]
    pub(crate) fn any_problem(&self) -> Value {
        assert!(!self.body.is_empty(), "{self:?}");
        let document = self.json();
        let code = document["code"].as_str().unwrap();
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(document["type"], format!("/errors/{code}"));
        assert_eq!(document["status"], self.status.as_u16());
        assert_eq!(document["request_id"], self.header("x-request-id"));
        assert!(!document["title"].as_str().unwrap().is_empty());
        assert!(!document["detail"].as_str().unwrap().is_empty());
        document
    }

    /// The fields that a 400 names.
    #[track_caller]
    pub(crate) fn refused_fields(&self, code: &str) -> Vec<String> {
        let document = self.problem(400, code);
        let errors = document["errors"].as_array().unwrap();
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    }
}

pub(crate) fn ask(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Body::from(body.to_owned())).unwrap()
}

/// The same request from this address.
pub(crate) fn from(address: &str, mut request: Request<Body>) -> Request<Body> {
    let address = SocketAddr::new(address.parse().unwrap(), 40_000);
    request.extensions_mut().insert(ConnectInfo(address));
    request
}
