//! `oxcart dlq`: what consumers gave up is listed, and gets another chance.

use std::path::Path;
use std::time::Duration;

use event_log::Event;
use platform::World;
use proto::events::{CHECKOUT_EVENTS, CheckoutCompleted};
use sql::sqlite::Sharing;

use crate::harness::{Shop, program};

#[tokio::test(flavor = "multi_thread")]
async fn in_a_file() {
    given_up_and_replayed(&Shop::programs().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_kafka() {
    let Some(shop) = Shop::on_engines().await else { return };
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
        request_id: None,
        data: "{}".into(),
    };
    let log = settings.open_log(Sharing::Shared, world).await.unwrap();
    log.publish(CHECKOUT_EVENTS, &[poison]).await.unwrap();
    log.close().await;

    eventually(shop, "both groups to give it up", |list| {
        ["orders-service", "cart-service"].iter().all(|group| {
            let given_up = format!("given up by {group}: ");
            list.lines().any(|line| line.contains("open") && line.contains(&given_up))
        })
    })
    .await;
    // In Kafka a letter may be there twice: members that join just then make the next one give it up again.
    let replayed = dlq(shop, "replay");
    let replayed: usize = replayed.trim().strip_prefix("replayed: ").unwrap().parse().unwrap();
    assert!(replayed >= 2, "{replayed}");
    // All come back to both groups, which can't understand them any better, and purchases go on meanwhile.
    eventually(shop, "both groups to give them up again", |list| {
        let (letters, open) = counts(list);
        letters - open == replayed && open >= 2 * replayed
    })
    .await;
    let user = shop.user(7);
    user.add(1, 1).await;
    assert_eq!(user.buy("after-the-poison").await.status, 201);
    user.orders(1).await;
}

async fn eventually(shop: &Shop, what: &str, is_listed: impl Fn(&str) -> bool) {
    testkit::eventually(what, Duration::from_secs(60), async || is_listed(&dlq(shop, "list"))).await;
}

/// How many letters there are, and how many of them were not replayed.
fn counts(list: &str) -> (usize, usize) {
    let line = list.lines().find_map(|line| line.strip_prefix("dead letters: ")).unwrap();
    let (letters, open) = line.split_once(", not replayed: ").unwrap();
    (letters.parse().unwrap(), open.parse().unwrap())
}

fn dlq(shop: &Shop, verb: &str) -> String {
    let dir: &Path = shop.dir.path();
    let output =
        program("oxcart").args(["dlq", verb]).env("DATA_DIR", dir).envs(shop.variables()).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{err}");
    String::from_utf8(output.stdout).unwrap()
}
