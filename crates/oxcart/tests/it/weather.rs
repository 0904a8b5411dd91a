//! Purchases while the network between the programs is disturbed.

use std::time::Duration;

use oxcart::Program;
use oxcart::audit::Status;
use platform::World;
use testkit::Weather;

use crate::buyers::Buyer;
use crate::harness::Shop;

/// Who buys in each weather.
const BUYERS: i64 = 16;

/// How long a weather lasts.
const LASTS: Duration = Duration::from_millis(1_500);

const ALL: [Weather; 6] = [
    Weather::Slow,
    Weather::Sliced,
    Weather::LosesAnswers,
    Weather::Resets,
    Weather::Silent,
    Weather::HalfOpen,
];

#[tokio::test(flavor = "multi_thread")]
async fn between_checkout_and_payment() {
    all_weathers("checkout-service", Program::Payment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_checkout_and_inventory() {
    all_weathers("checkout-service", Program::Inventory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_gateway_and_checkout() {
    all_weathers("api-gateway", Program::Checkout).await;
}

/// Whoever repeats his request has his purchase in the end, or nothing of it.
async fn all_weathers(from: &str, to: Program) {
    let shop = Shop::programs_linked(&[(from, to)]).await;
    let product = shop.admin().stock_new("Umbrella", 10_000).await;
    let clock = World::real().clock;
    let buyers = (1..=BUYERS).map(|user| Buyer::new(shop.user(user), user)).collect::<Vec<_>>();
    let mut completed = 0;
    for weather in ALL {
        let key = format!("{weather:?}");
        let purchases = buyers.iter().map(|buyer| async {
            buyer.fill(product).await;
            buyer.buy(&key, "pm_card_visa").await
        });
        let passes = async {
            shop.weather_becomes(weather);
            clock.sleep(LASTS).await;
            shop.weather_becomes(Weather::Fair);
        };
        let (ends, ()) = tokio::join!(futures::future::join_all(purchases), passes);
        completed += ends.iter().filter(|end| **end == Status::Completed).count();
    }
    let report = shop.audit().await;
    assert_eq!((report.checkouts.running, report.checkouts.completed), (0, completed), "{report}");
    let figures = format!("purchases: {completed}, violations: 0");
    testkit::figures::tell(&format!("network from {from} to {}", to.name()), figures);
}
