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
        [pb::AddItemRequest { user_id: 1, product_id: 1, quantity: 2 }]
    );
    assert_eq!(
        services.asked::<pb::UpdateQuantityRequest>("update_quantity"),
        [pb::UpdateQuantityRequest { user_id: 1, product_id: 1, quantity: 3 }]
    );
    assert_eq!(
        services.asked::<pb::RemoveItemRequest>("remove_item"),
        [pb::RemoveItemRequest { user_id: 1, product_id: 1 }]
    );
    assert_eq!(services.asked::<pb::ClearCartRequest>("clear_cart"), [pb::ClearCartRequest { user_id: 1 }]);
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
async fn a_quantity_is_a_whole_number_in_its_bounds() {
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
