use proto::{inventory, product as pb};
use serde_json::json;
use tonic::Status;

use crate::products::body;
use crate::replies::{product, product_json, stock, usd};
use crate::shop::Shop;

#[tokio::test]
async fn a_new_product_is_known_to_the_inventory() {
    let shop = Shop::open().await;
    shop.services.replies("create_product", product());
    shop.services.replies("set_stock", stock());
    let mut wanted = body();
    wanted["initial_stock"] = json!(50);
    let answer = shop.json("POST", "/api/v1/products", wanted).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (201, product_json()));
    assert_eq!(answer.header("location"), "/api/v1/products/1");
    assert_eq!(answer.header("etag"), "\"3\"");

    let few = json!({"name": "Laptop", "price": {"amount": "1", "currency": "USD"}, "category": "computers", "image_url": null});
    assert_eq!(shop.json("POST", "/api/v1/products", few).await.status, 201);
    let made = shop.services.asked::<pb::CreateProductRequest>("create_product");
    assert_eq!(made[0].image_url, "https://img.example/1.png");
    assert_eq!((made[1].price.clone(), made[1].image_url.as_str()), (usd(100), ""));
    let stock = |on_hand| inventory::SetStockRequest { product_id: 1, on_hand };
    assert_eq!(shop.services.asked::<inventory::SetStockRequest>("set_stock"), [stock(50), stock(0)]);
}

#[tokio::test]
async fn a_product_without_its_stock_is_not_made_twice() {
    let shop = Shop::open().await;
    shop.services.replies("create_product", product());
    shop.services.refuses::<inventory::Stock>("set_stock", Status::unavailable("tcp"));
    shop.services.replies("set_stock", stock());
    let mut wanted = body();
    wanted["initial_stock"] = json!(50);
    assert_eq!(shop.json("POST", "/api/v1/products", &wanted).await.status, 201, "the second try helps");

    shop.services.forget("set_stock");
    shop.services.refuses::<inventory::Stock>("set_stock", Status::unavailable("tcp"));
    let answer = shop.json("POST", "/api/v1/products", wanted).await;
    assert_eq!(answer.problem(503, "initial_stock_not_set")["product_id"], 1);
    assert_eq!(answer.header("location"), "/api/v1/products/1");
    assert_eq!(shop.json("POST", "/api/v1/products", body()).await.status, 201, "no stock was asked for");
}

#[tokio::test]
async fn stock_is_shown_and_set() {
    let shop = Shop::open().await;
    shop.services.replies("get_stock", stock());
    shop.services.replies("set_stock", stock());
    let shape = json!({"product_id": 1, "available": 47, "reserved": 3});
    let shown = shop.get("/api/v1/inventory/1").await;
    assert_eq!((shown.status.as_u16(), shown.json()), (200, shape.clone()));
    let set = shop.json("PUT", "/api/v1/inventory/1", json!({"on_hand": 50})).await;
    assert_eq!((set.status.as_u16(), set.json()), (200, shape));
    let asked = shop.services.asked::<inventory::SetStockRequest>("set_stock");
    assert_eq!(asked, [inventory::SetStockRequest { product_id: 1, on_hand: 50 }]);
    let answer = shop.json("PUT", "/api/v1/inventory/1", json!({})).await;
    assert_eq!(answer.refused_fields("invalid_argument"), ["on_hand"]);
    shop.get("/api/v1/inventory/x").await.problem(400, "invalid_product_id");
}
