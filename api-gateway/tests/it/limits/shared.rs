//! With Redis.

use std::time::{Duration, Instant};

use api_gateway::Settings;
use api_gateway::auth::Role;
use futures::future::join_all;
use platform::config::Server;
use proto::product as pb;
use testkit::{Redis, eventually};

use super::LIST;
use crate::replies::cart;
use crate::shop::{Answer, Shop, ask, from, peers, settings};

const SOON: Duration = Duration::from_secs(20);

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
    let key = "oxcart:limit:read:at:192.0.2.99";
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
async fn r2_gateways_share_a_bucket_through_redis() {
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
async fn r2_what_clients_are_told_is_the_same_with_redis() {
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
async fn r2_without_redis_each_gateway_limits_by_itself_from_where_it_was() {
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
    assert_eq!(cart_of(&shop, 2).await.header("ratelimit"), "\"read\";r=19;t=1");
}

#[tokio::test]
async fn r2_a_redis_that_hangs_lets_nobody_wait_and_nobody_through() {
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
