use api_gateway::auth::Role;
use proto::{Reason, Rejection, orders as pb};
use serde_json::json;
use tonic::Code;

use crate::replies::{ORDER, order, order_json};
use crate::shop::{Shop, ask};

#[tokio::test]
async fn a_page_of_orders() {
    let shop = Shop::open().await;
    let bare = pb::Order { shipping_address: None, status: pb::OrderStatus::Shipped.into(), ..order() };
    let page = pb::ListOrdersResponse { orders: vec![order(), bare], next_page_token: String::new() };
    shop.services.replies("list_orders", page);
    let mut second = order_json();
    second.as_object_mut().unwrap().remove("shipping_address");
    second["status"] = json!("SHIPPED");
    let answer = shop.get("/api/v1/orders").await;
    assert_eq!(answer.json(), json!({"orders": [order_json(), second], "next_page_token": ""}));
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"));

    shop.get("/api/v1/orders?status=SHIPPED&page_size=2&page_token=t").await;
    let wanted = pb::ListOrdersRequest {
        user_id: 1,
        status: pb::OrderStatus::Shipped.into(),
        page_size: 2,
        page_token: "t".into(),
    };
    let asked = shop.services.asked::<pb::ListOrdersRequest>("list_orders");
    assert_eq!(asked, [pb::ListOrdersRequest { user_id: 1, ..pb::ListOrdersRequest::default() }, wanted]);
    for (query, field) in
        [("status=shipped", "status"), ("page_size=101", "page_size"), ("user_id=2", "user_id")]
    {
        let answer = shop.get(&format!("/api/v1/orders?{query}")).await;
        assert_eq!(answer.refused_fields("invalid_argument"), [field]);
    }
}

#[tokio::test]
async fn an_order_is_shown_to_its_owner_and_to_admins() {
    let shop = Shop::guarded().await;
    shop.services.replies("get_order", order());
    let path = format!("/api/v1/orders/{ORDER}");
    for role in [Role::User, Role::Admin] {
        let token = format!("Bearer {}", shop.token(7, role));
        let answer = shop.send(ask("GET", &path, &[("authorization", &token)], "")).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, order_json()));
    }
    let asked = shop.services.asked::<pb::GetOrderRequest>("get_order");
    assert_eq!(asked.iter().map(|asked| asked.user_id).collect::<Vec<_>>(), [7, 0]);
}

#[tokio::test]
async fn an_order_that_is_not_theirs_is_not_there() {
    let shop = Shop::open().await;
    let unknown = Rejection::new(Code::NotFound, Reason::OrderNotFound, "there is no such order");
    shop.services.refuses::<pb::Order>("get_order", unknown.into_status());
    for id in [ORDER, "x", "1"] {
        let problem = shop.get(&format!("/api/v1/orders/{id}")).await.problem(404, "order_not_found");
        assert_eq!(problem["detail"], "there is no such order");
    }
    assert_eq!(shop.services.calls(), 1);
}

#[tokio::test]
async fn an_order_goes_on_step_by_step() {
    let shop = Shop::open().await;
    shop.services.replies("update_order_status", order());
    let path = format!("/api/v1/orders/{ORDER}");
    let answer = shop.json("PATCH", &path, json!({"status": "PROCESSING"})).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, order_json()));
    let asked = shop.services.asked::<pb::UpdateOrderStatusRequest>("update_order_status");
    let status = pb::OrderStatus::Processing.into();
    assert_eq!(asked, [pb::UpdateOrderStatusRequest { order_id: ORDER.into(), status }]);

    for body in [json!({}), json!({"status": "LOST"}), json!({"status": 2}), json!({"status": null})] {
        let answer = shop.json("PATCH", &path, &body).await;
        assert_eq!(answer.refused_fields("invalid_argument"), ["status"], "{body}");
    }
    shop.services.forget("update_order_status");
    let no = Rejection::new(
        Code::FailedPrecondition,
        Reason::InvalidTransition,
        "CONFIRMED can't become DELIVERED",
    );
    shop.services.refuses::<pb::Order>("update_order_status", no.into_status());
    shop.json("PATCH", &path, json!({"status": "DELIVERED"})).await.problem(409, "invalid_transition");
}

#[tokio::test]
async fn an_order_is_cancelled_by_its_owner_and_by_admins() {
    let shop = Shop::guarded().await;
    let path = format!("/api/v1/orders/{ORDER}/cancel");
    let nobody = shop.send(ask("POST", &path, &[], "")).await;
    nobody.problem(401, "token_missing");
    for (role, status, name) in [
        (Role::User, pb::OrderStatus::Cancelling, "CANCELLING"),
        (Role::Admin, pb::OrderStatus::Cancelled, "CANCELLED"),
    ] {
        shop.services.forget("cancel_order");
        shop.services.replies("cancel_order", pb::Order { status: status.into(), ..order() });
        let token = format!("Bearer {}", shop.token(7, role));
        let answer = shop.send(ask("POST", &path, &[("authorization", &token)], "")).await;
        let mut wanted = order_json();
        wanted["status"] = json!(name);
        assert_eq!((answer.status.as_u16(), answer.json()), (202, wanted));
    }
    let asked = shop.services.asked::<pb::CancelOrderRequest>("cancel_order");
    let wanted = |user_id| pb::CancelOrderRequest { order_id: ORDER.into(), user_id };
    assert_eq!(asked, [wanted(7), wanted(0)]);
}

#[tokio::test]
async fn an_order_that_can_not_be_cancelled_says_why() {
    let shop = Shop::open().await;
    let path = format!("/api/v1/orders/{ORDER}/cancel");
    let said = "an order that is SHIPPED can't become CANCELLED";
    for (code, reason, text, status, name) in [
        (Code::FailedPrecondition, Reason::InvalidTransition, said, 409, "invalid_transition"),
        (Code::NotFound, Reason::OrderNotFound, "no such order", 404, "order_not_found"),
    ] {
        shop.services.forget("cancel_order");
        shop.services.refuses::<pb::Order>("cancel_order", Rejection::new(code, reason, text).into_status());
        let problem = shop.send(ask("POST", &path, &[], "")).await.problem(status, name);
        assert_eq!(problem["detail"], text);
    }
    for id in ["x", "1"] {
        let path = format!("/api/v1/orders/{id}/cancel");
        shop.send(ask("POST", &path, &[], "")).await.problem(404, "order_not_found");
    }
    assert_eq!(shop.services.calls(), 2);
    shop.services.forget("cancel_order");
    shop.services.refuses::<pb::Order>("cancel_order", tonic::Status::unavailable("down"));
    let answer = shop.send(ask("POST", &path, &[], "")).await;
    assert_eq!(answer.status.as_u16(), 503);
    let get = shop.get(&path).await;
    assert_eq!(get.status.as_u16(), 405);
}
