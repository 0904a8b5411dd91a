//! A database that comes and goes.

use std::time::Duration;

use proto::inventory::ReservationStatus::Held;
use testkit::{Proxy, Weather, eventually};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::shop::{Home, PATIENCE, Shop, key, outcome};

/// Of the manual clock: more than the time between two probes of the health.
const A_WHILE: Duration = Duration::from_secs(6);

impl Shop {
    async fn is_ready(&self, ready: bool) {
        let health = self.service.grpc().health();
        eventually(&format!("ready: {ready}"), PATIENCE, async || {
            self.clock.advance(A_WHILE);
            health.is_serving() == ready
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_it_lives_is_not_ready_and_becomes_so_by_itself() {
    let Some(Home::Database(scratch)) = Home::database().await else { return };
    let proxy = Proxy::refusing(&scratch.server().url);
    let shop = Shop::on(Home::at(proxy.url())).await;
    let refused = shop.client.stock(1).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.get_details_retry_info().is_some(), "this service is there, what it needs is not");
    shop.is_ready(false).await;

    proxy.listen();
    shop.is_ready(true).await;
    assert_eq!(shop.client.units(1).await, (50, 0));

    proxy.becomes(Weather::Silent);
    let refused = shop.client.reserve(&key(1), &[(1, 2)]).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.get_details_retry_info().is_some());
    shop.is_ready(false).await;

    proxy.becomes(Weather::Fair);
    shop.is_ready(true).await;
    // Whatever became of the call that had no answer: under its key it is done once.
    assert_eq!(outcome(shop.client.reserve(&key(1), &[(1, 2)]).await), Ok(Held));
    assert_eq!(shop.client.units(1).await, (48, 2));
    shop.assert_sound().await;
    shop.close().await;
    Home::Database(scratch).end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_answer_is_lost_is_done_once() {
    let Some(Home::Database(scratch)) = Home::database().await else { return };
    let proxy = Proxy::new(&scratch.server().url);
    let shop = Shop::on(Home::at(proxy.url())).await;
    for number in 1..=5 {
        // A connection that is there, so that the answers which get lost are those of the call.
        shop.client.units(1).await;
        proxy.becomes(Weather::LosesAnswers);
        let lost = shop.client.reserve(&key(number), &[(1, 1)]).await.unwrap_err();
        assert_eq!(lost.code(), Code::Unavailable);
        proxy.becomes(Weather::Fair);
        let again = eventually("an answer", PATIENCE, async || {
            shop.client.reserve(&key(number), &[(1, 1)]).await.ok()
        })
        .await;
        assert_eq!(again.status(), Held);
    }
    assert_eq!(shop.client.units(1).await, (45, 5));
    shop.assert_sound().await;
    shop.close().await;
    Home::Database(scratch).end().await;
}
