//! Many buyers, and a third of all calls lost, half of those after their effect.

use std::time::Duration;

use platform::World;
use proto::checkout::{CheckoutStatus, InitiateCheckoutRequest};

use crate::faults::Fault;
use crate::shop::{Around, request};

/// Each call fails once before and once after its effect: still one effect each, and the right end.
#[tokio::test]
async fn every_call_may_be_lost_and_repeated() {
    let both = [Fault::Lost, Fault::ReplyLost];
    let shop = Around::new(9, World::real()).start().await;
    for rpc in ["reserve", "confirm"] {
        shop.around.inventory.faults.plan(rpc, &both);
    }
    for rpc in ["authorize", "capture"] {
        shop.around.payment.faults.plan(rpc, &both);
    }
    let checkout = shop.buy(request(1, "a")).await.unwrap().checkout.unwrap();
    assert_eq!(checkout.status(), CheckoutStatus::Completed);
    let attempts: Vec<i32> = checkout.timeline.iter().map(|entry| entry.attempt).collect();
    assert_eq!(attempts, [3, 3, 3, 3, 0]);

    *shop.around.payment.refuse_capture.lock().unwrap() = true;
    *shop.around.payment.captured_meanwhile.lock().unwrap() = true;
    shop.around.inventory.faults.plan("release", &both);
    for rpc in ["void", "refund"] {
        shop.around.payment.faults.plan(rpc, &both);
    }
    let checkout = shop.buy(request(2, "a")).await.unwrap().checkout.unwrap();
    assert_eq!(checkout.status(), CheckoutStatus::Failed);
    shop.around.check(9, &shop.log).await;
}

#[tokio::test]
async fn buyers_in_a_storm_buy_exactly_what_is_there() {
    const BUYERS: i64 = 150;
    const STOCK: i64 = 100;
    for seed in 1..=3 {
        let shop = Around::new(STOCK, World::real()).start().await;
        shop.around.inventory.faults.storm(Some(seed));
        shop.around.payment.faults.storm(Some(seed + 100));
        let buy = |user| {
            let shop = &shop;
            let hasty = InitiateCheckoutRequest { wait_ms: Some(0), ..request(user, "a") };
            async move { shop.buy(hasty).await.unwrap().checkout.unwrap().checkout_id }
        };
        let ids = futures::future::join_all((1..=BUYERS).map(buy)).await;
        let mut bought = 0;
        for id in &ids {
            bought += i64::from(shop.end(id).await.status() == CheckoutStatus::Completed);
        }
        assert_eq!(bought, STOCK, "seed {seed}");
        assert_eq!(shop.around.inventory.stock.lock().unwrap()[&1], 0);
        shop.around.check(STOCK, &shop.log).await;
        tokio::time::timeout(Duration::from_secs(10), shop.stop()).await.unwrap();
    }
}
