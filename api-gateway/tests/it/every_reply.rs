//! Every reply that the document has is given, and no other: whatever can go wrong is made to, on every route.

mod crowded;
mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use api_gateway::auth::Role;
use api_gateway::{AuthMode, Policy, Settings, Timeouts};
use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::Request;
use platform::World;
use platform::ids::RandomIds;
use proto::checkout::CheckoutStatus;
use proto::inventory::Stock;
use proto::{Reason, Rejection};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::checkouts::answers;
use crate::contract::{CONTRACT, ONLY_IN_DEV, Seen};
use crate::envelope::Broken;
use crate::fake::Fake;
use crate::owned::{OWNER, everything_works};
use crate::policies::{body, path};
use crate::replies::{checkout, failed, product};
use crate::shop::{Shop, ask, gateway, settings};

/// What was answered so far.
#[derive(Default)]
struct Tour {
    policies: Vec<Policy>,
    seen: BTreeSet<Seen>,
    wrong: Vec<String>,
}

impl Tour {
    async fn send(&mut self, shop: &Shop, request: Request<Body>) {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = shop.exchange(request).await;
        match CONTRACT.check(&method, &path, &answer) {
            Ok(seen) => self.seen.extend(seen),
            Err(error) => self.wrong.push(format!("{method} {path}: {error} in {}", answer.status)),
        }
    }

    /// A good request to every route of mode dev, with these headers.
    async fn everywhere(&mut self, shop: &Shop, headers: &[(&str, &str)]) {
        for policy in self.policies.clone() {
            self.send(shop, good(&policy, headers)).await;
        }
    }

    /// A good request to every route of mode jwt, with these headers.
    async fn everywhere_guarded(&mut self, shop: &Shop, headers: &[(&str, &str)]) {
        for policy in self.policies.clone().iter().filter(|policy| policy.path != ONLY_IN_DEV) {
            self.send(shop, good(policy, headers)).await;
        }
    }

    /// Every route that takes a body, with this one in place of its own.
    async fn with_body(&mut self, shop: &Shop, media_type: &str, body: impl Fn() -> Body) {
        for policy in self.policies.clone().iter().filter(|policy| body_of(policy).is_some()) {
            let request = Request::builder().method(&policy.method).uri(path(policy.path));
            self.send(shop, request.header("content-type", media_type).body(body()).unwrap()).await;
        }
    }

    /// Every documented refusal that a service can give a reason for.
    async fn reasons(&mut self, shop: &Shop) {
        for (method, template, operation) in CONTRACT.operations() {
            let is_it = |policy: &&Policy| policy.method == *method && policy.path == template;
            let policy = self.policies.iter().find(is_it).unwrap().clone();
            for (status, codes, _) in CONTRACT.replies(operation) {
                for code in codes {
                    let wanted = code.to_uppercase();
                    let reason = Reason::ALL.into_iter().find(|reason| reason.as_str() == wanted);
                    if let Some((reason, grpc)) = reason.zip(grpc(status)) {
                        shop.services.outage(Some(Rejection::new(grpc, reason, "so it is").into_status()));
                        self.send(shop, good(&policy, &[])).await;
                    }
                }
            }
        }
        shop.services.outage(None);
    }

    fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (method, template, operation) in CONTRACT.operations() {
            let name = format!("{method} {template}");
            for (status, codes, _) in CONTRACT.replies(operation) {
                let codes: Vec<_> = codes.into_iter().map(|code| Some(code.to_owned())).collect();
                let wanted = if codes.is_empty() { vec![None] } else { codes };
                let wanted = wanted.into_iter().map(|code| (name.clone(), status, code));
                missing.extend(wanted.filter(|reply| !self.seen.contains(reply)));
            }
        }
        missing.into_iter().map(|(name, status, code)| format!("{name}: {status} {code:?}")).collect()
    }
}

fn body_of(policy: &Policy) -> Option<Value> {
    if policy.path == ONLY_IN_DEV {
        return Some(json!({"user_id": 7}));
    }
    body(policy)
}

fn good(policy: &Policy, headers: &[(&str, &str)]) -> Request<Body> {
    let body = body_of(policy);
    let mut headers = headers.to_vec();
    headers.extend(body.as_ref().map(|_| ("content-type", "application/json")));
    let text = body.as_ref().map(Value::to_string).unwrap_or_default();
    ask(policy.method.as_str(), &path(policy.path), &headers, &text)
}

/// A gRPC code whose refusals are told so.
fn grpc(status: u16) -> Option<Code> {
    match status {
        400 | 422 => Some(Code::InvalidArgument),
        404 => Some(Code::NotFound),
        402 | 409 => Some(Code::FailedPrecondition),
        412 => Some(Code::Aborted),
        _ => None,
    }
}

async fn shop(settings: Settings, world: Option<World>) -> (Shop, Vec<Policy>) {
    let services = Fake::default();
    everything_works(&services);
    let (known, clock) = testkit::world();
    let gateway = gateway(settings, &services, world.unwrap_or(known)).await;
    (Shop { router: gateway.router(), services, clock }, gateway.policies())
}

