use proto::{Reason, Rejection, product as pb};
use serde_json::{Value, json};
use tonic::Code;

use crate::replies::{product, product_json, usd};
use crate::shop::{Shop, ask};

pub(crate) fn body() -> Value {
    json!({
        "name": "Laptop", "description": "Thin", "category": "computers",
        "price": {"amount": "1299.99", "currency": "USD"}, "image_url": "https://img.example/1.png",
    })
}

#[tokio::test]
async fn a_page_of_products() {
    let shop = Shop::open().await;
    let page = pb::GetProductsResponse {
        products: vec![product()],
        next_page_token: "next".into(),
        ..pb::GetProductsResponse::default()
    };
    shop.services.replies("get_products", page);
    let answer = shop.get("/api/v1/products").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({"products": [product_json()], "next_page_token": "next"}));
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "public, no-cache");

    let query =
        "q=lap%20top&category=computers&min_price=1&max_price=1299.99&sort=-price&page_size=5&page_token=t";
    shop.get(&format!("/api/v1/products?{query}")).await;
    let wanted = pb::GetProductsRequest {
        query: "lap top".into(),
        category: "computers".into(),
        min_price: usd(100),
        max_price: usd(129_999),
        sort: pb::ProductSort::PriceDescending.into(),
        page_size: 5,
        page_token: "t".into(),
        known_state: None,
    };
    let asked = shop.services.asked::<pb::GetProductsRequest>("get_products");
    let plain = asked.iter().map(|asked| pb::GetProductsRequest { known_state: None, ..asked.clone() });
    assert_eq!(plain.collect::<Vec<_>>(), [pb::GetProductsRequest::default(), wanted]);

    shop.get("/api/v1/products?min_price=100&currency=JPY&sort=newest").await;
    let asked = shop.services.asked::<pb::GetProductsRequest>("get_products");
    let price = asked[2].min_price.clone().unwrap();
    assert_eq!((price.currency_code.as_str(), price.minor_units), ("JPY", 100));
    assert_eq!(asked[2].sort(), pb::ProductSort::Newest);
}

#[tokio::test]
async fn b5_a_query_is_understood_or_refused() {
    let shop = Shop::open().await;
    for (query, field) in [
        ("sort=cheap", "sort"),
        ("min_price=1.234", "min_price"),
        ("max_price=1e3", "max_price"),
        ("currency=usd", "currency"),
        ("page_size=0", "page_size"),
        ("page_size=101", "page_size"),
        ("page_size=ten", "page_size"),
        ("colour=red", "colour"),
        ("q=a&q=b", "q"),
        (&format!("q={}", "x".repeat(201)), "q"),
    ] {
        let answer = shop.get(&format!("/api/v1/products?{query}")).await;
        assert_eq!(answer.refused_fields("invalid_argument"), [field], "{query}");
    }
    let answer = shop.get("/api/v1/products?sort=x&page_size=0&z=1").await;
    assert_eq!(answer.refused_fields("invalid_argument"), ["sort", "page_size", "z"]);
    assert_eq!(shop.services.calls(), 0);
}

#[tokio::test]
async fn a_product_is_read_again_only_when_it_changed() {
    let shop = Shop::open().await;
    shop.services.replies("get_product", product());
    let answer = shop.get("/api/v1/products/1").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, product_json()));
    assert_eq!(answer.header("etag"), "\"3\"");
    assert_eq!(answer.header("cache-control"), "public, no-cache");

    for (tags, status) in
        [("\"3\"", 304), ("W/\"3\"", 304), ("*", 304), ("\"1\", \"3\"", 304), ("\"2\"", 200), ("", 200)]
    {
        let answer = shop.send(ask("GET", "/api/v1/products/1", &[("if-none-match", tags)], "")).await;
        assert_eq!(answer.status, status, "{tags}");
        assert_eq!(answer.header("etag"), "\"3\"");
        assert_eq!(answer.body.is_empty(), status == 304);
    }
    let head = shop.send(ask("HEAD", "/api/v1/products/1", &[], "")).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
}

#[tokio::test]
async fn a_product_that_is_not_there() {
    let shop = Shop::open().await;
    let gone = Rejection::new(Code::NotFound, Reason::ProductNotFound, "there is no product 7");
    shop.services.refuses::<pb::Product>("get_product", gone.into_status());
    let problem = shop.get("/api/v1/products/7").await.problem(404, "product_not_found");
    assert_eq!(problem["detail"], "there is no product 7");
    assert_eq!(problem["title"], "Product not found");
    for id in ["0", "-1", "abc", "1.5", "+1", "%31%00", "9223372036854775808", "%ff"] {
        let answer = shop.get(&format!("/api/v1/products/{id}")).await;
        assert_eq!(answer.refused_fields("invalid_product_id"), ["product_id"], "{id}");
    }
    assert_eq!(shop.services.calls(), 1);
}

