use proto::product::{DeleteProductRequest, GetProductsRequest};

use crate::shop::{Shop, tablet, tablet_for};

#[tokio::test]
async fn a_restart_keeps_what_was_changed_and_brings_nothing_back() {
    let shop = Shop::new().await;
    let mut client = shop.client();
    client.update_product(tablet_for(1, Some(1))).await.unwrap();
    for product_id in [2, 5] {
        client.delete_product(DeleteProductRequest { product_id }).await.unwrap();
    }
    let last = client.create_product(tablet()).await.unwrap().into_inner().id;
    client.delete_product(DeleteProductRequest { product_id: last }).await.unwrap();
    let before = client.get_products(GetProductsRequest::default()).await.unwrap().into_inner();
    drop(client);

    let shop = Shop::on(shop.close().await).await;
    let mut client = shop.client();
    let after = client.get_products(GetProductsRequest::default()).await.unwrap().into_inner();
    assert_eq!(after, before);
    let seen: Vec<_> = after.products.iter().map(|product| (product.id, product.version)).collect();
    assert_eq!(seen, [(1, 2), (3, 1), (4, 1)]);
    assert_eq!(client.create_product(tablet()).await.unwrap().into_inner().id, last + 1);
}

#[tokio::test]
async fn a_file_in_use_is_refused() {
    let shop = Shop::new().await;
    let file = shop.directory.path().join("product.db");
    let second = product_service::open(&file, testkit::world().0).await.err().unwrap();
    assert_eq!(
        format!("{second:#}"),
        format!("can't open the catalogue: {} is in use by another process", file.display())
    );
}
