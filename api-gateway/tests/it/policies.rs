//! Who may do what: the table of routes, held against what really happens.

use std::fmt::Write as _;
use std::time::Duration;

use api_gateway::auth::Role;
use api_gateway::{AuthMode, Policy, Settings, Who};
use proto::{checkout, orders};
use serde_json::{Value, json};
use testkit::figures;

use crate::fake::Fake;
use crate::owned::{OWNER, everything_works};
use crate::replies::{CHECKOUT, ORDER};
use crate::shop::{Answer, Shop, ask, gateway, settings};

const OTHER: i64 = 8;
const ADMIN: i64 = 9;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Principal {
    Nobody,
    Other,
    Owner,
    Expired,
    Admin,
}

const PRINCIPALS: [Principal; 5] =
    [Principal::Nobody, Principal::Other, Principal::Owner, Principal::Expired, Principal::Admin];

/// What comes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Served,
    Refused(u16, &'static str),
}

const MISSING: Outcome = Outcome::Refused(401, "token_missing");
const EXPIRED: Outcome = Outcome::Refused(401, "token_expired");
const FORBIDDEN: Outcome = Outcome::Refused(403, "permission_denied");
/// With a code that says what is not found.
const NOT_FOUND: Outcome = Outcome::Refused(404, "");

/// What a policy means.
fn wanted(who: Who, principal: Principal) -> Outcome {
    match (who, principal) {
        (Who::Probe, _) => Outcome::Served,
        (_, Principal::Expired) => EXPIRED,
        (Who::Anyone, _) => Outcome::Served,
        (_, Principal::Nobody) => MISSING,
        (Who::User, _) => Outcome::Served,
        (Who::Owner | Who::OwnerOrAdmin, Principal::Owner) => Outcome::Served,
        (Who::OwnerOrAdmin, Principal::Admin) => Outcome::Served,
        (Who::Owner | Who::OwnerOrAdmin, _) => NOT_FOUND,
        (Who::Admin, Principal::Admin) => Outcome::Served,
        (Who::Admin, _) => FORBIDDEN,
    }
}

impl Outcome {
    fn of(answer: &Answer) -> Self {
        match answer.status.as_u16() {
            200..300 => Self::Served,
            404 => NOT_FOUND,
            status => {
                let problem = answer.json();
                let said = |outcome: &Self| match outcome {
                    Self::Served => false,
                    Self::Refused(wanted, code) => status == *wanted && problem["code"] == *code,
                };
                let known = [MISSING, EXPIRED, FORBIDDEN].into_iter().find(said);
                known.unwrap_or(Self::Refused(status, "another code"))
            }
        }
    }
}

/// The path of one thing.
pub(crate) fn path(pattern: &str) -> String {
    let id = if pattern.starts_with("/api/v1/checkout") { CHECKOUT } else { ORDER };
    let id = if pattern.starts_with("/api/v1/products") { "1" } else { id };
    let path = pattern.replace("{product_id}", "1").replace("{id}", id).replace("{asset}", "start.js");
    assert!(!path.contains('{'), "say in `path` what {pattern} is to be asked for");
    path
}

/// A body that is good for this route.
pub(crate) fn body(policy: &Policy) -> Option<Value> {
    let product = json!({
        "name": "a", "description": "", "category": "", "image_url": "",
        "price": {"amount": "1", "currency": "USD"},
    });
    match (policy.method.as_str(), policy.path) {
        ("GET" | "DELETE", _) | ("POST", "/api/v1/orders/{id}/cancel") => None,
        ("POST", "/api/v1/products") | ("PUT", "/api/v1/products/{id}") => Some(product),
        ("PUT", "/api/v1/inventory/{product_id}") => Some(json!({"on_hand": 1})),
        ("POST", "/api/v1/cart/items") => Some(json!({"product_id": 1, "quantity": 1})),
        ("PUT", "/api/v1/cart/items/{product_id}") => Some(json!({"quantity": 1})),
        ("POST", "/api/v1/checkout") => Some(json!({"idempotency_key": "k"})),
        ("PATCH", "/api/v1/orders/{id}") => Some(json!({"status": "SHIPPED"})),
        (method, path) => panic!("say in `body` what {method} {path} is to be sent"),
    }
}