/// Who may not, in every way.
async fn strangers(tour: &mut Tour) {
    let jwt = Settings { auth_mode: AuthMode::Jwt, ..settings() };
    let (guarded, _) = shop(jwt, None).await;
    let user = format!("Bearer {}", guarded.token(OWNER, Role::User));
    tour.everywhere_guarded(&guarded, &[]).await;
    tour.everywhere_guarded(&guarded, &[("authorization", "Bearer of bad news")]).await;
    tour.everywhere_guarded(&guarded, &[("authorization", &user)]).await;
    guarded.clock.advance(Duration::from_secs(3600 + 30));
    tour.everywhere_guarded(&guarded, &[("authorization", &user)]).await;

    // The path that is only there in mode dev has the same refusals.
    let (open, _) = shop(settings(), None).await;
    let user = format!("Bearer {}", open.token(OWNER, Role::User));
    tour.everywhere(&open, &[("authorization", "Bearer of bad news")]).await;
    open.clock.advance(Duration::from_secs(3600 + 30));
    tour.everywhere(&open, &[("authorization", &user)]).await;

    let (limited, _) = shop(Settings { rate_limit_rps: 1, ..settings() }, None).await;
    tour.everywhere(&limited, &[]).await;
    tour.everywhere(&limited, &[]).await;
}

/// Bodies and queries that can't be used.
async fn garbage(tour: &mut Tour, shop: &Shop) {
    tour.with_body(shop, "text/plain", || "{}".into()).await;
    tour.with_body(shop, "application/json", || "{".into()).await;
    tour.with_body(shop, "application/json", || vec![b' '; 64 * 1024 + 1].into()).await;
    let broken = || Body::from_stream(stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut")) }));
    tour.with_body(shop, "application/json", broken).await;
    tokio::time::pause();
    let pending = || Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    tour.with_body(shop, "application/json", pending).await;
    let timeouts = Timeouts { request: Duration::from_secs(2), ..Timeouts::default() };
    let (hasty, _) = self::shop(Settings { timeouts, ..settings() }, None).await;
    tour.with_body(&hasty, "application/json", pending).await;
    tokio::time::resume();
    for list in ["/api/v1/products", "/api/v1/orders"] {
        tour.send(shop, ask("GET", &format!("{list}?nonsense=1"), &[], "")).await;
    }
    tour.send(shop, ask("GET", "/docs/nonsense.js", &[], "")).await;
    tour.send(shop, ask("POST", "/api/v1/checkout", &[], "")).await;
}

/// What becomes of a purchase, and of a product whose stock can't be set.
async fn ends(tour: &mut Tour) {
    let shop = Shop::open().await;
    for checkout in [
        checkout(CheckoutStatus::PaymentPending),
        failed("payment_declined", "no", "card_declined", &[]),
        failed("insufficient_stock", "too few", "", &[1]),
        failed("checkout_refused", "no", "", &[]),
        failed("checkout_expired", "too late", "", &[]),
    ] {
        answers(&shop, checkout, true);
        tour.send(&shop, ask("POST", "/api/v1/checkout", &[("idempotency-key", "k")], "")).await;
    }
    shop.services.replies("create_product", product());
    shop.services.refuses::<Stock>("set_stock", Status::unavailable("tcp"));
    let mut wanted = crate::products::body();
    wanted["initial_stock"] = json!(3);
    let json = [("content-type", "application/json")];
    tour.send(&shop, ask("POST", "/api/v1/products", &json, &wanted.to_string())).await;
}

/// Services that fail, each route before fresh ones: who failed too often is not asked any more.
async fn outages(tour: &mut Tour) {
    for code in [
        Code::Unavailable,
        Code::DeadlineExceeded,
        Code::Internal,
        Code::ResourceExhausted,
        Code::Unimplemented,
    ] {
        for policy in tour.policies.clone() {
            let (shop, _) = shop(settings(), None).await;
            shop.services.outage(Some(Status::new(code, "SELECT * FROM /var/db at 10.0.0.7")));
            tour.send(&shop, good(&policy, &[])).await;
        }
    }
}

/// Failures of ours, and of what we need.
async fn breakdowns(tour: &mut Tour) {
    let world = World { clock: Arc::new(Broken), ids: Arc::new(RandomIds), ..World::real() };
    let (broken, _) = shop(settings(), Some(world)).await;
    tour.everywhere(&broken, &[("authorization", "Bearer x")]).await;

    let jwks_url = Some("http://127.0.0.1:9/keys.json".parse().unwrap());
    let jwt = Settings { auth_mode: AuthMode::Jwt, jwt_secret: None, jwks_url, ..settings() };
    let (keyless, _serving) = Shop::serving(jwt).await;
    let token = format!("Bearer {}", keyless.token(OWNER, Role::User));
    tour.everywhere_guarded(&keyless, &[("authorization", &token)]).await;
}

#[tokio::test]
async fn p4_every_reply_in_the_document_is_given_and_no_other() {
    let (shop, policies) = shop(settings(), None).await;
    let mut tour = Tour { policies, ..Tour::default() };
    tour.everywhere(&shop, &[]).await;
    tour.what_was_seen().await;
    tour.reasons(&shop).await;
    outages(&mut tour).await;
    garbage(&mut tour, &shop).await;
    strangers(&mut tour).await;
    breakdowns(&mut tour).await;
    ends(&mut tour).await;
    tour.crowds().await;
    tour.heads().await;
    assert!(tour.wrong.is_empty(), "{}", tour.wrong.join("\n"));
    let missing = tour.missing();
    assert!(missing.is_empty(), "documented, but never given:\n{}", missing.join("\n"));
}
