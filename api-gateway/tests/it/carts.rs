use api_gateway::auth::Role;
use proto::{Invalid, Reason, cart as pb};
use serde_json::json;
use tonic::Status;

use crate::replies::{cart, cart_json};
use crate::shop::{Shop, ask};

const ITEMS: &str = "/api/v1/cart/items";

#[tokio::test]
async fn a_cart_is_shown_and_changed() {
    let shop = Shop::open().await;
    for rpc in ["get_cart", "clear_cart", "add_item", "update_quantity", "remove_item"] {
        shop.services.replies(rpc, cart());
    }
    for (answer, status) in [
        (shop.get("/api/v1/cart").await, 200),
        (shop.json("POST", ITEMS, json!({"product_id": 1, "quantity": 2})).await, 201),
        (shop.json("PUT", "/api/v1/cart/items/1", json!({"quantity": 3})).await, 200),
        (shop.send(ask("DELETE", "/api/v1/cart/items/1", &[], "")).await, 200),
        (shop.send(ask("DELETE", "/api/v1/cart", &[], "")).await, 200),
    ] {
        assert_eq!((answer.status.as_u16(), answer.json()), (status, cart_json()));
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let services = &shop.services;
    assert_eq!(
        services.asked::<pb::GetCartRequest>("get_cart"),
        [pb::GetCartRequest { user_id: 1, fresh: false }]
    );
    assert_eq!(
        services.asked::<pb::AddItemRequest>("add_item"),
        [pb::AddItemRequest { user_id: 1, product_id: 1, quantity: 2, expected_version: None }]
    );
    assert_eq!(
        services.asked::<pb::UpdateQuantityRequest>("update_quantity"),
        [pb::UpdateQuantityRequest { user_id: 1, product_id: 1, quantity: 3, expected_version: None }]
    );
    assert_eq!(
        services.asked::<pb::RemoveItemRequest>("remove_item"),
        [pb::RemoveItemRequest { user_id: 1, product_id: 1, expected_version: None }]
    );
    assert_eq!(
        services.asked::<pb::ClearCartRequest>("clear_cart"),
        [pb::ClearCartRequest { user_id: 1, expected_version: None }]
    );
}

#[tokio::test]
async fn a_cart_that_nobody_has_filled_is_empty() {
    let shop = Shop::open().await;
    shop.services.replies("get_cart", pb::Cart { user_id: 1, ..pb::Cart::default() });
    let empty = json!({
        "user_id": 1, "version": 0, "items": [], "total_items": 0,
        "total": {"amount": "0.00", "currency": "USD"}, "updated_at": null,
    });
    assert_eq!(shop.get("/api/v1/cart").await.json(), empty);
}

#[tokio::test]
async fn everybody_has_a_cart_of_their_own() {
    let shop = Shop::guarded().await;
    shop.services.replies("get_cart", cart());
    for user in [7, 8] {
        let token = format!("Bearer {}", shop.token(user, Role::User));
        shop.send(ask("GET", "/api/v1/cart", &[("authorization", &token), ("x-user-id", "1")], "")).await;
    }
    let asked = shop.services.asked::<pb::GetCartRequest>("get_cart");
    assert_eq!(asked.iter().map(|asked| asked.user_id).collect::<Vec<_>>(), [7, 8]);
}

#[tokio::test]
async fn n1_a_quantity_is_a_whole_number_in_its_bounds() {
    let shop = Shop::open().await;
    let out_of_bounds = Invalid::new("quantity", "must be between 1 and 99").because(Reason::InvalidQuantity);
    shop.services.refuses::<pb::Cart>("add_item", Status::from(out_of_bounds));
    for quantity in ["0", "-1", "100", "2147483647", "2147483648", "-2147483649", "9223372036854775807"] {
        let body = format!(r#"{{"product_id": 1, "quantity": {quantity}}}"#);
        let answer = shop.json("POST", ITEMS, body).await;
        let errors = &answer.problem(400, "invalid_quantity")["errors"];
        assert_eq!(
            *errors,
            json!([{"field": "quantity", "message": "must be between 1 and 99"}]),
            "{quantity}"
        );
    }
    let asked = shop.services.asked::<pb::AddItemRequest>("add_item");
    assert!(asked.iter().all(|asked| !(1..=99).contains(&asked.quantity)));

    for quantity in
        ["1.5", "1.0", "1e1", "\"1\"", "9223372036854775808", "-9223372036854775809", "true", "[1]", "{}"]
    {
        let body = format!(r#"{{"product_id": 1, "quantity": {quantity}}}"#);
        let answer = shop.json("POST", ITEMS, body).await;
        assert_eq!(answer.refused_fields("invalid_argument"), ["quantity"], "{quantity}");
        let answer = shop.json("PUT", "/api/v1/cart/items/1", format!(r#"{{"quantity": {quantity}}}"#)).await;
        assert_eq!(answer.refused_fields("invalid_argument"), ["quantity"], "{quantity}");
    }
    assert_eq!(shop.services.calls(), 7);
}

#[tokio::test]
async fn what_the_cart_refuses_keeps_its_reason() {
    use proto::Rejection;
    use tonic::Code;
    let shop = Shop::open().await;
    for (code, reason, status, name) in [
        (Code::NotFound, Reason::ProductNotFound, 404, "product_not_found"),
        (Code::FailedPrecondition, Reason::CartFull, 409, "cart_full"),
        (Code::FailedPrecondition, Reason::CurrencyMismatch, 409, "currency_mismatch"),
        (Code::Aborted, Reason::CartChanged, 409, "cart_changed"),
        (Code::InvalidArgument, Reason::InvalidProductId, 400, "invalid_product_id"),
    ] {
        shop.services.forget("add_item");
        shop.services.refuses::<pb::Cart>("add_item", Rejection::new(code, reason, "so it is").into_status());
        let answer = shop.json("POST", ITEMS, json!({"product_id": 1, "quantity": 2})).await;
        assert_eq!(answer.problem(status, name)["detail"], "so it is");
    }
}

#[tokio::test]
async fn a_cart_is_read_again_only_when_it_changed() {
    let shop = Shop::open().await;
    shop.services.replies("get_cart", cart());
    shop.services.replies("update_quantity", cart());
    let first = shop.get("/api/v1/cart").await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.len() > 20, "{tag}");
    let get = async |tags: &str| shop.send(ask("GET", "/api/v1/cart", &[("if-none-match", tags)], "")).await;
    let same = get(&tag).await;
    assert_eq!((same.status.as_u16(), same.body.len(), same.header("etag")), (304, 0, tag.as_str()));
    assert_eq!((same.header("cache-control"), same.headers.get("content-type")), ("no-store", None));
    assert_eq!(get("\"7\"").await.status, 200, "a version says nothing of prices");

    let changed = shop.json("PUT", "/api/v1/cart/items/1", json!({"quantity": 2})).await;
    assert_eq!((changed.header("etag"), changed.header("content-location")), (tag.as_str(), "/api/v1/cart"));
    // The price of a line is the catalogue's: it changes, and the version of the cart does not.
    let mut dearer = cart();
    dearer.items[0].unit_price.as_mut().unwrap().minor_units += 1;
    shop.services.forget("get_cart");
    shop.services.replies("get_cart", dearer);
    assert_eq!(get(&tag).await.status, 200);
}

#[tokio::test]
async fn a_cart_is_changed_only_as_it_was_seen() {
    let shop = Shop::open().await;
    for rpc in ["get_cart", "clear_cart", "add_item", "update_quantity", "remove_item"] {
        shop.services.replies(rpc, cart());
    }
    let tag = shop.get("/api/v1/cart").await.header("etag").to_owned();
    let body = |body: serde_json::Value| body.to_string();
    let changes = [
        ("POST", ITEMS, body(json!({"product_id": 1, "quantity": 2}))),
        ("PUT", "/api/v1/cart/items/1", body(json!({"quantity": 2}))),
        ("DELETE", "/api/v1/cart/items/1", String::new()),
        ("DELETE", "/api/v1/cart", String::new()),
    ];
    let mut made = 0;
    for (method, path, body) in &changes {
        let change = async |tags: &str| {
            let headers = [("content-type", "application/json"), ("if-match", tags)];
            shop.send(ask(method, path, &headers, body)).await
        };
        for tags in [tag.as_str(), "*", &format!("\"x\", {tag}")] {
            assert!(change(tags).await.status.is_success(), "{method} {path} {tags}");
            made += 1;
        }
        let before = shop.services.calls();
        for tags in ["\"7\"", &format!("W/{tag}"), "\"\""] {
            change(tags).await.problem(412, "stale_version");
        }
        assert_eq!(change("7").await.refused_fields("invalid_argument"), ["If-Match"]);
        assert_eq!(shop.services.calls(), before + 3, "the cart was looked at, and not changed");
    }
    assert_eq!(made, 12);
    let versions: [Vec<Option<i64>>; 4] = [
        shop.services.asked::<pb::AddItemRequest>("add_item").iter().map(|it| it.expected_version).collect(),
        shop.services
            .asked::<pb::UpdateQuantityRequest>("update_quantity")
            .iter()
            .map(|it| it.expected_version)
            .collect(),
        shop.services
            .asked::<pb::RemoveItemRequest>("remove_item")
            .iter()
            .map(|it| it.expected_version)
            .collect(),
        shop.services
            .asked::<pb::ClearCartRequest>("clear_cart")
            .iter()
            .map(|it| it.expected_version)
            .collect(),
    ];
    for versions in versions {
        assert_eq!(versions, [Some(7), None, Some(7)]);
    }
    let looks = shop.services.asked::<pb::GetCartRequest>("get_cart");
    assert!(looks.iter().skip(1).all(|look| look.fresh), "at what is stored");

    // Somebody else was faster, between the look and the change.
    shop.services.forget("add_item");
    let stale = proto::Rejection::new(tonic::Code::Aborted, Reason::StaleVersion, "not any more");
    shop.services.refuses::<pb::Cart>("add_item", stale.into_status());
    let headers = [("content-type", "application/json"), ("if-match", tag.as_str())];
    shop.send(ask("POST", ITEMS, &headers, &changes[0].2)).await.problem(412, "stale_version");
}
