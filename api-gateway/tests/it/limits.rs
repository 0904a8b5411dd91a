mod shared;

use std::time::{Duration, Instant};

use api_gateway::auth::Role;
use api_gateway::{AuthMode, Settings};
use proto::product as pb;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::owned::everything_works;
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
async fn r2_who_asks_too_often_is_told_to_wait() {
    let shop = limited(&[]).await;
    for (status, rate) in [(200, "\"read\";r=1;t=1"), (200, "\"read\";r=0;t=2"), (429, "\"read\";r=0;t=2")] {
        let answer = list(&shop, "203.0.113.9", "").await;
        assert_eq!((answer.status.as_u16(), answer.header("ratelimit")), (status, rate));
        assert_eq!(answer.header("ratelimit-policy"), "\"read\";q=2;w=2");
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
    assert_eq!(answer.header("ratelimit"), "\"read\";r=19;t=1");
    assert_eq!(answer.header("ratelimit-policy"), "\"read\";q=20;w=2");
    for _ in 0..19 {
        assert_eq!(shop.get(LIST).await.status, 200);
    }
    shop.get(LIST).await.problem(429, "rate_limited");
}

#[tokio::test(start_paused = true)]
async fn r1_a_client_cannot_pretend_to_be_others() {
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
async fn r1_a_trusted_proxy_says_who_asks() {
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
async fn r1_a_user_has_one_bucket_wherever_they_are() {
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
async fn r2_a_bad_token_counts_for_its_address_and_probes_for_nobody() {
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

#[tokio::test(start_paused = true)]
async fn r2_the_more_a_request_costs_the_fewer_of_it() {
    let limits = Settings { rate_limit_rps: 10, rate_limit_burst: 20, ..settings() };
    let shop = Shop::with(limits).await;
    everything_works(&shop.services);
    let quantity = r#"{"product_id":1,"quantity":1}"#;
    let json = ("content-type", "application/json");
    let read = || ask("GET", "/api/v1/cart", &[], "");
    let write = || ask("POST", "/api/v1/cart/items", &[json], quantity);
    let buy = || ask("POST", "/api/v1/checkout", &[("idempotency-key", "k")], "");
    let login = || ask("POST", "/api/v1/auth/token", &[json], r#"{"user_id":1}"#);
    let requests: [(&dyn Fn() -> http::Request<axum::body::Body>, _, _, _); 3] = [
        (&read, 20, "\"read\";q=20;w=2", Duration::from_millis(100)),
        (&write, 10, "\"write\";q=10;w=2", Duration::from_millis(200)),
        (&buy, 4, "\"checkout\";q=4;w=2", Duration::from_millis(500)),
    ];
    for (request, burst, policy, interval) in requests {
        for _ in 0..burst {
            let answer = shop.send(request()).await;
            assert!(answer.status.is_success(), "{policy}");
            assert_eq!(answer.header("ratelimit-policy"), policy);
        }
        shop.send(request()).await.problem(429, "rate_limited");
        tokio::time::advance(interval - Duration::from_millis(1)).await;
        shop.send(request()).await.problem(429, "rate_limited");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(shop.send(request()).await.status.is_success(), "one comes back");
        shop.send(request()).await.problem(429, "rate_limited");
    }
    tokio::time::advance(Duration::from_secs(2)).await;
    for _ in 0..10 {
        assert_eq!(shop.send(write()).await.status, 201);
    }
    shop.send(login()).await.problem(429, "rate_limited");
}

/// Whatever else a request says of where it comes from, and in whatever form.
#[tokio::test(start_paused = true)]
async fn r1_no_header_is_a_way_to_another_bucket() {
    let shop = limited(&["10.0.0.0/8"]).await;
    let names =
        ["x-forwarded-for", "X-Real-IP", "forwarded", "true-client-ip", "cf-connecting-ip", "x-client-ip"];
    let values =
        ["198.51.100.7", "for=198.51.100.8", "::ffff:198.51.100.9", "[2001:db8::1]:80", "unknown, 1.1.1.1"];
    let mut served = 0;
    for name in names {
        for value in values {
            for request in [
                ask("GET", LIST, &[(name, value)], ""),
                ask("GET", LIST, &[(name, value), (name, "8.8.8.8")], ""),
            ] {
                served += usize::from(shop.send(from("203.0.113.9", request)).await.status == 200);
            }
        }
    }
    assert_eq!(served, 2);
}

/// The address of a client is the one that the last trusted proxy saw, in all of its forms.
#[tokio::test(start_paused = true)]
async fn r1_an_address_has_one_bucket_in_all_its_forms() {
    let shop = limited(&["10.0.0.0/8"]).await;
    let forms = [
        ("203.0.113.9", 200),
        ("203.0.113.9:4711", 200),
        ("::ffff:203.0.113.9", 429),
        ("[::ffff:203.0.113.9]:80", 429),
        ("::ffff:cb00:7109", 429),
        ("2001:db8:1:2::1", 200),
        ("[2001:DB8:1:2:ffff::]:443", 200),
        ("2001:0db8:0001:0002:0:0:0:9", 429),
        ("2001:db8:1:3::1", 200),
    ];
    for (form, status) in forms {
        assert_eq!(list(&shop, "10.0.0.1", form).await.status, status, "{form}");
    }
}

#[tokio::test]
async fn r2_many_at_once_get_no_more_than_the_burst_and_what_comes_back() {
    let settings = Settings { rate_limit_rps: 1, rate_limit_burst: 25, ..settings() };
    let shop = Shop::with(settings).await;
    everything_works(&shop.services);
    let asked = Instant::now();
    let requests = (0..200).map(|key| {
        let key = key.to_string();
        shop.router.clone().oneshot(ask("POST", "/api/v1/checkout", &[("idempotency-key", &key)], ""))
    });
    let requests: JoinSet<_> = requests.collect();
    let answers = requests.join_all().await;
    let through = answers.into_iter().filter(|answer| answer.as_ref().unwrap().status() == 201).count();
    let back = asked.elapsed().as_secs() as usize / 5 + 1;
    assert!((5..=5 + back).contains(&through), "{through}");
}
