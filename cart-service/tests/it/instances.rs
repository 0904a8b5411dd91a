use std::time::{Duration, Instant};

use cart_service::Settings;
use platform::World;
use testkit::{Engine, Redis, eventually};

use crate::shop::{SOON, Shop, quantities};

/// Carts in a MongoDB database that nobody else has.
fn mongo(url: String) -> Settings {
    let mongo_db_name = format!("carts_{:x}", World::real().ids.next().as_u128());
    Settings { mongo_uri: Some(url), mongo_db_name, redis_url: None }
}

/// What two instances do to the same carts, one after the other.
async fn each_shows_what_the_other_changed(one: &Shop, other: &Shop) {
    for user in 1..=5 {
        assert_eq!(one.cart(user).await.version, 0);
        assert_eq!(other.cart(user).await.version, 0);
        for round in 1..=10 {
            let added = one.add(user, 1, 1).await.unwrap();
            assert_eq!(other.cart(user).await, added);
            let changed = other.update(user, 1, 2 * round).await.unwrap();
            assert_eq!(one.cart(user).await, changed);
            assert_eq!(quantities(&one.update(user, 1, round).await.unwrap()), [(1, round)]);
        }
        let bought = other.cart(user).await;
        one.deliver(one.bought(user, bought.version, &[(1, 4)])).await;
        assert_eq!(quantities(&other.cart(user).await), [(1, 6)]);
    }
}

#[tokio::test]
async fn on_mongodb_alone_nothing_is_kept_that_could_be_old() {
    let Some(url) = Engine::Mongo.url() else { return };
    let settings = mongo(url);
    let (one, other) = (Shop::with(settings.clone()).await, Shop::with(settings).await);
    each_shows_what_the_other_changed(&one, &other).await;
    let before = one.cart(1).await;
    let one = one.restart().await;
    assert_eq!(one.cart(1).await, before);
}

#[tokio::test]
async fn on_mongodb_and_redis_changes_are_seen_at_once() {
    let (Some(url), Some(redis)) = (Engine::Mongo.url(), Redis::start()) else { return };
    let settings = Settings { redis_url: Some(redis.url()), ..mongo(url) };
    let (one, other) = (Shop::with(settings.clone()).await, Shop::with(settings).await);
    let cached = async || {
        one.cart(77).await;
        redis.ask("EXISTS oxcart:cart:77").starts_with(":1")
    };
    eventually("redis is used", SOON, cached).await;
    each_shows_what_the_other_changed(&one, &other).await;
    redis.kill();
    let asked = Instant::now();
    let added = one.add(8, 1, 1).await.unwrap();
    assert_eq!(other.cart(8).await, added);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert!(one.service.grpc().health().is_serving(), "a cache is no reason to refuse");
}

#[tokio::test]
async fn without_its_store_a_service_lives_and_is_not_ready() {
    let settings = mongo("mongodb://127.0.0.1:1".to_owned());
    let asked = Instant::now();
    let shop = Shop::with(settings).await;
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    let health = shop.service.grpc().health();
    eventually("it is not ready", SOON, async || !health.is_serving()).await;
    let refusal = shop.add(1, 1, 1).await.unwrap_err();
    assert_eq!((refusal.code(), refusal.message()), (tonic::Code::Unavailable, "carts are not available"));
}

#[tokio::test]
async fn a_file_has_a_cache_in_redis_too_but_believes_nothing_from_before() {
    let Some(redis) = Redis::start() else { return };
    let settings = || Settings { redis_url: Some(redis.url()), ..Settings::default() };
    let cached = async |shop: &Shop| {
        shop.cart(1).await;
        redis.ask("GET oxcart:cart:1").contains("product 1")
    };
    let shop = Shop::with(settings()).await;
    shop.add(1, 1, 2).await.unwrap();
    eventually("the cart is in redis", SOON, async || cached(&shop).await).await;
    drop(shop);
    // Another file, as after the first was thrown away.
    let shop = Shop::with(settings()).await;
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        assert_eq!(shop.cart(1).await.version, 0);
    }
    shop.add(1, 1, 1).await.unwrap();
    eventually("the cart is in redis", SOON, async || cached(&shop).await).await;
    assert_eq!(quantities(&shop.cart(1).await), [(1, 1)]);
}

#[tokio::test]
async fn what_can_not_be_used_stops_the_start_and_is_named() {
    let unusable = Settings { redis_url: Some("http://secret@h".to_owned()), ..Settings::default() };
    let error = Shop::refused(unusable).await;
    assert!(error.starts_with("can't open the carts: REDIS_URL=*** can't be used: "), "{error}");
    let error = Shop::refused(mongo("secret".to_owned())).await;
    assert!(error.starts_with("can't open the carts: MONGO_URI=*** can't be used: "), "{error}");
}
