use std::net::Ipv4Addr;
use std::time::Duration;

use api_gateway::auth::Role;
use api_gateway::{AuthMode, Settings};
use proto::{inventory, orders, product};
use serde_json::json;

use crate::fake::Fake;
use crate::replies::{CHECKOUT, ORDER, cart, checkout, order, product, stock};
use crate::shop::{Shop, ask, peers, settings};

/// Each route, and the status for nobody, a user and an admin.
fn matrix() -> Vec<(&'static str, String, &'static str, [u16; 3])> {
    const PRODUCT: &str = r#"{"name":"a","description":"","category":"","image_url":"","price":{"amount":"1","currency":"USD"}}"#;
    let path = |path: &str| path.to_owned();
    vec![
        ("GET", path("/health"), "", [200, 200, 200]),
        ("GET", path("/health/live"), "", [200, 200, 200]),
        ("GET", path("/health/ready"), "", [200, 200, 200]),
        ("GET", path("/api/v1/products"), "", [200, 200, 200]),
        ("GET", path("/api/v1/products/1"), "", [200, 200, 200]),
        ("POST", path("/api/v1/products"), PRODUCT, [401, 403, 201]),
        ("PUT", path("/api/v1/products/1"), PRODUCT, [401, 403, 200]),
        ("DELETE", path("/api/v1/products/1"), "", [401, 403, 204]),
        ("GET", path("/api/v1/inventory/1"), "", [200, 200, 200]),
        ("PUT", path("/api/v1/inventory/1"), r#"{"on_hand":1}"#, [401, 403, 200]),
        ("GET", path("/api/v1/cart"), "", [401, 200, 200]),
        ("DELETE", path("/api/v1/cart"), "", [401, 200, 200]),
        ("POST", path("/api/v1/cart/items"), r#"{"product_id":1,"quantity":1}"#, [401, 201, 201]),
        ("PUT", path("/api/v1/cart/items/1"), r#"{"quantity":1}"#, [401, 200, 200]),
        ("DELETE", path("/api/v1/cart/items/1"), "", [401, 200, 200]),
        ("POST", path("/api/v1/checkout"), r#"{"idempotency_key":"k"}"#, [401, 201, 201]),
        ("GET", format!("/api/v1/checkout/{CHECKOUT}"), "", [401, 200, 200]),
        ("GET", path("/api/v1/orders"), "", [401, 200, 200]),
        ("GET", format!("/api/v1/orders/{ORDER}"), "", [401, 200, 200]),
        ("PATCH", format!("/api/v1/orders/{ORDER}"), r#"{"status":"SHIPPED"}"#, [401, 403, 200]),
        ("POST", path("/api/v1/auth/token"), r#"{"user_id":1}"#, [404, 404, 404]),
        ("GET", path("/nowhere"), "", [404, 404, 404]),
    ]
}

fn everything_works(services: &Fake) {
    use proto::checkout as pb;
    let done = checkout(pb::CheckoutStatus::Completed);
    let products = product::GetProductsResponse { products: vec![product()], next_page_token: String::new() };
    let orders = orders::ListOrdersResponse { orders: vec![order()], next_page_token: String::new() };
    services.replies("get_products", products);
    for rpc in ["get_product", "create_product", "update_product"] {
        services.replies(rpc, product());
    }
    services.replies("delete_product", ());
    for rpc in ["get_stock", "set_stock"] {
        services.replies::<inventory::Stock>(rpc, stock());
    }
    for rpc in ["get_cart", "clear_cart", "add_item", "update_quantity", "remove_item"] {
        services.replies(rpc, cart());
    }
    services.replies("get_checkout", done.clone());
    let answer = pb::InitiateCheckoutResponse { checkout: Some(done), replayed: false };
    services.replies("initiate_checkout", answer);
    services.replies("list_orders", orders);
    for rpc in ["get_order", "update_order_status"] {
        services.replies(rpc, order());
    }
}

#[tokio::test]
async fn every_route_is_open_to_whom_it_is_for() {
    let shop = Shop::guarded().await;
    everything_works(&shop.services);
    let (user, admin) = (shop.token(7, Role::User), shop.token(8, Role::Admin));
    for (method, path, body, [nobody, for_user, for_admin]) in matrix() {
        for (token, status) in [(None, nobody), (Some(&user), for_user), (Some(&admin), for_admin)] {
            let bearer = token.map(|token| format!("Bearer {token}"));
            let mut headers = vec![("content-type", "application/json")];
            headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
            let before = shop.services.calls();
            let answer = shop.send(ask(method, &path, &headers, body)).await;
            match status {
                401 => {
                    answer.problem(401, "token_missing");
                    assert_eq!(answer.header("www-authenticate"), "Bearer");
                }
                403 => drop(answer.problem(403, "permission_denied")),
                404 => drop(answer.problem(404, "route_not_found")),
                _ => assert_eq!(answer.status, status, "{method} {path}"),
            }
            assert!(status < 300 || shop.services.calls() == before, "{method} {path} reached a service");
        }
    }
}

#[tokio::test]
async fn a_token_that_is_sent_must_be_good_everywhere() {
    let shop = Shop::guarded().await;
    everything_works(&shop.services);
    let old = format!("Bearer {}", shop.token(7, Role::Admin));
    shop.clock.advance(Duration::from_secs(3600 + 29));
    let answer = shop.send(ask("GET", "/api/v1/cart", &[("authorization", &old)], "")).await;
    assert_eq!(answer.status, 200, "within the leeway");
    shop.clock.advance(Duration::from_secs(1));
    for (method, path, body, _) in matrix() {
        for (authorization, code) in [
            (old.as_str(), "token_expired"),
            ("Bearer nonsense", "token_invalid"),
            ("Bearer", "token_invalid"),
            ("Basic dXNlcjpwYXNz", "token_invalid"),
            ("", "token_invalid"),
        ] {
            let headers = [("content-type", "application/json"), ("authorization", authorization)];
            let answer = shop.send(ask(method, &path, &headers, body)).await;
            if path.starts_with("/health") {
                assert_eq!(answer.status, 200);
                continue;
            }
            answer.problem(401, code);
            assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
        }
    }
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case_and_the_header_once() {
    let shop = Shop::guarded().await;
    everything_works(&shop.services);
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
    everything_works(&shop.services);
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
async fn issuer_and_audience_are_demanded_where_set() {
    let strict = Settings {
        auth_mode: AuthMode::Jwt,
        jwt_issuer: Some("shop".into()),
        jwt_audience: Some("api".into()),
        ..settings()
    };
    let shop = Shop::with(strict).await;
    let bearer = format!("Bearer {}", shop.token(7, Role::User));
    let answer = shop.send(ask("GET", "/api/v1/cart", &[("authorization", &bearer)], "")).await;
    answer.problem(401, "token_invalid");
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
