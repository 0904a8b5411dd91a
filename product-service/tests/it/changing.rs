use std::time::Duration;

use futures::future::join_all;
use platform::clock::Clock as _;
use proto::convert::timestamp;
use proto::product::{DeleteProductRequest, GetProductRequest, GetProductsRequest, Product};
use proto::status::{Reason, metadata};
use tonic::Code;

use crate::shop::{Client, Home, Shop, refusal, tablet, tablet_for};

async fn product(client: &mut Client, product_id: i64) -> Product {
    client.get_product(GetProductRequest { product_id }).await.unwrap().into_inner()
}

#[tokio::test]
async fn what_is_created_is_listed_at_once() {
    let shop = Shop::new().await;
    let mut client = shop.client();
    let mut request = tablet();
    request.name = "  Tablet ".into();
    let created = client.create_product(request).await.unwrap().into_inner();
    let now = Some(timestamp(shop.clock.now()));
    let expected = Product {
        id: 6,
        name: "Tablet".into(),
        description: "Flat.".into(),
        category: "Computers".into(),
        price: tablet().price,
        image_url: "/images/tablet.jpg".into(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    assert_eq!(created, expected);
    assert_eq!(product(&mut client, 6).await, expected);
    let list = client.get_products(GetProductsRequest::default()).await.unwrap().into_inner().products;
    assert_eq!(list.last(), Some(&expected));
}

#[tokio::test]
async fn an_update_replaces_everything_but_the_birth() {
    let shop = Shop::new().await;
    let mut client = shop.client();
    let before = product(&mut client, 1).await;
    shop.clock.advance(Duration::from_micros(1));
    let updated = client.update_product(tablet_for(1, None)).await.unwrap().into_inner();
    assert_eq!((updated.id, updated.version, &*updated.name), (1, 2, "Tablet"));
    assert_eq!(
        (updated.created_at, updated.updated_at),
        (before.created_at, Some(timestamp(shop.clock.now())))
    );
    assert_eq!(product(&mut client, 1).await, updated);
}

#[tokio::test]
async fn an_update_of_an_old_version_is_refused() {
    let shop = Shop::new().await;
    let mut client = shop.client();
    client.update_product(tablet_for(1, Some(1))).await.unwrap();
    let stale = client.update_product(tablet_for(1, Some(1))).await;
    assert_eq!(metadata(stale.as_ref().unwrap_err(), "current_version").as_deref(), Some("2"));
    let message = "product 1 does not have the expected version, it has version 2".to_owned();
    assert_eq!(refusal(stale), (Code::Aborted, Some(Reason::StaleVersion), None, message));
    assert_eq!(product(&mut client, 1).await.version, 2);
}

async fn of_many_updates_of_one_version_one_wins(shop: Shop) {
    let updates = (0..24).map(|number| {
        let mut client = shop.client();
        let mut request = tablet_for(1, Some(1));
        request.name = format!("Tablet {number}");
        async move { client.update_product(request).await }
    });
    let (won, lost): (Vec<_>, Vec<_>) = join_all(updates).await.into_iter().partition(Result::is_ok);
    let [Ok(won)] = &won[..] else { panic!("{} have won", won.len()) };
    assert_eq!((won.get_ref().version, lost.len()), (2, 23));
    for lost in lost {
        assert_eq!(refusal(lost).1, Some(Reason::StaleVersion));
    }
    assert_eq!(&product(&mut shop.client(), 1).await, won.get_ref());
    shop.close().await.end().await;
}

#[tokio::test]
async fn of_many_updates_of_one_version_one_wins_in_process() {
    of_many_updates_of_one_version_one_wins(Shop::new().await).await;
}

#[tokio::test]
async fn of_many_updates_of_one_version_one_wins_over_tcp() {
    of_many_updates_of_one_version_one_wins(Shop::over_tcp().await).await;
}

#[tokio::test]
async fn of_many_updates_of_one_version_one_wins_on_a_database() {
    let Some(home) = Home::database().await else { return };
    of_many_updates_of_one_version_one_wins(Shop::on(home).await).await;
}

async fn whoever_got_the_answer_sees_the_change(shop: Shop) {
    let writers = (0..8).map(|_| {
        let mut client = shop.client();
        async move {
            for _ in 0..10 {
                let written = client.update_product(tablet_for(1, None)).await.unwrap().into_inner();
                assert!(product(&mut client, 1).await.version >= written.version);
                let created = client.create_product(tablet()).await.unwrap().into_inner();
                assert_eq!(product(&mut client, created.id).await, created);
            }
        }
    });
    join_all(writers).await;
    assert_eq!(product(&mut shop.client(), 1).await.version, 81);
    shop.close().await.end().await;
}

#[tokio::test]
async fn whoever_got_the_answer_sees_the_change_in_a_file() {
    whoever_got_the_answer_sees_the_change(Shop::new().await).await;
}

#[tokio::test]
async fn whoever_got_the_answer_sees_the_change_in_a_database() {
    let Some(home) = Home::database().await else { return };
    whoever_got_the_answer_sees_the_change(Shop::on(home).await).await;
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_its_id_with_it() {
    let shop = Shop::new().await;
    let mut client = shop.client();
    client.delete_product(DeleteProductRequest { product_id: 5, expected_version: None }).await.unwrap();
    let gone = (Code::NotFound, Some(Reason::ProductNotFound), None, "product 5 does not exist".to_owned());
    assert_eq!(refusal(client.get_product(GetProductRequest { product_id: 5 }).await), gone);
    assert_eq!(
        refusal(client.delete_product(DeleteProductRequest { product_id: 5, expected_version: None }).await),
        gone
    );
    assert_eq!(refusal(client.update_product(tablet_for(5, Some(1))).await), gone);
    assert_eq!(client.create_product(tablet()).await.unwrap().into_inner().id, 6);
}