/// A gateway in mode jwt, and its table.
pub(crate) async fn guarded() -> (Shop, Vec<Policy>) {
    let services = Fake::default();
    everything_works(&services);
    let (world, clock) = testkit::world();
    let gateway = gateway(Settings { auth_mode: AuthMode::Jwt, ..settings() }, &services, world).await;
    (Shop { router: gateway.router(), services, clock }, gateway.policies())
}

/// What each principal shows; that of the expired one is an hour old.
fn bearers(shop: &Shop) -> [Option<String>; 5] {
    let expired = shop.token(OWNER, Role::Admin);
    shop.clock.advance(Duration::from_secs(3600 + 30));
    PRINCIPALS.map(|principal| {
        let token = match principal {
            Principal::Nobody => return None,
            Principal::Other => shop.token(OTHER, Role::User),
            Principal::Owner => shop.token(OWNER, Role::User),
            Principal::Expired => expired.clone(),
            Principal::Admin => shop.token(ADMIN, Role::Admin),
        };
        Some(format!("Bearer {token}"))
    })
}

impl Shop {
    async fn asked_by(&self, bearer: Option<&str>, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut headers = Vec::from_iter(bearer.map(|bearer| ("authorization", bearer)));
        headers.extend(body.map(|_| ("content-type", "application/json")));
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send(ask(method, path, &headers, &body)).await
    }
}

#[tokio::test]
async fn z1_every_route_is_open_to_whom_it_is_for_and_to_nobody_else() {
    let (shop, policies) = guarded().await;
    let bearers = bearers(&shop);
    let mut wrong = Vec::new();
    for policy in &policies {
        let mut row = String::new();
        for (principal, bearer) in PRINCIPALS.into_iter().zip(&bearers) {
            let (method, path, before) = (policy.method.as_str(), path(policy.path), shop.services.calls());
            let answer = shop.asked_by(bearer.as_deref(), method, &path, body(policy).as_ref()).await;
            let (outcome, wanted) = (Outcome::of(&answer), wanted(policy.who, principal));
            let stopped = matches!(outcome, Outcome::Refused(401 | 403, _));
            if outcome != wanted || (stopped && shop.services.calls() != before) {
                wrong.push(format!("{method} {path} by {principal:?}: {outcome:?}, wanted {wanted:?}"));
            }
            let _ = write!(row, " {} {:<6}", answer.status.as_u16(), format!("{principal:?}"));
        }
        let (method, who) = (policy.method.as_str(), format!("{:?}", policy.who));
        figures::tell("route", format_args!("{method:6} {:34} {who:12}{row}", policy.path));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (routes, principals) = (policies.len(), PRINCIPALS.len());
    figures::tell(
        "routes",
        format_args!("{routes} routes x {principals} principals, all as expected: {}", routes * principals),
    );
    for who in [Who::Probe, Who::Anyone, Who::User, Who::Owner, Who::OwnerOrAdmin, Who::Admin] {
        assert!(policies.iter().any(|policy| policy.who == who), "{who:?} is tried");
    }
}

#[tokio::test]
async fn z1_services_are_told_who_asks_and_nothing_that_the_client_says_of_it() {
    let (shop, _) = guarded().await;
    let bearers = bearers(&shop);
    for (principal, bearer) in PRINCIPALS.into_iter().zip(&bearers) {
        let user_id = match principal {
            Principal::Nobody | Principal::Expired => continue,
            Principal::Other => OTHER,
            Principal::Owner => OWNER,
            Principal::Admin => ADMIN,
        };
        let bearer = bearer.as_deref();
        let cart = shop.asked_by(bearer, "GET", "/api/v1/cart", None).await.json();
        let orders = shop.asked_by(bearer, "GET", "/api/v1/orders", None).await.json();
        assert_eq!((&cart["user_id"], &orders["orders"][0]["user_id"]), (&json!(user_id), &json!(user_id)));
        let key = json!({"idempotency_key": "k"});
        let checkout = shop.asked_by(bearer, "POST", "/api/v1/checkout", Some(&key)).await;
        assert_eq!(checkout.status, 201);
        let asked = shop.services.asked::<checkout::InitiateCheckoutRequest>("initiate_checkout");
        assert_eq!(asked.last().unwrap().user_id, user_id);
        for query in ["user_id=7", "owner=7", "userId=7"] {
            let answer = shop.asked_by(bearer, "GET", &format!("/api/v1/orders?{query}"), None).await;
            assert_eq!(answer.status, 400, "{query}");
        }
    }
}

#[tokio::test]
async fn z2_what_is_not_in_the_table_is_denied() {
    let (shop, policies) = guarded().await;
    let bearers = bearers(&shop);
    let before = shop.services.calls();
    for path in ["/", "/admin", "/api", "/api/v1", "/api/v1/users", "/api/v2/products", "/api/v1/auth/token"]
    {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"] {
            for (principal, bearer) in PRINCIPALS.into_iter().zip(&bearers) {
                let answer = shop.asked_by(bearer.as_deref(), method, path, None).await;
                let status = if principal == Principal::Expired { 401 } else { 404 };
                assert_eq!(answer.status, status, "{method} {path} by {principal:?}");
            }
        }
    }
    for policy in &policies {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            if !policies.iter().any(|other| other.path == policy.path && other.method == method) {
                let answer = shop.asked_by(bearers[4].as_deref(), method, &path(policy.path), None).await;
                answer.problem(405, "method_not_allowed");
            }
        }
    }
    assert_eq!(shop.services.calls(), before);
    // What asks for the head of an answer is guarded as what asks for all of it.
    for policy in policies.iter().filter(|policy| policy.method == "GET") {
        for (principal, bearer) in PRINCIPALS.into_iter().zip(&bearers) {
            let status = match wanted(policy.who, principal) {
                Outcome::Served => 200,
                Outcome::Refused(status, _) => status,
            };
            let answer = shop.asked_by(bearer.as_deref(), "HEAD", &path(policy.path), None).await;
            assert_eq!(answer.status, status, "HEAD {} by {principal:?}", policy.path);
        }
    }
}

