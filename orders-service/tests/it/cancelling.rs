//! Cancelling, as a caller sees it. Nobody takes money or stock back here: what a whole cancellation comes to is
//! shown with the real services, among the tests of the whole shop.

use futures::future::join_all;
use proto::Reason;
use proto::orders::{CancelOrderRequest, Order, OrderStatus, UpdateOrderStatusRequest};
use proto::status::reason;
use tonic::{Code, Status};

use crate::places::{Place, in_every_place};
use crate::shop::{Client, Shop};

const UNKNOWN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

in_every_place!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    an_accepted_cancellation_is_kept_and_asking_again_changes_nothing,
    what_is_shipped_is_not_cancelled,
    what_cannot_be_cancelled_is_refused,
    of_a_step_and_a_cancellation_at_once_exactly_one_comes_first,
);

async fn an_accepted_cancellation_is_kept_and_asking_again_changes_nothing(place: &Place) {
    let shop = Shop::open(place).await;
    let order = shop.bought(1, 7).await;
    advance(&mut shop.client(), &order, OrderStatus::Processing).await.unwrap();
    let cancelling = cancel(&mut shop.client(), &order.order_id, 7).await.unwrap();
    assert_eq!(cancelling.status(), OrderStatus::Cancelling);
    let expected = Order { status: cancelling.status, updated_at: cancelling.updated_at, ..order.clone() };
    assert_eq!(cancelling, expected);
    for owner in [7, 0] {
        assert_eq!(cancel(&mut shop.client(), &order.order_id, owner).await.unwrap(), cancelling);
    }
    shop.stop().await;

    let shop = Shop::open(place).await;
    let snapshot = shop.snapshot().await;
    assert_eq!((snapshot.orders.len(), snapshot.cancellations.len()), (1, 1));
    assert_eq!(cancel(&mut shop.client(), &order.order_id, 7).await.unwrap(), cancelling);
    for to in [OrderStatus::Shipped, OrderStatus::Cancelled, OrderStatus::Confirmed] {
        let refused = advance(&mut shop.client(), &order, to).await.unwrap_err();
        assert_eq!(reason(&refused), Some(Reason::InvalidTransition));
    }
    assert!(snapshot.outbox.iter().all(|it| it.row.event.kind != "order.cancelled.v1"), "it is not over");
    shop.stop().await;
}

async fn what_is_shipped_is_not_cancelled(place: &Place) {
    let shop = Shop::open(place).await;
    let order = shop.bought(1, 7).await;
    let mut client = shop.client();
    advance(&mut client, &order, OrderStatus::Processing).await.unwrap();
    for (to, name) in [(OrderStatus::Shipped, "SHIPPED"), (OrderStatus::Delivered, "DELIVERED")] {
        advance(&mut client, &order, to).await.unwrap();
        let refused = cancel(&mut client, &order.order_id, 7).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused), refused.message()),
            (
                Code::FailedPrecondition,
                Some(Reason::InvalidTransition),
                format!("an order that is {name} can't become CANCELLED").as_str()
            )
        );
    }
    assert_eq!(shop.snapshot().await.cancellations, []);
    shop.stop().await;
}

async fn what_cannot_be_cancelled_is_refused(place: &Place) {
    let shop = Shop::open(place).await;
    let order = shop.bought(1, 7).await;
    let mut client = shop.client();
    for (id, user, code, why) in [
        (UNKNOWN, 7, Code::NotFound, Reason::OrderNotFound),
        (UNKNOWN, 0, Code::NotFound, Reason::OrderNotFound),
        (&order.order_id, 8, Code::NotFound, Reason::OrderNotFound),
        (&order.order_id, -1, Code::InvalidArgument, Reason::InvalidArgument),
        ("1", 7, Code::InvalidArgument, Reason::InvalidArgument),
        ("", 7, Code::InvalidArgument, Reason::InvalidArgument),
    ] {
        let refused = cancel(&mut client, id, user).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused)), (code, Some(why)), "{id} of {user}");
    }
    assert_eq!(shop.snapshot().await.cancellations, []);
    shop.stop().await;
}

async fn of_a_step_and_a_cancellation_at_once_exactly_one_comes_first(place: &Place) {
    let shop = Shop::open(place).await;
    for number in 1..=12 {
        let order = shop.bought(number, 7).await;
        let mut client = shop.client();
        advance(&mut client, &order, OrderStatus::Processing).await.unwrap();
        let (mut one, mut other) = (shop.client(), shop.client());
        let ship = advance(&mut one, &order, OrderStatus::Shipped);
        let cancels = join_all((0..3).map(|_| {
            let (mut client, id) = (other.clone(), order.order_id.clone());
            async move { cancel(&mut client, &id, 7).await }
        }));
        let (shipped, cancelled) = tokio::join!(ship, cancels);
        let cancelled: Vec<bool> = cancelled
            .into_iter()
            .map(|answer| match answer {
                Ok(order) => order.status() == OrderStatus::Cancelling,
                Err(refused) => reason(&refused) != Some(Reason::InvalidTransition),
            })
            .collect();
        let shipped = match shipped {
            Ok(order) => order.status() == OrderStatus::Shipped,
            Err(refused) => reason(&refused) != Some(Reason::InvalidTransition),
        };
        assert_eq!(cancelled, [!shipped; 3], "order {number}");
        let snapshot = shop.snapshot().await;
        let found = snapshot.cancellations.iter().any(|it| it.order_id.to_string() == order.order_id);
        assert_eq!(found, !shipped);
        // Whoever came second is told so from now on.
        assert_eq!(cancel(&mut other, &order.order_id, 7).await.is_ok(), !shipped);
    }
    shop.stop().await;
}

async fn cancel(client: &mut Client, order_id: &str, user_id: i64) -> Result<Order, Status> {
    let request = CancelOrderRequest { order_id: order_id.to_owned(), user_id };
    client.cancel_order(request).await.map(tonic::Response::into_inner)
}

async fn advance(client: &mut Client, order: &Order, to: OrderStatus) -> Result<Order, Status> {
    let request = UpdateOrderStatusRequest { order_id: order.order_id.clone(), status: to.into() };
    client.update_order_status(request).await.map(tonic::Response::into_inner)
}
