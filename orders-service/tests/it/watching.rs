//! Watching an order. The clock stands still unless a test moves it: what is seen was told, not found by looking.

use std::time::Duration;

use futures::{Stream, StreamExt as _};
use proto::Reason;
use proto::orders::{
    CancelOrderRequest, GetOrderRequest, Order, OrderStatus, UpdateOrderStatusRequest, WatchOrderRequest,
};
use proto::status::reason;
use testkit::eventually;
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::places::{Place, in_every_place, in_postgres};
use crate::shop::{PATIENCE, Shop};

const UNKNOWN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

in_every_place!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    an_order_is_seen_now_and_after_each_step_to_its_end,
    an_order_that_is_cancelled_is_seen_on_its_way_back,
    z1_another_users_order_is_not_watched,
);

type Changes = tonic::Streaming<Order>;

async fn watch(shop: &Shop, order_id: &str, user_id: i64) -> Result<Changes, Status> {
    let request = WatchOrderRequest { order_id: order_id.to_owned(), user_id };
    shop.client().watch_order(request).await.map(tonic::Response::into_inner)
}

async fn next(changes: &mut (impl Stream<Item = Result<Order, Status>> + Unpin)) -> Option<Order> {
    timeout(PATIENCE, changes.next()).await.expect("something is seen").transpose().unwrap()
}

async fn advance(shop: &Shop, order: &Order, status: OrderStatus) -> Order {
    let request = UpdateOrderStatusRequest { order_id: order.order_id.clone(), status: status.into() };
    shop.client().update_order_status(request).await.unwrap().into_inner()
}

async fn an_order_is_seen_now_and_after_each_step_to_its_end(place: &Place) {
    let shop = Shop::open(place).await;
    let order = shop.bought(1, 7).await;
    let other = shop.bought(2, 7).await;
    let mut all =
        [watch(&shop, &order.order_id, 7).await.unwrap(), watch(&shop, &order.order_id, 0).await.unwrap()];
    for changes in &mut all {
        assert_eq!(next(changes).await.unwrap(), order);
    }
    for status in [OrderStatus::Processing, OrderStatus::Shipped, OrderStatus::Delivered] {
        advance(&shop, &other, status).await;
        let after = advance(&shop, &order, status).await;
        for changes in &mut all {
            assert_eq!(next(changes).await.unwrap(), after);
        }
    }
    for changes in &mut all {
        assert_eq!(next(changes).await, None, "nothing comes after the end");
    }
    let mut late = watch(&shop, &order.order_id, 7).await.unwrap();
    assert_eq!(next(&mut late).await.unwrap().status(), OrderStatus::Delivered);
    assert_eq!(next(&mut late).await, None);
    shop.stop().await;
}

async fn an_order_that_is_cancelled_is_seen_on_its_way_back(place: &Place) {
    let shop = Shop::open(place).await;
    let order = shop.bought(1, 7).await;
    let mut changes = watch(&shop, &order.order_id, 7).await.unwrap();
    assert_eq!(next(&mut changes).await.unwrap(), order);
    let request = CancelOrderRequest { order_id: order.order_id.clone(), user_id: 7 };
    let cancelling = shop.client().cancel_order(request).await.unwrap().into_inner();
    assert_eq!(next(&mut changes).await.unwrap(), cancelling);
    shop.stop().await;
}

async fn z1_another_users_order_is_not_watched(place: &Place) {
    let shop = Shop::open(place).await;
    let order = shop.bought(1, 7).await;
    for (id, user) in [(order.order_id.as_str(), 8), (UNKNOWN, 7), (UNKNOWN, 0)] {
        let refused = watch(&shop, id, user).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused)), (Code::NotFound, Some(Reason::OrderNotFound)));
    }
    for (id, user) in [("x", 7), ("", 7), (order.order_id.as_str(), -1)] {
        assert_eq!(watch(&shop, id, user).await.unwrap_err().code(), Code::InvalidArgument, "{id} {user}");
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_instance_changes_is_found_by_looking() {
    in_postgres(async |place| {
        let shops = [Shop::open(place).await, Shop::open(place).await];
        let order = shops[0].bought(1, 7).await;
        let mut changes = watch(&shops[0], &order.order_id, 7).await.unwrap();
        assert_eq!(next(&mut changes).await.unwrap(), order);
        let request = GetOrderRequest { order_id: order.order_id.clone(), user_id: 7 };
        assert_eq!(shops[1].client().get_order(request).await.unwrap().into_inner(), order);
        let shipped = advance(&shops[1], &order, OrderStatus::Processing).await;
        let mut seen = None;
        eventually("the change is seen", PATIENCE, async || {
            shops[0].clock.advance(Duration::from_secs(1));
            let look = timeout(Duration::from_millis(50), changes.next());
            seen = look.await.ok().map(|change| change.unwrap().unwrap());
            seen.is_some()
        })
        .await;
        assert_eq!(seen, Some(shipped));
        for shop in shops {
            shop.stop().await;
        }
    })
    .await;
}
