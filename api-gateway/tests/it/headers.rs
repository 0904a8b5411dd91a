//! The headers of every route.

use std::fmt::Write as _;

use api_gateway::auth::Role;
use api_gateway::{AuthMode, Settings, Who};

use crate::fake::Fake;
use crate::owned::{OWNER, everything_works};
use crate::policies::{body, guarded, path};
use crate::shop::{Answer, Shop, ask, gateway, settings};

/// Method, path, status, caching, kind of content, whether there is an entity tag, what the answer varies with.
const SNAPSHOT: &str = "\
GET    /health                          200 no-store          application/json  -      -
GET    /health/live                     200 no-store          application/json  -      -
GET    /health/ready                    200 no-store          application/json  -      -
GET    /openapi.json                    200 public, no-cache  application/json  strong accept-encoding
GET    /docs                            200 public, no-cache  text/html         -      -
GET    /docs/{asset}                    200 public, max-age=3600 text/javascript   -      -
GET    /api/v1/products                 200 public, no-cache  application/json  strong accept-encoding
POST   /api/v1/products                 201 no-store          application/json  strong -
GET    /api/v1/products/{id}            200 public, no-cache  application/json  strong accept-encoding
PUT    /api/v1/products/{id}            200 no-store          application/json  strong -
DELETE /api/v1/products/{id}            204 no-store          -                 -      -
GET    /api/v1/inventory/{product_id}   200 no-store          application/json  -      -
PUT    /api/v1/inventory/{product_id}   200 no-store          application/json  -      -
GET    /api/v1/cart                     200 no-store          application/json  strong accept-encoding
DELETE /api/v1/cart                     200 no-store          application/json  strong -
POST   /api/v1/cart/items               201 no-store          application/json  strong -
PUT    /api/v1/cart/items/{product_id}  200 no-store          application/json  strong -
DELETE /api/v1/cart/items/{product_id}  200 no-store          application/json  strong -
POST   /api/v1/checkout                 201 no-store          application/json  -      -
GET    /api/v1/checkout/{id}            200 no-store          application/json  -      -
GET    /api/v1/checkout/{id}/events     200 no-store          text/event-stream -      -
GET    /api/v1/orders                   200 no-store          application/json  -      -
GET    /api/v1/orders/{id}              200 no-store          application/json  -      -
GET    /api/v1/orders/{id}/events       200 no-store          text/event-stream -      -
PATCH  /api/v1/orders/{id}              200 no-store          application/json  -      -
POST   /api/v1/orders/{id}/cancel       202 no-store          application/json  -      -
";

/// Everything works, and scripts of one site may call.
async fn open(settings: Settings) -> Shop {
    let services = Fake::default();
    everything_works(&services);
    let (world, clock) = testkit::world();
    let settings = Settings { auth_mode: AuthMode::Jwt, ..settings };
    let router = gateway(settings, &services, world).await.router();
    Shop { router, services, clock }
}

/// Every route, asked by whom it is for, with these headers as well.
async fn ask_all(shop: &Shop, more: &[(&str, &str)]) -> Vec<(String, Answer)> {
    let mut answers = Vec::new();
    for policy in guarded().await.1 {
        let role = if policy.who == Who::Admin { Role::Admin } else { Role::User };
        let token = format!("Bearer {}", shop.token(OWNER, role));
        let body = body(&policy).map(|body| body.to_string());
        let mut headers = vec![("authorization", token.as_str())];
        headers.extend(body.as_ref().map(|_| ("content-type", "application/json")));
        headers.extend(more);
        let request = ask(policy.method.as_str(), &path(policy.path), &headers, &body.unwrap_or_default());
        answers.push((format!("{:6} {:33}", policy.method.as_str(), policy.path), shop.send(request).await));
    }
    answers
}

#[tokio::test]
async fn e2_every_route_has_the_headers_that_it_is_to_have() {
    let shop = open(settings()).await;
    let mut snapshot = String::new();
    for (route, answer) in ask_all(&shop, &[]).await {
        let or_none = |name| Some(answer.header(name)).filter(|value| !value.is_empty()).unwrap_or("-");
        let tag = match or_none("etag") {
            "-" => "-",
            tag if tag.starts_with('"') => "strong",
            _ => "weak",
        };
        let (status, caching) = (answer.status.as_u16(), or_none("cache-control"));
        let (kind, vary) = (or_none("content-type").split(';').next().unwrap(), or_none("vary"));
        let _ = writeln!(snapshot, "{route}{status} {caching:17} {kind:17} {tag:6} {vary}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{route}");
        for absent in ["strict-transport-security", "access-control-allow-origin", "server", "set-cookie"] {
            assert_eq!(answer.headers.get(absent), None, "{route} {absent}");
        }
    }
    assert_eq!(snapshot, SNAPSHOT, "\n{snapshot}");
}

#[tokio::test]
async fn e2_what_is_refused_is_kept_by_nobody() {
    let shop = open(settings()).await;
    for (route, answer) in ask_all(&shop, &[("authorization", "Bearer x")]).await {
        if answer.status != 200 {
            // `any_problem` looks at the headers.
            assert_eq!(
                (answer.any_problem()["code"].as_str(), answer.status.as_u16()),
                (Some("token_invalid"), 401)
            );
        } else {
            assert!(route.contains("/health"), "{route}");
        }
    }
}

#[tokio::test]
async fn e2_no_answer_lets_another_web_site_in() {
    let cors_origins = vec!["https://shop.example".parse().unwrap()];
    let shop = open(Settings { cors_origins, ..settings() }).await;
    for (origin, allowed) in
        [("https://shop.example", "https://shop.example"), ("https://evil.example", ""), ("null", "")]
    {
        for (route, answer) in ask_all(&shop, &[("origin", origin)]).await {
            assert_eq!(answer.header("access-control-allow-origin"), allowed, "{route} from {origin}");
            assert_eq!(answer.headers.get("access-control-allow-credentials"), None, "{route}");
            let vary: Vec<_> = answer.headers.get_all("vary").iter().map(|it| it.to_str().unwrap()).collect();
            assert!(vary.join(",").contains("origin"), "{route} is not kept for another site: {vary:?}");
        }
    }
}

#[tokio::test]
async fn e2_https_is_to_be_kept_to_where_it_is_spoken() {
    let shop = open(Settings { hsts_max_age: Some(86_400), ..settings() }).await;
    for (route, answer) in ask_all(&shop, &[]).await {
        assert_eq!(answer.header("strict-transport-security"), "max-age=86400", "{route}");
    }
    let lost = shop.get("/nowhere").await;
    assert_eq!(lost.header("strict-transport-security"), "max-age=86400");
}
