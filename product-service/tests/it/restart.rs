use platform::config::Location;
use proto::product::{DeleteProductRequest, GetProductsRequest};

use crate::shop::{Home, Shop, tablet, tablet_for};

async fn a_restart_keeps_what_was_changed_and_brings_nothing_back(home: Home) {
    let shop = Shop::on(home).await;
    let mut client = shop.client();
    client.update_product(tablet_for(1, Some(1))).await.unwrap();
    for product_id in [2, 5] {
        client.delete_product(DeleteProductRequest { product_id, expected_version: None }).await.unwrap();
    }
    let last = client.create_product(tablet()).await.unwrap().into_inner().id;
    client.delete_product(DeleteProductRequest { product_id: last, expected_version: None }).await.unwrap();
    let before = client.get_products(GetProductsRequest::default()).await.unwrap().into_inner();
    drop(client);

    let shop = Shop::on(shop.close().await).await;
    let mut client = shop.client();
    let after = client.get_products(GetProductsRequest::default()).await.unwrap().into_inner();
    assert_eq!(after, before);
    let seen: Vec<_> = after.products.iter().map(|product| (product.id, product.version)).collect();
    assert_eq!(seen, [(1, 2), (3, 1), (4, 1)]);
    assert_eq!(client.create_product(tablet()).await.unwrap().into_inner().id, last + 1);
    shop.close().await.end().await;
}

#[tokio::test]
async fn a_restart_on_a_file_keeps_what_was_changed_and_brings_nothing_back() {
    a_restart_keeps_what_was_changed_and_brings_nothing_back(Home::directory()).await;
}

#[tokio::test]
async fn a_restart_on_a_database_keeps_what_was_changed_and_brings_nothing_back() {
    let Some(home) = Home::database().await else { return };
    a_restart_keeps_what_was_changed_and_brings_nothing_back(home).await;
}

#[tokio::test]
async fn a_file_in_use_is_refused() {
    let shop = Shop::new().await;
    let location = shop.home.location();
    let second = product_service::open(&location, testkit::world().0).await.err().unwrap();
    let Location::File(file) = location else { panic!("a file") };
    assert_eq!(
        format!("{second:#}"),
        format!("can't open the catalogue: {} is in use by another process", file.display())
    );
}
