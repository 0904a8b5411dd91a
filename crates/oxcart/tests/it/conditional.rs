//! What was read before: not sent again while it is the same, and not changed when it is another.

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::client::Client;
use crate::harness::Shop;

const LIST: &str = "/api/v1/products?category=Tests&sort=-price";

async fn send(request: RequestBuilder) -> (StatusCode, String, Value) {
    let reply: Response = request.send().await.unwrap();
    let tag = reply.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned()).unwrap_or_default();
    let (status, text) = (reply.status(), reply.text().await.unwrap());
    (status, tag, serde_json::from_str(&text).unwrap_or_default())
}

async fn unless(client: &Client, path: &str, tag: &str) -> (StatusCode, String, Value) {
    send(client.request(Method::GET, path).header("if-none-match", tag)).await
}

fn on(client: &Client, method: Method, path: &str, tag: &str) -> RequestBuilder {
    client.request(method, path).header("if-match", tag)
}

/// A list is sent again as soon as one of its products has changed, and not before.
pub(crate) async fn a_list_and_its_products(shop: &Shop) {
    let (admin, user) = (shop.admin(), shop.user(130));
    let id = admin.stock_new("Vase", 3).await;
    let path = format!("/api/v1/products/{id}");
    let product = |name: &str, amount: &str| {
        json!({
            "name": name, "description": "", "category": "Tests", "image_url": "",
            "price": { "amount": amount, "currency": "USD" },
        })
    };
    let (_, mut tag, _) = unless(&user, LIST, "").await;
    for round in 1..=5 {
        assert_eq!(unless(&user, LIST, &tag).await.0, StatusCode::NOT_MODIFIED);
        let name = format!("Vase {round}");
        let put = admin.request(Method::PUT, &path).json(&product(&name, "9999.00"));
        assert_eq!(send(put).await.0, StatusCode::OK);
        let (status, next, list) = unless(&user, LIST, &tag).await;
        assert_eq!((status, &list["products"][0]["name"]), (StatusCode::OK, &json!(name)), "seen at once");
        assert_ne!(next, tag);
        tag = next;
    }
    for method in [Method::PUT, Method::DELETE] {
        let (status, _, problem) = send(on(&admin, method, &path, "\"5\"").json(&product("Late", "1"))).await;
        assert_eq!((status.as_u16(), &problem["code"]), (412, &json!("stale_version")), "{problem}");
    }
    assert_eq!(send(on(&admin, Method::DELETE, &path, "\"6\"")).await.0, StatusCode::NO_CONTENT);
    let (_, _, list) = unless(&user, LIST, &tag).await;
    assert!(!list.to_string().contains("Vase"), "{list}");
}

/// Of two tabs of one user, the one that has not seen the other's change makes none.
pub(crate) async fn a_cart_in_two_tabs(shop: &Shop) {
    let user = shop.user(131);
    let product = shop.admin().stock_new("Bowl", 9).await;
    let (items, item) = ("/api/v1/cart/items", format!("/api/v1/cart/items/{product}"));
    let (_, empty, _) = unless(&user, "/api/v1/cart", "").await;
    let add = json!({ "product_id": product, "quantity": 1 });
    let (status, one, _) = send(on(&user, Method::POST, items, &empty).json(&add)).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(
        unless(&user, "/api/v1/cart", &one).await.0,
        StatusCode::NOT_MODIFIED,
        "the tag is the cart's"
    );
    let (status, two, _) = send(on(&user, Method::PUT, &item, &one).json(&json!({ "quantity": 2 }))).await;
    assert_eq!(status, StatusCode::OK);
    for late in [&empty, &one] {
        let (status, _, problem) =
            send(on(&user, Method::PUT, &item, late).json(&json!({ "quantity": 7 }))).await;
        assert_eq!((status.as_u16(), &problem["code"]), (412, &json!("stale_version")), "{problem}");
    }
    let (_, tag, cart) = unless(&user, "/api/v1/cart", &one).await;
    assert_eq!((&tag, &cart["total_items"]), (&two, &json!(2)));
    assert_eq!(send(on(&user, Method::DELETE, "/api/v1/cart", &two)).await.0, StatusCode::OK);
}
