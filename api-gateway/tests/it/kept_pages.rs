//! Pages of the catalogue that are kept as bytes.

use proto::CATALOGUE_REVISION;
use proto::product as pb;
use serde_json::json;

use crate::replies::{product, product_json};
use crate::shop::{Answer, Shop, ask};

const PATH: &str = "/api/v1/products";

/// A page of `count` products in `state`, for who does not have it.
fn page(asked: &pb::GetProductsRequest, state: u64, count: usize) -> pb::GetProductsResponse {
    if asked.known_state == Some(state) {
        return pb::GetProductsResponse { unchanged: true, ..pb::GetProductsResponse::default() };
    }
    let products = vec![product(); count];
    pb::GetProductsResponse { products, state, ..pb::GetProductsResponse::default() }
}

fn known(shop: &Shop) -> Vec<Option<u64>> {
    let asked = shop.services.asked::<pb::GetProductsRequest>("get_products");
    asked.iter().map(|asked| asked.known_state).collect()
}

async fn get(shop: &Shop, headers: &[(&str, &str)]) -> Answer {
    shop.send(ask("GET", PATH, headers, "")).await
}

#[tokio::test]
async fn a_page_is_written_down_once_for_each_state_of_the_catalogue() {
    let shop = Shop::open().await;
    shop.services.decides("get_products", |asked: &pb::GetProductsRequest| Ok(page(asked, 7, 1)));
    let first = get(&shop, &[]).await;
    assert_eq!(first.json(), json!({"products": [product_json()], "next_page_token": ""}));
    // The service says no more than that nothing has changed.
    for _ in 0..2 {
        let again = get(&shop, &[]).await;
        assert_eq!((again.status.as_u16(), &again.body), (200, &first.body));
        assert_eq!(again.header("etag"), first.header("etag"));
        assert_eq!(again.header("content-type"), "application/json");
    }
    assert_eq!(known(&shop), [Some(0), Some(7), Some(7)]);
    shop.get("/api/v1/products?page_size=2").await;
    assert_eq!(known(&shop)[3..], [Some(0)], "another page");

    shop.services.decides("get_products", |asked: &pb::GetProductsRequest| Ok(page(asked, 8, 2)));
    let changed = get(&shop, &[]).await;
    assert_eq!(changed.json()["products"].as_array().unwrap().len(), 2);
    assert_ne!(changed.header("etag"), first.header("etag"));
    assert_eq!(get(&shop, &[]).await.body, changed.body);
    assert_eq!(known(&shop)[4..], [Some(7), Some(8)]);
}

#[tokio::test]
async fn a_page_of_a_service_that_tells_no_state_is_not_kept() {
    let shop = Shop::open().await;
    shop.services.decides("get_products", |asked: &pb::GetProductsRequest| {
        Ok(pb::GetProductsResponse { state: 0, unchanged: false, ..page(asked, 9, 1) })
    });
    for _ in 0..2 {
        assert_eq!(get(&shop, &[]).await.json()["products"].as_array().unwrap().len(), 1);
    }
    assert_eq!(known(&shop), [Some(0), Some(0)]);
    shop.services.decides("get_products", |_: &pb::GetProductsRequest| {
        Ok(pb::GetProductsResponse { unchanged: true, ..pb::GetProductsResponse::default() })
    });
    get(&shop, &[]).await.problem(500, "internal");
}

#[tokio::test]
async fn a_list_is_read_again_only_when_it_changed() {
    let shop = Shop::open().await;
    shop.services.decides("get_products", |asked: &pb::GetProductsRequest| Ok(page(asked, 7, 50)));
    let plain = get(&shop, &[]).await;
    let gzipped = get(&shop, &[("accept-encoding", "gzip")]).await;
    assert_eq!(gzipped.header("content-encoding"), "gzip");
    let tags = [plain.header("etag"), gzipped.header("etag")];
    assert_eq!(tags[1], format!("{}-gzip\"", tags[0].trim_end_matches('"')), "other bytes, another tag");
    assert!(tags[0].starts_with('"'), "and strong");
    for answer in [&plain, &gzipped] {
        assert_eq!(
            (answer.header("cache-control"), answer.header("vary")),
            ("public, no-cache", "accept-encoding")
        );
    }
    for tag in tags {
        for coding in ["gzip", "identity"] {
            let same = get(&shop, &[("if-none-match", tag), ("accept-encoding", coding)]).await;
            assert_eq!((same.status.as_u16(), same.body.len(), same.header("etag")), (304, 0, tag));
            assert_eq!(same.header("cache-control"), "public, no-cache");
            assert_eq!(same.header("vary"), "accept-encoding");
            assert_eq!(
                (same.headers.get("content-type"), same.headers.get("content-encoding")),
                (None, None)
            );
        }
    }
    shop.services.decides("get_products", |asked: &pb::GetProductsRequest| Ok(page(asked, 8, 49)));
    assert_eq!(get(&shop, &[("if-none-match", tags[0])]).await.status, 200);
}

#[tokio::test]
async fn what_was_changed_through_this_gateway_is_asked_for() {
    let shop = Shop::open().await;
    shop.services.decides("get_products", |asked: &pb::GetProductsRequest| Ok(page(asked, 7, 1)));
    shop.services.replies("get_product", product());
    shop.services.replies("set_stock", crate::replies::stock());
    for (rpc, revision) in [("create_product", 4), ("update_product", 12)] {
        shop.services.replies_with(rpc, product(), (CATALOGUE_REVISION, revision));
    }
    shop.services.replies_with("delete_product", (), (CATALOGUE_REVISION, 11));
    let shown = async || {
        let mut least = Vec::new();
        for path in [PATH, "/api/v1/products/1"] {
            assert_eq!(shop.get(path).await.status, 200);
            let metadata = shop.services.metadata();
            least.push(metadata.get(CATALOGUE_REVISION).map(|least| least.to_str().unwrap().to_owned()));
        }
        assert_eq!(least[0], least[1]);
        least.remove(0)
    };
    assert_eq!(shown().await, None);
    shop.json("POST", PATH, crate::products::body()).await;
    assert_eq!(shown().await.as_deref(), Some("4"));
    shop.json("PUT", "/api/v1/products/1", crate::products::body()).await;
    assert_eq!(shown().await.as_deref(), Some("12"));
    // Answers may come in another order than the changes that they tell of.
    shop.send(ask("DELETE", "/api/v1/products/1", &[], "")).await;
    assert_eq!(shown().await.as_deref(), Some("12"));
}
