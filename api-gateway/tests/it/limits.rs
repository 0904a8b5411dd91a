use std::time::Duration;

use api_gateway::auth::Role;
use api_gateway::{AuthMode, Settings};
use proto::product as pb;

use crate::replies::cart;
use crate::shop::{Answer, Shop, ask, from, settings};

const LIST: &str = "/api/v1/products";

/// Two requests at once, one more each second.
async fn limited(trusted_proxies: &[&str]) -> Shop {
    let shop = Shop::with(Settings {
        auth_mode: AuthMode::Jwt,
        rate_limit_rps: 1,
        rate_limit_burst: 2,
        trusted_proxies: trusted_proxies.iter().map(|network| network.parse().unwrap()).collect(),
        ..settings()
    });
    let shop = shop.await;
    shop.services.replies("get_products", pb::GetProductsResponse::default());
    shop.services.replies("get_cart", cart());
    shop
}

async fn list(shop: &Shop, peer: &str, forwarded: &str) -> Answer {
    let headers = [("x-forwarded-for", forwarded), ("x-real-ip", forwarded), ("forwarded", forwarded)];
    shop.send(from(peer, ask("GET", LIST, &headers, ""))).await
}

#[tokio::test(start_paused = true)]
async fn who_asks_too_often_is_told_to_wait() {
    let shop = limited(&[]).await;
    for (status, rate) in
        [(200, "\"default\";r=1;t=1"), (200, "\"default\";r=0;t=2"), (429, "\"default\";r=0;t=2")]
    {
        let answer = list(&shop, "203.0.113.9", "").await;
        assert_eq!((answer.status.as_u16(), answer.header("ratelimit")), (status, rate));
        assert_eq!(answer.header("ratelimit-policy"), "\"default\";q=2;w=2");
        if status == 429 {
            answer.problem(429, "rate_limited");
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
    assert_eq!(shop.services.calls(), 2);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(list(&shop, "203.0.113.9", "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_default_is_twenty_at_once() {
    let shop = Shop::with(Settings { rate_limit_rps: 10, rate_limit_burst: 20, ..settings() }).await;
    shop.services.replies("get_products", pb::GetProductsResponse::default());
    let answer = shop.get(LIST).await;
    assert_eq!(answer.header("ratelimit"), "\"default\";r=19;t=1");
    assert_eq!(answer.header("ratelimit-policy"), "\"default\";q=20;w=2");
    for _ in 0..19 {
        assert_eq!(shop.get(LIST).await.status, 200);
    }
    shop.get(LIST).await.problem(429, "rate_limited");
}

#[tokio::test(start_paused = true)]
async fn a_client_cannot_pretend_to_be_others() {
    let shop = limited(&[]).await;
    for (fake, status) in [("1.1.1.1", 200), ("2.2.2.2", 200), ("3.3.3.3", 429)] {
        assert_eq!(list(&shop, "203.0.113.9", fake).await.status, status);
    }
    for (address, status) in [("2001:db8::1", 200), ("2001:db8::2", 200), ("2001:db8::3", 429)] {
        assert_eq!(list(&shop, address, "").await.status, status, "one network");
    }
    assert_eq!(list(&shop, "203.0.113.10", "").await.status, 200, "somebody else");
}

#[tokio::test(start_paused = true)]
async fn a_trusted_proxy_says_who_asks() {
    let shop = limited(&["10.0.0.0/8"]).await;
    for (forwarded, status) in [
        ("6.6.6.6, 203.0.113.9", 200),
        ("7.7.7.7, 203.0.113.9, 10.0.0.2", 200),
        ("8.8.8.8, 203.0.113.9", 429),
        ("203.0.113.9, 203.0.113.10", 200),
    ] {
        assert_eq!(list(&shop, "10.0.0.1", forwarded).await.status, status, "{forwarded}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_has_one_bucket_wherever_they_are() {
    let shop = limited(&[]).await;
    let cart = async |user, peer| {
        let bearer = format!("Bearer {}", shop.token(user, Role::User));
        let request = ask("GET", "/api/v1/cart", &[("authorization", &bearer)], "");
        shop.send(from(peer, request)).await.status.as_u16()
    };
    assert_eq!(cart(7, "203.0.113.1").await, 200);
    assert_eq!(cart(7, "203.0.113.2").await, 200);
    assert_eq!(cart(7, "203.0.113.3").await, 429);
    assert_eq!(cart(8, "203.0.113.3").await, 200, "another user at the same address");
}

#[tokio::test(start_paused = true)]
async fn a_bad_token_counts_for_its_address_and_probes_for_nobody() {
    let shop = limited(&[]).await;
    for status in [401, 401, 429] {
        let request = ask("GET", "/api/v1/cart", &[("authorization", "Bearer x")], "");
        assert_eq!(shop.send(from("203.0.113.9", request)).await.status, status);
    }
    let lost = shop.send(from("203.0.113.9", ask("GET", "/nowhere", &[], ""))).await;
    lost.problem(429, "rate_limited");
    for _ in 0..5 {
        let answer = shop.send(from("203.0.113.9", ask("GET", "/health", &[], ""))).await;
        assert_eq!((answer.status.as_u16(), answer.headers.get("ratelimit")), (200, None));
    }
}

#[tokio::test]
async fn no_limit_means_no_limit() {
    let shop = Shop::open().await;
    shop.services.replies("get_products", pb::GetProductsResponse::default());
    for _ in 0..50 {
        let answer = shop.get(LIST).await;
        assert_eq!((answer.status.as_u16(), answer.headers.get("ratelimit")), (200, None));
    }
}
