//! Several instances of the service on one database, and one whose database comes and goes.

use std::time::Duration;

use futures::future::join_all;
use proto::product::{DeleteProductRequest, GetProductRequest, GetProductsRequest};
use testkit::{Proxy, Weather, eventually};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::shop::{Home, Shop, tablet, tablet_for};

/// Longer than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(20);
/// Of the manual clock, between two looks of a test: more than that of an instance at its store.
const A_WHILE: Duration = Duration::from_secs(1);

impl Shop {
    /// Waits until what a client of this instance sees is as it should be.
    async fn shows(&self, what: &str, mut look: impl AsyncFnMut() -> bool) {
        eventually(what, SOON, async || {
            self.clock.advance(A_WHILE);
            look().await
        })
        .await;
    }

    async fn lists(&self) -> Vec<(i64, i64)> {
        let all = GetProductsRequest { page_size: 100, ..Default::default() };
        let products = self.client().get_products(all).await.unwrap().into_inner().products;
        products.into_iter().map(|product| (product.id, product.version)).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_instance_changes_every_other_shows() {
    let Some(home) = Home::database().await else { return };
    let one = Shop::on(home).await;
    let other = one.beside().await;
    one.client().update_product(tablet_for(1, Some(1))).await.unwrap();
    one.client()
        .delete_product(DeleteProductRequest { product_id: 2, expected_version: None })
        .await
        .unwrap();
    one.client().create_product(tablet()).await.unwrap();
    let expected = [(1, 2), (3, 1), (4, 1), (5, 1), (6, 1)];
    assert_eq!(one.lists().await, expected);
    other.shows("the changes", async || other.lists().await == expected).await;

    let changes = (0..16).map(|number| {
        let mut client = if number % 2 == 0 { one.client() } else { other.client() };
        async move {
            client.create_product(tablet()).await.unwrap();
            client.update_product(tablet_for(1 + 2 * (number % 3), None)).await.unwrap();
        }
    });
    join_all(changes).await;
    one.shows("all changes", async || {
        one.lists().await.iter().map(|(_, version)| version).sum::<i64>() == 38
    })
    .await;
    let all = one.lists().await;
    other.shows("the same", async || other.lists().await == all).await;
    other.close().await;
    one.close().await.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_it_lives_is_not_ready_and_becomes_so_by_itself() {
    let Some(home) = Home::database().await else { return };
    let Home::Database(scratch) = home else { panic!("a database") };
    let proxy = Proxy::refusing(&scratch.server().url);
    let shop = Shop::on(Home::at(proxy.url())).await;
    let refused = shop.client().get_product(GetProductRequest { product_id: 1 }).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.get_details_retry_info().is_some(), "this service is there, what it needs is not");
    assert_eq!(shop.client().create_product(tablet()).await.unwrap_err().code(), Code::Unavailable);
    eventually("not ready", SOON, async || !shop.health.is_serving()).await;

    proxy.listen();
    shop.shows("readiness", async || shop.health.is_serving()).await;
    assert_eq!(shop.lists().await.len(), 5);

    // Silence is the worst that a network does: nobody says that anything is wrong.
    proxy.becomes(Weather::Silent);
    let refused = shop.client().create_product(tablet()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.get_details_retry_info().is_some());
    shop.shows("unreadiness", async || !shop.health.is_serving()).await;
    assert_eq!(shop.lists().await.len(), 5, "reads go on");

    proxy.becomes(Weather::Fair);
    shop.shows("readiness again", async || shop.health.is_serving()).await;
    let created = shop.client().create_product(tablet()).await.unwrap().into_inner();
    assert!(created.id >= 6);
    shop.close().await;
    Home::Database(scratch).end().await;
}
