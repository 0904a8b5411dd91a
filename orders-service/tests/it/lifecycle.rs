//! The way of an order, in process and over TCP.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use event_log::Written;
use futures::future::join_all;
use platform::transport::Transport;
use proto::Reason;
use proto::events::OrderStatusChanged;
use proto::orders::orders_service_client::OrdersServiceClient;
use proto::orders::{Order, OrderStatus, UpdateOrderStatusRequest};
use proto::status::reason;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};

use crate::places::{Place, in_every_place};
use crate::shop::{Client, Shop};

const TRACE: &str = "00-11112222333344445555666677778888-aaaabbbbccccdddd-01";

in_every_place!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    an_order_goes_one_step_at_a_time_and_each_is_told,
    of_many_that_take_the_same_step_exactly_one_does,
    a_restart_on_the_same_directory_finds_everything,
);

async fn an_order_goes_one_step_at_a_time_and_each_is_told(place: &Place) {
    let shop = Shop::open(place).await;
    let order = shop.bought(1, 7).await;
    let mut client = shop.client();
    let all = [OrderStatus::Confirmed, OrderStatus::Processing, OrderStatus::Shipped, OrderStatus::Delivered];
    for (step, now) in all.into_iter().enumerate() {
        for refused in all.into_iter().enumerate().filter(|(to, _)| *to != step + 1).map(|(_, to)| to) {
            let status = ask(&mut client, &order, refused).await.unwrap_err();
            assert_eq!(
                (status.code(), reason(&status)),
                (Code::FailedPrecondition, Some(Reason::InvalidTransition))
            );
            let message = format!("an order that is {} can't become {}", name(now), name(refused));
            assert_eq!(status.message(), message);
        }
        let Some(next) = all.get(step + 1) else { break };
        shop.clock.advance(Duration::from_secs(60));
        let changed = ask(&mut client, &order, *next).await.unwrap();
        assert_eq!(changed.status(), *next);
        assert_eq!(changed.created_at, order.created_at);
        let minutes = i64::try_from(step + 1).unwrap();
        assert_eq!(changed.updated_at.unwrap().seconds, order.created_at.unwrap().seconds + 60 * minutes);
        assert_eq!(Order { status: order.status, updated_at: order.updated_at, ..changed }, order);
    }

    let told = shop.told(4).await;
    assert_eq!(told.len(), 4);
    let steps: Vec<(String, String)> = told[1..]
        .iter()
        .map(|event| {
            assert_eq!((event.kind.as_str(), event.key.as_str()), ("order.status_changed.v1", "7"));
            assert_eq!(event.traceparent.as_deref().map(|trace| &trace[..35]), Some(&TRACE[..35]));
            let changed: OrderStatusChanged = serde_json::from_slice(&event.data).unwrap();
            assert_eq!((changed.order_id.to_string(), changed.user_id.get()), (order.order_id.clone(), 7));
            assert_eq!(changed.changed_at, event.time);
            (changed.from, changed.to)
        })
        .collect();
    let expected = [("CONFIRMED", "PROCESSING"), ("PROCESSING", "SHIPPED"), ("SHIPPED", "DELIVERED")];
    assert_eq!(steps, expected.map(|(from, to)| (from.to_owned(), to.to_owned())));
    shop.stop().await;
}

async fn of_many_that_take_the_same_step_exactly_one_does(place: &Place) {
    let shop = Shop::open(place).await;
    let (shutdown, mut server) = (CancellationToken::new(), JoinSet::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    server.spawn(shop.service.grpc().serve(listener, shutdown.clone()));
    let over_tcp = OrdersServiceClient::new(Transport::connect("orders", &address).unwrap());

    let mut changes = 0;
    for (number, client) in [(1, shop.client()), (2, over_tcp)] {
        let order = shop.bought(number, 7).await;
        for to in [OrderStatus::Processing, OrderStatus::Shipped] {
            let callers = vec![client.clone(); 16];
            let unknown = AtomicUsize::new(0);
            let answers = join_all(callers.into_iter().map(async |mut client| {
                loop {
                    match ask(&mut client, &order, to).await {
                        // From a database that is too busy with the tests beside this one.
                        Err(status) if status.code() == Code::Unavailable => {
                            unknown.fetch_add(1, Ordering::Relaxed);
                        }
                        answer => return answer,
                    }
                }
            }));
            let (won, lost): (Vec<_>, Vec<_>) = answers.await.into_iter().partition(Result::is_ok);
            // Who won may not have heard of it.
            assert!(won.len() == 1 || (won.is_empty() && unknown.into_inner() > 0));
            for status in lost.into_iter().map(Result::unwrap_err) {
                assert_eq!(reason(&status), Some(Reason::InvalidTransition));
                assert_eq!(status.message(), format!("an order that is {0} can't become {0}", name(to)));
            }
            changes += 1;
        }
    }
    let snapshot = shop.snapshot().await;
    let changed = |written: &&Written| written.row.event.kind == OrderStatusChanged::TYPE;
    assert_eq!(snapshot.outbox.iter().filter(changed).count(), changes);
    shutdown.cancel();
    server.join_next().await.unwrap().unwrap().unwrap();
    shop.stop().await;
}

async fn a_restart_on_the_same_directory_finds_everything(place: &Place) {
    let shop = Shop::open(place).await;
    let order = shop.bought(1, 7).await;
    ask(&mut shop.client(), &order, OrderStatus::Processing).await.unwrap();
    shop.told(2).await;
    let before = shop.snapshot().await;
    shop.stop().await;

    let shop = Shop::open(place).await;
    assert_eq!(shop.snapshot().await.orders, before.orders);
    let shipped = ask(&mut shop.client(), &order, OrderStatus::Shipped).await.unwrap();
    assert_eq!(shipped.status(), OrderStatus::Shipped);
    shop.bought(2, 7).await;
    let kinds: Vec<String> = shop.told(4).await.into_iter().map(|event| event.kind).collect();
    let (created, changed) = ("order.created.v1", "order.status_changed.v1");
    assert_eq!(kinds, [created, changed, changed, created]);
    shop.stop().await;
}

/// Asks for the status, within a trace.
async fn ask(client: &mut Client, order: &Order, to: OrderStatus) -> Result<Order, Status> {
    let message = UpdateOrderStatusRequest { order_id: order.order_id.clone(), status: to.into() };
    let mut request = Request::new(message);
    request.metadata_mut().insert("traceparent", TRACE.parse().unwrap());
    client.update_order_status(request).await.map(tonic::Response::into_inner)
}

fn name(status: OrderStatus) -> &'static str {
    status.as_str_name().trim_start_matches("ORDER_STATUS_")
}
