//! `oxcart dlq`: what consumers gave up is listed, and gets another chance.

use std::path::Path;
use std::time::Duration;

use event_log::Event;
use platform::World;
use proto::events::{CHECKOUT_EVENTS, CheckoutCompleted};
use sql::sqlite::Sharing;

use crate::engines::Turn;
use crate::harness::{Shop, program};

#[tokio::test(flavor = "multi_thread")]
async fn in_a_file() {
    given_up_and_replayed(&Shop::programs().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_kafka() {
    let Some(shop) = Shop::on_engines(Turn::shared()).await else { return };
    given_up_and_replayed(&shop).await;
    shop.stop().await;
}

/// An event that nobody can understand is given up by both groups that consume its topic.
async fn given_up_and_replayed(shop: &Shop) {
    let (world, settings) = (World::real(), shop.settings());
    let poison = Event {
        id: world.ids.next(),
        kind: CheckoutCompleted::TYPE.to_owned(),
        source: "/somewhere".to_owned(),
        key: "7".to_owned(),
        time: world.clock.now(),
        traceparent: None,
        data: "{}".into(),
    };
    let log = settings.open_log(Sharing::Shared, world).await.unwrap();
    log.publish(CHECKOUT_EVENTS, &[poison]).await.unwrap();
    log.close().await;

    listed(shop, "dead letters: 2, not replayed: 2").await;
    let list = dlq(shop, "list");
    for group in ["orders-service", "cart-service"] {
        let line = list.lines().find(|line| line.contains(&format!("given up by {group}: "))).unwrap();
        assert!(line.contains("open") && line.contains("checkout.completed.v1"), "{line}");
    }
    // Both come back to both groups, which can't understand them any better, and purchases go on meanwhile.
    assert_eq!(dlq(shop, "replay"), "replayed: 2\n");
    listed(shop, "dead letters: 6, not replayed: 4").await;
    let user = shop.user(7);
    user.add(1, 1).await;
    assert_eq!(user.buy("after-the-poison").await.status, 201);
    user.orders(1).await;
}

async fn listed(shop: &Shop, wanted: &str) {
    testkit::eventually(wanted, Duration::from_secs(60), async || dlq(shop, "list").contains(wanted)).await;
}

fn dlq(shop: &Shop, verb: &str) -> String {
    let dir: &Path = shop.dir.path();
    let output =
        program("oxcart").args(["dlq", verb]).env("DATA_DIR", dir).envs(shop.variables()).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{err}");
    String::from_utf8(output.stdout).unwrap()
}
