//! Every URL of the shop: method, path, who it is for, who answers.

use std::time::Duration;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, any, on};
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION, RETRY_AFTER,
};
use http::{HeaderName, Method, StatusCode};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;
use tower_http::cors::CorsLayer;

use crate::config::AuthMode;
use crate::gateway::Shop;
use crate::guard::Who::{Admin, Anyone, Probe, User};
use crate::guard::{Who, guard};
use crate::observe::observe;
use crate::problem::Problem;
use crate::{carts, checkouts, health, inventory, orders, products, tokens};

/// Smaller answers are sent as they are, in bytes: squeezing them costs more than it saves.
const COMPRESS_ABOVE: u64 = 4096;
/// How long a browser need not ask again whether it may ask.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);

#[rustfmt::skip]
fn table(mode: AuthMode) -> Vec<Route> {
    const GET: MethodFilter = MethodFilter::GET;
    const POST: MethodFilter = MethodFilter::POST;
    const PUT: MethodFilter = MethodFilter::PUT;
    const PATCH: MethodFilter = MethodFilter::PATCH;
    const DELETE: MethodFilter = MethodFilter::DELETE;
    let mut table = vec![
        route(GET,    "/health",                         Probe,  health::live),
        route(GET,    "/health/live",                    Probe,  health::live),
        route(GET,    "/health/ready",                   Probe,  health::ready),

        route(GET,    "/api/v1/products",                Anyone, products::list),
        route(POST,   "/api/v1/products",                Admin,  products::create),
        route(GET,    "/api/v1/products/{id}",           Anyone, products::show),
        route(PUT,    "/api/v1/products/{id}",           Admin,  products::replace),
        route(DELETE, "/api/v1/products/{id}",           Admin,  products::delete),
        route(GET,    "/api/v1/inventory/{product_id}",  Anyone, inventory::show),
        route(PUT,    "/api/v1/inventory/{product_id}",  Admin,  inventory::set),

        route(GET,    "/api/v1/cart",                    User,   carts::show),
        route(DELETE, "/api/v1/cart",                    User,   carts::clear),
        route(POST,   "/api/v1/cart/items",              User,   carts::add),
        route(PUT,    "/api/v1/cart/items/{product_id}", User,   carts::set),
        route(DELETE, "/api/v1/cart/items/{product_id}", User,   carts::remove),

        route(POST,   "/api/v1/checkout",                User,   checkouts::start),
        route(GET,    "/api/v1/checkout/{id}",           User,   checkouts::show),
        route(GET,    "/api/v1/orders",                  User,   orders::list),
        route(GET,    "/api/v1/orders/{id}",             User,   orders::show),
        route(PATCH,  "/api/v1/orders/{id}",             Admin,  orders::advance),
        route(POST,   "/api/v1/orders/{id}/cancel",      User,   orders::cancel),
    ];
    match mode {
        AuthMode::Jwt => {}
        AuthMode::Dev => table.push(
            route(POST, "/api/v1/auth/token",            Anyone, tokens::issue)),
    }
    table
}

struct Route {
    path: &'static str,
    who: Who,
    handler: MethodRouter<Shop>,
}

fn route<H, T>(method: MethodFilter, path: &'static str, who: Who, handler: H) -> Route
where
    H: Handler<T, Shop>,
    T: 'static,
{
    Route { path, who, handler: on(method, handler) }
}

/// The table behind its guards, and what surrounds them all.
pub(crate) fn router(shop: &Shop) -> Router {
    let guarded = |who| from_fn_with_state((shop.clone(), who), guard);
    let table = table(shop.auth.mode()).into_iter();
    let routes = table.fold(Router::new(), |router, Route { path, who, handler }| {
        router.route(path, handler.route_layer(guarded(who)))
    });
    let lost = any(|| async { Problem::bare(StatusCode::NOT_FOUND) });
    let mut router = routes
        .fallback_service(lost.layer(guarded(Anyone)))
        .layer(CompressionLayer::new().gzip(true).compress_when(SizeAbove::new(COMPRESS_ABOVE)));
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
            named("x-request-id"),
        ])
        .expose_headers([
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

    use super::*;

    #[test]
    fn only_dev_mode_gives_out_tokens() {
        let paths = |mode| table(mode).iter().map(|route| route.path).collect::<BTreeSet<_>>();
        let more: Vec<_> = paths(AuthMode::Dev).difference(&paths(AuthMode::Jwt)).copied().collect();
        assert_eq!(more, ["/api/v1/auth/token"]);
    }
}
