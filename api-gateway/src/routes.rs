//! Every URL of the shop: method, path, who it is for, what it is to the shop, who answers, and what the document says of
//! it.

use std::time::Duration;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::{MethodFilter, MethodRouter, any, on};
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LOCATION, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION,
    RETRY_AFTER,
};
use http::{HeaderName, Method, StatusCode};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use tower_http::cors::CorsLayer;
use utoipa::openapi::OpenApi;

use crate::class::Class::{self, Checkout, Health, List, Read, Running, Write};
use crate::conditional::tag_by_coding;
use crate::config::AuthMode;
use crate::gateway::Shop;
use crate::guard::Who::{Admin, Anyone, Owner, OwnerOrAdmin, Probe, User};
use crate::guard::{Who, guard};
use crate::observe::observe;
use crate::openapi::Operation;
use crate::problem::Problem;
use crate::{carts, checkouts, health, inventory, openapi, orders, products, reference, tokens};

/// Smaller answers are sent as they are, in bytes: squeezing them costs more than it saves.
const COMPRESS_ABOVE: u64 = 4096;
/// How long a browser need not ask again whether it may ask.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);

#[rustfmt::skip]
fn table(mode: AuthMode) -> Vec<Route> {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PUT: Method = Method::PUT;
    const PATCH: Method = Method::PATCH;
    const DELETE: Method = Method::DELETE;
    let mut table = vec![
        route(GET,    "/health",                         Probe,        Health,   health::live,             health::docs::live),
        route(GET,    "/health/live",                    Probe,        Health,   health::live,             health::docs::still_live),
        route(GET,    "/health/ready",                   Probe,        Health,   health::ready,            health::docs::ready),
        route(GET,    "/openapi.json",                   Anyone,       Read,     openapi::show,            reference::docs::document),
        route(GET,    "/docs",                           Anyone,       Read,     reference::page,          reference::docs::page),
        route(GET,    "/docs/{asset}",                   Anyone,       Read,     reference::asset,         reference::docs::asset),

        route(GET,    "/api/v1/products",                Anyone,       List,     products::list,           products::docs::list),
        route(POST,   "/api/v1/products",                Admin,        Write,    products::create,         products::docs::create),
        route(GET,    "/api/v1/products/{id}",           Anyone,       Read,     products::show,           products::docs::show),
        route(PUT,    "/api/v1/products/{id}",           Admin,        Write,    products::replace,        products::docs::replace),
        route(DELETE, "/api/v1/products/{id}",           Admin,        Write,    products::delete,         products::docs::delete),
        route(GET,    "/api/v1/inventory/{product_id}",  Anyone,       Read,     inventory::show,          inventory::docs::show),
        route(PUT,    "/api/v1/inventory/{product_id}",  Admin,        Write,    inventory::set,           inventory::docs::set),

        route(GET,    "/api/v1/cart",                    User,         Read,     carts::show,              carts::docs::show),
        route(DELETE, "/api/v1/cart",                    User,         Write,    carts::clear,             carts::docs::clear),
        route(POST,   "/api/v1/cart/items",              User,         Write,    carts::add,               carts::docs::add),
        route(PUT,    "/api/v1/cart/items/{product_id}", User,         Write,    carts::set,               carts::docs::set),
        route(DELETE, "/api/v1/cart/items/{product_id}", User,         Write,    carts::remove,            carts::docs::remove),

        route(POST,   "/api/v1/checkout",                User,         Checkout, checkouts::start,         checkouts::docs::start),
        route(GET,    "/api/v1/checkout/{id}",           Owner,        Running,  checkouts::show,          checkouts::docs::show),
        route(GET,    "/api/v1/checkout/{id}/events",    Owner,        Running,  checkouts::events::watch, checkouts::docs::watch),
        route(GET,    "/api/v1/orders",                  User,         List,     orders::list,             orders::docs::list),
        route(GET,    "/api/v1/orders/{id}",             OwnerOrAdmin, Read,     orders::show,             orders::docs::show),
        route(GET,    "/api/v1/orders/{id}/events",      OwnerOrAdmin, Read,     orders::events::watch,    orders::docs::watch),
        route(PATCH,  "/api/v1/orders/{id}",             Admin,        Write,    orders::advance,          orders::docs::advance),
        route(POST,   "/api/v1/orders/{id}/cancel",      OwnerOrAdmin, Write,    orders::cancel,           orders::docs::cancel),
    ];
    match mode {
        AuthMode::Jwt => {}
        AuthMode::Dev => table.push(
            route(POST,   "/api/v1/auth/token",              Anyone,       Write,    tokens::issue,            tokens::docs::issue)),
    }
    table
}

struct Route {
    policy: Policy,
    handler: MethodRouter<Shop>,
    described: Operation,
}

