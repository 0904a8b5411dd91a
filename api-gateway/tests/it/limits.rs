use std::time::{Duration, Instant};

use api_gateway::auth::Role;
use api_gateway::{AuthMode, Settings};
use futures::future::join_all;
use platform::config::Server;
use proto::product as pb;
use testkit::{Redis, eventually};

use crate::replies::cart;
use crate::shop::{Answer, Shop, ask, from, peers, settings};

const LIST: &str = "/api/v1/products";
const SOON: Duration = Duration::from_secs(20);

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

/// The same limits, shared through this Redis.
async fn shared(redis: &Redis, rate_limit_rps: u32, rate_limit_burst: u32) -> Shop {
    let server = Server { url: redis.url(), variable: "REDIS_URL".to_owned() };
    let shop =
        Shop::with(Settings { rate_limit_rps, rate_limit_burst, redis: Some(server), ..settings() }).await;
    shop.services.replies("get_products", pb::GetProductsResponse::default());
    shop.services.replies("get_cart", cart());
    eventually("redis is asked", SOON, async || is_shared(&shop, redis).await).await;
    shop
}

/// Whether a request of nobody else is counted in Redis.
async fn is_shared(shop: &Shop, redis: &Redis) -> bool {
    let key = "oxcart:limit:at:192.0.2.99";
    redis.ask(&format!("DEL {key}"));
    shop.send(from("192.0.2.99", ask("GET", LIST, &[("authorization", "Bearer x")], ""))).await;
    redis.ask(&format!("EXISTS {key}")) == ":1\r\n"
}

async fn cart_of(shop: &Shop, user: i64) -> Answer {
    let bearer = format!("Bearer {}", shop.token(user, Role::User));
    shop.send(from("203.0.113.9", ask("GET", "/api/v1/cart", &[("authorization", &bearer)], ""))).await
}

fn scripts_run(redis: &Redis) -> u64 {
    let stats = redis.ask("INFO commandstats");
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")).unwrap();
    calls.split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn gateways_share_a_bucket_through_redis() {
    let Some(redis) = Redis::start() else { return };
    let shops = [shared(&redis, 1, 20).await, shared(&redis, 1, 20).await];
    for user in 1.. {
        let (before, asked) = (scripts_run(&redis), Instant::now());
        let answers = join_all((0..60).map(|turn| cart_of(&shops[turn % 2], user))).await;
        let back = asked.elapsed().as_secs() as usize + 1;
        if scripts_run(&redis) - before == 60 {
            let through = answers.iter().filter(|answer| answer.status == 200).count();
            assert!((20..=20 + back).contains(&through), "{through} in {back} s");
            break;
        }
        // The machine is too loaded: Redis did not answer in time, and each limited by itself.
    }
}

#[tokio::test]
async fn what_clients_are_told_is_the_same_with_redis() {
    let Some(redis) = Redis::start() else { return };
    let limits = Settings { rate_limit_rps: 1, rate_limit_burst: 3, ..settings() };
    let alone = Shop::with(limits).await;
    alone.services.replies("get_cart", cart());
    let together = shared(&redis, 1, 3).await;
    for user in 1.. {
        let asked = Instant::now();
        let mut told = Vec::new();
        for shop in [&alone, &together] {
            for _ in 0..4 {
                let answer = cart_of(shop, user).await;
                let headers = ["ratelimit", "ratelimit-policy", "retry-after"];
                told.push((answer.status.as_u16(), headers.map(|name| answer.header(name).to_owned())));
            }
        }
        if asked.elapsed() < Duration::from_millis(900) {
            assert_eq!(told[..4], told[4..]);
            assert_eq!((told[7].0, told[7].1[2].as_str()), (429, "1"));
            break;
        }
    }
}

#[tokio::test]
async fn without_redis_each_gateway_limits_by_itself_from_where_it_was() {
    let Some(redis) = Redis::start() else { return };
    let shop = shared(&redis, 1, 20).await;
    let through = async |user, requests| {
        let answers = join_all((0..requests).map(|_| cart_of(&shop, user))).await;
        answers.iter().filter(|answer| answer.status == 200).count()
    };
    let asked = Instant::now();
    let most = || 20 + asked.elapsed().as_secs() as usize + 1;
    let mut passed = through(1, 15).await;
    redis.kill();
    let silent = Instant::now();
    passed += through(1, 40).await;
    assert!((20..=most()).contains(&passed), "{passed}");
    assert!(silent.elapsed() < Duration::from_secs(2), "{:?}", silent.elapsed());
    redis.restart();
    eventually("redis is asked again", SOON, async || is_shared(&shop, &redis).await).await;
    assert_eq!(cart_of(&shop, 2).await.header("ratelimit"), "\"default\";r=19;t=1");
}

#[tokio::test]
async fn a_redis_that_hangs_lets_nobody_wait_and_nobody_through() {
    let Some(redis) = Redis::start() else { return };
    let shop = shared(&redis, 1, 5).await;
    redis.freeze();
    let asked = Instant::now();
    let answers = join_all((0..30).map(|_| cart_of(&shop, 1))).await;
    let through = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert!((5..=7).contains(&through), "{through}");
    redis.thaw();
    eventually("redis is asked again", SOON, async || is_shared(&shop, &redis).await).await;
}

#[tokio::test]
async fn a_redis_url_that_can_not_be_used_stops_the_start() {
    let server = Server { url: "http://secret@h".to_owned(), variable: "REDIS_URL".to_owned() };
    let settings = Settings { redis: Some(server), ..settings() };
    let services = crate::fake::Fake::default();
    let (world, _) = testkit::world();
    let opened = api_gateway::open(settings, [127, 0, 0, 1].into(), peers(&services), world).await;
    let error = opened.err().unwrap().to_string();
    assert!(error.starts_with("REDIS_URL=*** can't be used: it is no URL of a Redis; wanted: "), "{error}");
}
