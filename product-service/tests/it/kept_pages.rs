//! For who keeps pages: whether they are still right, and how far another instance must be.

use std::fmt::Debug;

use proto::product::{DeleteProductRequest, GetProductRequest, GetProductsRequest, GetProductsResponse};
use proto::{CATALOGUE_REVISION, Reason};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Request, Response};

use crate::shop::{Client, Home, Shop, refusal, tablet, tablet_for};

async fn kept(client: &mut Client, known: u64) -> GetProductsResponse {
    let request = GetProductsRequest { known_state: Some(known), ..Default::default() };
    client.get_products(request).await.unwrap().into_inner()
}

fn revision<T: Debug>(made: &Response<T>) -> MetadataValue<Ascii> {
    made.metadata().get(CATALOGUE_REVISION).unwrap_or_else(|| panic!("{made:?}")).clone()
}

#[tokio::test]
async fn a_kept_page_is_good_until_a_product_changes() {
    let shop = Shop::new().await;
    let mut client = shop.client();
    let plain = client.get_products(GetProductsRequest::default()).await.unwrap().into_inner();
    assert_eq!((plain.state, plain.unchanged), (0, false), "said to who asks");
    let mut last = kept(&mut client, 0).await;
    assert_eq!((&last.products, last.unchanged), (&plain.products, false));
    let mut seen = vec![last.state];
    for change in 0..3 {
        let again = kept(&mut client, last.state).await;
        assert_eq!(again, GetProductsResponse { unchanged: true, ..Default::default() });
        match change {
            0 => drop(client.update_product(tablet_for(1, None)).await.unwrap()),
            1 => drop(client.create_product(tablet()).await.unwrap()),
            _ => {
                let request = DeleteProductRequest { product_id: 2, expected_version: None };
                client.delete_product(request).await.unwrap();
            }
        }
        last = kept(&mut client, last.state).await;
        assert!(!last.unchanged && !last.products.is_empty());
        seen.push(last.state);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 4, "each with a state of its own");
}

#[tokio::test]
async fn a_product_goes_only_in_the_version_that_is_expected() {
    let shop = Shop::new().await;
    let mut client = shop.client();
    let request = |expected| DeleteProductRequest { product_id: 1, expected_version: Some(expected) };
    let (code, reason, _, text) = refusal(client.delete_product(request(2)).await);
    assert_eq!((code, reason), (Code::Aborted, Some(Reason::StaleVersion)));
    assert!(text.contains("version 1"), "{text}");
    assert_eq!(refusal(client.delete_product(request(0)).await).0, Code::InvalidArgument);
    client.delete_product(request(1)).await.unwrap();
    assert_eq!(refusal(client.delete_product(request(1)).await).0, Code::NotFound);
}

/// The clocks stand still: nobody looks for what the other has changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_knows_of_a_change_is_shown_it_by_every_instance() {
    let Some(home) = Home::database().await else { return };
    let one = Shop::on(home).await;
    let other = one.beside().await;
    let state = kept(&mut other.client(), 0).await.state;
    let asked = |revision: MetadataValue<Ascii>, known| {
        let message = GetProductsRequest { known_state: Some(known), ..Default::default() };
        let mut request = Request::new(message);
        request.metadata_mut().insert(CATALOGUE_REVISION, revision);
        request
    };

    let updated = revision(&one.client().update_product(tablet_for(1, Some(1))).await.unwrap());
    assert!(kept(&mut other.client(), state).await.unchanged, "nobody has told it");
    let page = other.client().get_products(asked(updated, state)).await.unwrap().into_inner();
    assert_eq!((page.products[0].version, page.unchanged), (2, false));
    assert!(kept(&mut one.client(), page.state).await.unchanged, "the same in every instance");

    let request = DeleteProductRequest { product_id: 2, expected_version: Some(1) };
    let deleted = revision(&other.client().delete_product(request).await.unwrap());
    let mut request = Request::new(GetProductRequest { product_id: 2 });
    request.metadata_mut().insert(CATALOGUE_REVISION, deleted.clone());
    assert_eq!(one.client().get_product(request).await.unwrap_err().code(), Code::NotFound);
    let created = revision(&one.client().create_product(tablet()).await.unwrap());
    let page = other.client().get_products(asked(created, page.state)).await.unwrap().into_inner();
    assert_eq!(page.products.iter().map(|product| product.id).collect::<Vec<_>>(), [1, 3, 4, 5, 6]);
    for nonsense in ["x", "-1", "99999999999999999999999"] {
        let request = asked(nonsense.parse().unwrap(), 0);
        assert!(other.client().get_products(request).await.is_ok(), "{nonsense}");
    }
    other.close().await;
    one.close().await.end().await;
}
