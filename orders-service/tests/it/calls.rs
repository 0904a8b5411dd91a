//! Looking at orders, and being refused.

use std::time::Duration;

use proto::Reason;
use proto::orders::{
    GetOrderRequest, ListOrdersRequest, ListOrdersResponse, Order, OrderStatus, UpdateOrderStatusRequest,
};
use proto::status::{reason, violations};
use tonic::{Code, Status};

use crate::fixtures;
use crate::places::{Place, in_every_place};
use crate::shop::{Client, Shop, event};

const UNKNOWN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

in_every_place!(
    #[tokio::test]
    a_list_has_no_gaps_and_no_repeats_while_orders_are_added,
    a_page_that_is_just_full_is_the_last,
    z4_a_list_can_be_of_one_status_and_its_token_fits_no_other,
    z1_another_users_order_is_no_order,
    what_cannot_be_used_is_named,
    an_order_without_an_address_has_none,
);

async fn a_list_has_no_gaps_and_no_repeats_while_orders_are_added(place: &Place) {
    let shop = Shop::open(place).await;
    // Three orders at each moment, so that pages end within one.
    for number in 1..=25 {
        shop.bought(number, 7).await;
        if number % 3 == 0 {
            shop.clock.advance(Duration::from_micros(1));
        }
    }
    shop.bought(100, 8).await;
    let mut client = shop.client();
    let mut seen: Vec<Order> = Vec::new();
    let mut token = String::new();
    for added in 1000.. {
        let page = list(&mut client, 7, 0, 4, &token).await.unwrap();
        assert_eq!(page.orders.len(), if page.next_page_token.is_empty() { 1 } else { 4 });
        seen.extend(page.orders);
        if page.next_page_token.is_empty() {
            break;
        }
        token = page.next_page_token;
        shop.clock.advance(Duration::from_micros(1));
        shop.bought(added, 7).await;
    }
    let moment = |order: &Order| order.created_at.map(|at| (at.seconds, at.nanos));
    assert!(seen.is_sorted_by(|a, b| (moment(a), &a.order_id) > (moment(b), &b.order_id)), "newest first");
    let mut ids: Vec<&str> = seen.iter().map(|order| order.order_id.as_str()).collect();
    ids.sort_unstable();
    let mut expected: Vec<String> =
        (1..=25).map(|number| fixtures::completed(number, 7).order_id.to_string()).collect();
    expected.sort_unstable();
    assert_eq!(ids, expected);

    let everything = list(&mut client, 7, 0, 100, "").await.unwrap();
    assert_eq!((everything.orders.len(), everything.next_page_token.as_str()), (25 + 6, ""));
    let first = list(&mut client, 7, 0, 0, "").await.unwrap();
    assert_eq!(first.orders.len(), 20, "the default");
    shop.stop().await;
}

async fn a_page_that_is_just_full_is_the_last(place: &Place) {
    let shop = Shop::open(place).await;
    let mut client = shop.client();
    let nothing = list(&mut client, 7, 0, 1, "").await.unwrap();
    assert_eq!(nothing, ListOrdersResponse::default());
    shop.bought(1, 7).await;
    let full = list(&mut client, 7, 0, 1, "").await.unwrap();
    assert_eq!((full.orders.len(), full.next_page_token.as_str()), (1, ""));
    shop.stop().await;
}

async fn z4_a_list_can_be_of_one_status_and_its_token_fits_no_other(place: &Place) {
    let shop = Shop::open(place).await;
    let mut client = shop.client();
    for number in 1..=4 {
        let order = shop.bought(number, 7).await;
        if number < 4 {
            let status = OrderStatus::Processing.into();
            client
                .update_order_status(UpdateOrderStatusRequest { order_id: order.order_id, status })
                .await
                .unwrap();
        }
    }
    let processing = OrderStatus::Processing as i32;
    let first = list(&mut client, 7, processing, 2, "").await.unwrap();
    let rest = list(&mut client, 7, processing, 2, &first.next_page_token).await.unwrap();
    assert_eq!((first.orders.len(), rest.orders.len(), rest.next_page_token.as_str()), (2, 1, ""));
    assert!(first.orders.iter().chain(&rest.orders).all(|order| order.status() == OrderStatus::Processing));
    let confirmed = list(&mut client, 7, OrderStatus::Confirmed.into(), 9, "").await.unwrap();
    assert_eq!(confirmed.orders.len(), 1);
    assert_eq!(list(&mut client, 7, OrderStatus::Delivered.into(), 9, "").await.unwrap().orders, []);

    for (user, status) in [(8, processing), (7, 0), (7, OrderStatus::Shipped.into())] {
        let refused = list(&mut client, user, status, 2, &first.next_page_token).await.unwrap_err();
        assert_invalid(&refused, "page_token", Reason::InvalidArgument);
    }
    shop.stop().await;
}