#[tokio::test]
async fn a_new_product_is_understood_or_refused() {
    let shop = Shop::open().await;
    for (change, wanted) in [
        (json!({"initial_stock": -1}), "initial_stock"),
        (json!({"initial_stock": 1_000_000_001}), "initial_stock"),
        (json!({"initial_stock": 1.5}), "initial_stock"),
        (json!({"price": null}), "price"),
        (json!({"price": 1299.99}), "price"),
        (json!({"price": {"amount": 1299.99, "currency": "USD"}}), "price.amount"),
        (json!({"price": {"amount": "1.999", "currency": "USD"}}), "price.amount"),
        (json!({"price": {"amount": "1", "currency": "XXY"}}), "price.currency"),
        (json!({"price": {"amount": "1"}}), "price.currency"),
        (json!({"price": {"amount": "1", "currency": "USD", "tax": "0"}}), "price.tax"),
        (json!({"name": 7}), "name"),
        (json!({"category": null}), "category"),
        (json!({"id": 7}), "id"),
        (json!({"version": 7}), "version"),
    ] {
        let mut wrong = body();
        wrong.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = shop.json("POST", "/api/v1/products", wrong).await;
        assert_eq!(answer.refused_fields("invalid_argument"), [wanted], "{change}");
    }
    assert_eq!(shop.services.calls(), 0);
}

#[tokio::test]
async fn a_product_is_replaced_as_a_whole() {
    let shop = Shop::open().await;
    shop.services.replies("update_product", product());
    shop.services.replies("get_product", product());
    let put = async |tag: Option<&str>| {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(tag.map(|tag| ("if-match", tag)));
        shop.send(ask("PUT", "/api/v1/products/1", &headers, &body().to_string())).await
    };
    let answer = put(None).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, product_json()));
    assert_eq!(answer.header("etag"), "\"3\"");
    for tag in ["\"2\"", "*", "\"1\", \"3\""] {
        assert_eq!(put(Some(tag)).await.status, 200, "{tag}");
    }
    let asked = shop.services.asked::<pb::UpdateProductRequest>("update_product");
    let expected: Vec<_> = asked.iter().map(|asked| asked.expected_version).collect();
    assert_eq!(expected, [None, Some(2), None, Some(3)]);
    assert_eq!((asked[0].product_id, asked[0].description.as_str()), (1, "Thin"));

    for tag in ["W/\"3\"", "\"x\"", "\"1\", \"2\""] {
        put(Some(tag)).await.problem(412, "stale_version");
    }
    assert_eq!(put(Some("3")).await.refused_fields("invalid_argument"), ["If-Match"]);
    assert_eq!(shop.services.asked::<pb::UpdateProductRequest>("update_product").len(), 4);

    let part = json!({"name": "Laptop", "price": {"amount": "1", "currency": "USD"}});
    let answer = shop.json("PUT", "/api/v1/products/1", part).await;
    assert_eq!(answer.refused_fields("invalid_argument"), ["description", "category", "image_url"]);

    shop.services.forget("update_product");
    let stale = Rejection::new(Code::Aborted, Reason::StaleVersion, "the product has version 4");
    shop.services.refuses::<pb::Product>("update_product", stale.into_status());
    put(Some("\"3\"")).await.problem(412, "stale_version");
}

#[tokio::test]
async fn a_product_is_taken_out() {
    let shop = Shop::open().await;
    shop.services.replies("delete_product", ());
    shop.services.replies("get_product", product());
    let delete = async |tag: Option<&str>| {
        let headers: Vec<_> = tag.into_iter().map(|tag| ("if-match", tag)).collect();
        shop.send(ask("DELETE", "/api/v1/products/1", &headers, "")).await
    };
    for tag in [None, Some("*"), Some("\"2\""), Some("\"1\", \"3-gzip\"")] {
        let answer = delete(tag).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0), "{tag:?}");
    }
    let asked = shop.services.asked::<pb::DeleteProductRequest>("delete_product");
    let wanted = |expected_version| pb::DeleteProductRequest { product_id: 1, expected_version };
    assert_eq!(asked, [wanted(None), wanted(None), wanted(Some(2)), wanted(Some(3))]);

    for tag in ["W/\"3\"", "\"x\"", "\"0\""] {
        delete(Some(tag)).await.problem(412, "stale_version");
    }
    assert_eq!(delete(Some("3")).await.refused_fields("invalid_argument"), ["If-Match"]);
    shop.services.forget("delete_product");
    let stale = Rejection::new(Code::Aborted, Reason::StaleVersion, "the product has version 4");
    shop.services.refuses::<()>("delete_product", stale.into_status());
    delete(Some("\"3\"")).await.problem(412, "stale_version");
}