#[tokio::test]
async fn z3_what_the_shop_decides_is_not_taken_from_a_client() {
    const OURS: [&str; 22] = [
        "id",
        "user_id",
        "owner",
        "role",
        "status",
        "version",
        "price",
        "total",
        "unit_price",
        "line_total",
        "total_items",
        "available",
        "reserved",
        "created_at",
        "updated_at",
        "completed_at",
        "order_id",
        "checkout_id",
        "reservation_id",
        "stuck",
        "bought_version",
        "__proto__",
    ];
    let (shop, policies) = guarded().await;
    let admin = &bearers(&shop)[4];
    let mut tried = 0;
    for policy in &policies {
        let Some(good) = body(policy) else { continue };
        for field in OURS.into_iter().filter(|field| good.get(field).is_none()) {
            let mut body = good.clone();
            body[field] = json!(1);
            let before = shop.services.calls();
            let (method, path) = (policy.method.as_str(), path(policy.path));
            let answer = shop.asked_by(admin.as_deref(), method, &path, Some(&body)).await;
            assert_eq!(answer.refused_fields("invalid_argument"), [field], "{method} {path}");
            assert_eq!(shop.services.calls(), before);
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried} fields tried");
}

#[tokio::test]
async fn z4_ids_that_can_be_counted_are_not_there() {
    let (shop, _) = guarded().await;
    let owner = &bearers(&shop)[2];
    let before = shop.services.calls();
    for id in ["0", "1", "2", "-1", "18446744073709551616", "*", "null", "%00", "..%2f1", "1%27%20OR%201=1"] {
        for (pattern, code) in
            [("/api/v1/checkout/{id}", "checkout_not_found"), ("/api/v1/orders/{id}", "order_not_found")]
        {
            let path = pattern.replace("{id}", id);
            shop.asked_by(owner.as_deref(), "GET", &path, None).await.problem(404, code);
        }
    }
    assert_eq!(shop.services.calls(), before, "nobody is asked for them");
    // A cursor is the service's: it goes there and back as it is, with the caller's own id beside it.
    let cursor = "/api/v1/orders?page_token=eyJ1c2VyX2lkIjo4fQ";
    assert_eq!(shop.asked_by(owner.as_deref(), "GET", cursor, None).await.status, 200);
    let asked = shop.services.asked::<orders::ListOrdersRequest>("list_orders").pop().unwrap();
    assert_eq!((asked.user_id, asked.page_token.as_str()), (OWNER, "eyJ1c2VyX2lkIjo4fQ"));
}