async fn z1_another_users_order_is_no_order(place: &Place) {
    let shop = Shop::open(place).await;
    let order = shop.bought(1, 7).await;
    let mut client = shop.client();
    let mut get = async |user_id| {
        let request = GetOrderRequest { order_id: order.order_id.clone(), user_id };
        client.get_order(request).await.map(tonic::Response::into_inner)
    };
    assert_eq!(get(0).await.unwrap(), order);
    assert_eq!(get(7).await.unwrap(), order);
    let foreign = get(8).await.unwrap_err();
    assert_refused(&foreign, Code::NotFound, Reason::OrderNotFound, "no such order");
    let mut client = shop.client();
    assert_eq!(list(&mut client, 8, 0, 10, "").await.unwrap().orders, []);
    let request = GetOrderRequest { order_id: UNKNOWN.into(), user_id: 8 };
    let unknown = client.get_order(request).await.unwrap_err();
    assert_refused(&unknown, foreign.code(), Reason::OrderNotFound, foreign.message());
    shop.stop().await;
}

async fn what_cannot_be_used_is_named(place: &Place) {
    let shop = Shop::open(place).await;
    let mut client = shop.client();
    for (order_id, user_id, field) in [("", 0, "order_id"), ("1", 0, "order_id"), (UNKNOWN, -1, "user_id")] {
        let request = GetOrderRequest { order_id: order_id.into(), user_id };
        assert_invalid(&client.get_order(request).await.unwrap_err(), field, Reason::InvalidArgument);
    }
    for (user, status, size, token, field) in [
        (0, 0, 0, "", "user_id"),
        (-1, 0, 0, "", "user_id"),
        (7, 7, 0, "", "status"),
        (7, -1, 0, "", "status"),
        (7, 0, 101, "", "page_size"),
        (7, 0, -1, "", "page_size"),
        (7, 0, 0, "soon", "page_token"),
        (7, 0, 0, "e30", "page_token"),
    ] {
        let refused = list(&mut client, user, status, size, token).await.unwrap_err();
        assert_invalid(&refused, field, Reason::InvalidArgument);
    }
    for (order_id, status, field) in [("1", 2, "order_id"), (UNKNOWN, 0, "status"), (UNKNOWN, 9, "status")] {
        let request = UpdateOrderStatusRequest { order_id: order_id.into(), status };
        let refused = client.update_order_status(request).await.unwrap_err();
        assert_invalid(&refused, field, Reason::InvalidArgument);
    }
    let request = UpdateOrderStatusRequest { order_id: UNKNOWN.into(), status: 2 };
    let refused = client.update_order_status(request).await.unwrap_err();
    assert_refused(&refused, Code::NotFound, Reason::OrderNotFound, "no such order");
    shop.stop().await;
}

async fn an_order_without_an_address_has_none(place: &Place) {
    let shop = Shop::open(place).await;
    let mut completed = fixtures::completed(1, 7);
    completed.shipping_address = None;
    shop.publish(&[event(&completed)]).await;
    assert_eq!(shop.order_of(&completed).await.shipping_address, None);
    shop.stop().await;
}

async fn list(
    client: &mut Client,
    user_id: i64,
    status: i32,
    page_size: i32,
    page_token: &str,
) -> Result<ListOrdersResponse, Status> {
    let request = ListOrdersRequest { user_id, status, page_size, page_token: page_token.to_owned() };
    client.list_orders(request).await.map(tonic::Response::into_inner)
}

fn assert_refused(status: &Status, code: Code, why: Reason, message: &str) {
    assert_eq!((status.code(), reason(status), status.message()), (code, Some(why), message));
}

fn assert_invalid(status: &Status, field: &str, why: Reason) {
    assert_eq!((status.code(), reason(status)), (Code::InvalidArgument, Some(why)), "{field}");
    let fields: Vec<String> = violations(status).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, [field]);
}