/// A route, who it is for, and what it is to the shop. There is none for nobody in particular:
///
/// ```compile_fail,E0063
/// use api_gateway::{Class, Policy};
/// let _ = Policy { method: http::Method::GET, path: "/", class: Class::Read };
/// ```
///
/// nor one of which nobody has said how often, and when too much is going on:
///
/// ```compile_fail,E0063
/// use api_gateway::{Policy, Who};
/// let _ = Policy { method: http::Method::GET, path: "/", who: Who::Anyone };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The method.
    pub method: Method,
    /// The path, with names for what varies, as in `/api/v1/orders/{id}`.
    pub path: &'static str,
    /// Who may.
    pub who: Who,
    /// How often, and how urgent it is.
    pub class: Class,
}

/// There is no route without its policy, nor without its description.
fn route<H, T>(
    method: Method,
    path: &'static str,
    who: Who,
    class: Class,
    handler: H,
    describe: fn() -> Operation,
) -> Route
where
    H: Handler<T, Shop>,
    T: 'static,
{
    let filter = MethodFilter::try_from(method.clone()).expect("the table has methods of HTTP only");
    Route { policy: Policy { method, path, who, class }, handler: on(filter, handler), described: describe() }
}

/// Every route of this mode with its policy.
pub(crate) fn policies(mode: AuthMode) -> Vec<Policy> {
    table(mode).into_iter().map(|route| route.policy).collect()
}

/// The document of every route of this mode.
pub(crate) fn document(mode: AuthMode) -> OpenApi {
    openapi::document(table(mode).into_iter().map(|route| (route.policy, route.described)))
}

/// The table behind its guards, and what surrounds them all.
pub(crate) fn router(shop: &Shop) -> Router {
    let guarded = |who, class| from_fn_with_state((shop.clone(), who, class), guard);
    let table = table(shop.auth.mode()).into_iter();
    let routes = table.fold(Router::new(), |router, Route { policy, handler, .. }| {
        router.route(policy.path, handler.route_layer(guarded(policy.who, policy.class)))
    });
    // The size of an event stream is not known, so it would count as large.
    let worth_it = SizeAbove::new(COMPRESS_ABOVE).and(NotForContentType::SSE);
    let lost = any(|| async { Problem::bare(StatusCode::NOT_FOUND) });
    let mut router = routes
        .fallback_service(lost.layer(guarded(Anyone, Read)))
        .layer(CompressionLayer::new().gzip(true).compress_when(worth_it))
        .layer(map_response(tag_by_coding));
    if !shop.cors_origins.is_empty() {
        router = router.layer(cors(shop));
    }
    router.layer(from_fn_with_state(shop.clone(), observe)).with_state(shop.clone())
}

/// For scripts of the web sites listed, and of no other.
fn cors(shop: &Shop) -> CorsLayer {
    let named = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(shop.cors_origins.clone())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            ACCEPT,
            AUTHORIZATION,
            CONTENT_TYPE,
            IF_MATCH,
            IF_NONE_MATCH,
            named("idempotency-key"),
            named("last-event-id"),
            named("x-request-id"),
        ])
        .expose_headers([
            CONTENT_LOCATION,
            ETAG,
            LOCATION,
            RETRY_AFTER,
            named("idempotent-replayed"),
            named("ratelimit"),
            named("ratelimit-policy"),
            named("x-request-id"),
        ])
        .max_age(PREFLIGHT_AGE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn only_dev_mode_gives_out_tokens() {
        let paths = |mode| policies(mode).into_iter().map(|policy| policy.path).collect::<BTreeSet<_>>();
        let more: Vec<_> = paths(AuthMode::Dev).difference(&paths(AuthMode::Jwt)).copied().collect();
        assert_eq!(more, ["/api/v1/auth/token"]);
    }

    /// Compiles only while `route` takes a policy, and nothing that could stand in for one: neither an `Option` nor
    /// whatever becomes one can be made of `Named`.
    #[test]
    fn z2_a_route_without_a_policy_does_not_compile() {
        struct Named;
        impl From<Named> for Who {
            fn from(_: Named) -> Self {
                Probe
            }
        }
        impl From<Named> for Class {
            fn from(_: Named) -> Self {
                Health
            }
        }
        let (who, class) = (Named.into(), Named.into());
        let Route { policy, .. } = route(Method::GET, "/", who, class, health::live, health::docs::live);
        assert_eq!((policy.who, policy.class), (Probe, Health));
    }

    #[test]
    fn z2_there_is_no_way_to_the_router_but_through_the_table() {
        let (mut left, mut sources) =
            (vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))], Vec::new());
        while let Some(path) = left.pop() {
            match std::fs::read_dir(&path) {
                Ok(entries) => left.extend(entries.map(|entry| entry.unwrap().path())),
                Err(_) => sources.push(path),
            }
        }
        assert!(sources.len() > 30, "{} files", sources.len());
        let mut ways = Vec::new();
        for path in sources {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for way in
                ["route", "route_service", "nest", "nest_service", "merge", "fallback", "fallback_service"]
            {
                let calls = code.matches(&format!(".{way}(")).count();
                ways.extend((0..calls).map(|_| format!("{}: {way}", path.file_name().unwrap().display())));
            }
        }
        ways.sort();
        // What is no request at all is answered by a router of its own, which has nothing but the refusal.
        assert_eq!(ways, ["refusal.rs: fallback", "routes.rs: fallback_service", "routes.rs: route"]);
    }
}
