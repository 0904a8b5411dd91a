//! The service between a log and its callers.

use std::sync::Arc;
use std::time::Duration;

use event_log::{DeadLetter, Delivery, Event, EventLog, sqlite};
use orders_service::store::Snapshot;
use orders_service::{Peers, Service};
use platform::World;
use platform::config::Location;
use platform::transport::Transport;
use proto::events::{CHECKOUT_EVENTS, CheckoutCompleted, ORDER_EVENTS};
use proto::orders::orders_service_client::OrdersServiceClient;
use proto::orders::{GetOrderRequest, Order};
use sql::sqlite::Sharing;
use testkit::{ManualClock, eventually};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use types::Timestamp;
use uuid::Uuid;

use crate::fixtures;
use crate::places::Place;

pub(crate) type Client = OrdersServiceClient<Transport>;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An orders service that works, on a log that a test writes checkouts to. Its clock stands still.
pub(crate) struct Shop {
    pub(crate) service: Service,
    pub(crate) log: sqlite::Log,
    pub(crate) clock: ManualClock,
    workers: JoinSet<anyhow::Result<()>>,
    shutdown: CancellationToken,
}

impl Shop {
    pub(crate) async fn open(place: &Place) -> Self {
        Self::open_at(place, &place.orders()).await
    }

    /// With the orders somewhere else.
    pub(crate) async fn open_at(place: &Place, orders: &Location) -> Self {
        let path = place.dir().path().join("events.db");
        let log = sqlite::Log::open(&path, Sharing::Shared, World::real()).await.unwrap();
        Self::open_on(orders, log.clone(), Arc::new(log)).await
    }

    /// With another view of the log for the service.
    pub(crate) async fn open_on(orders: &Location, log: sqlite::Log, seen: Arc<dyn EventLog>) -> Self {
        // Nobody takes anything back: a test that cancels sees how far that comes.
        let nobody = |name| Transport::connect(name, "127.0.0.1:1").unwrap();
        let peers = Peers { inventory: nobody("inventory"), payment: nobody("payment") };
        let (world, clock) = testkit::world();
        // Real ids: the counting ones begin anew with each start, as no program's do.
        let world = World { ids: World::real().ids, ..world };
        // The service before this one gives the file back a moment after it is gone.
        let service = eventually("the orders open", PATIENCE, async || {
            orders_service::open(orders, peers.clone(), seen.clone(), world.clone()).await.ok()
        })
        .await;
        let (shutdown, mut workers) = (CancellationToken::new(), JoinSet::new());
        let (worker, token) = (service.clone(), shutdown.clone());
        workers.spawn(async move { worker.work(token).await });
        Self { service, log, clock, workers, shutdown }
    }

    /// Stops as a signal would.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.workers.join_next().await {
            ended.unwrap().unwrap();
        }
        self.log.close().await;
    }

    /// Stops in the middle of whatever it does.
    pub(crate) async fn crash(mut self) {
        self.workers.shutdown().await;
        self.log.close().await;
    }

    pub(crate) fn client(&self) -> Client {
        OrdersServiceClient::new(Transport::in_process("orders", &self.service.grpc()))
    }

    pub(crate) async fn publish(&self, events: &[Event]) {
        self.log.publish(CHECKOUT_EVENTS, events).await.unwrap();
    }

    /// Publishes the `number`th checkout, of `user`, and waits for its order.
    pub(crate) async fn bought(&self, number: u128, user: i64) -> Order {
        let completed = fixtures::completed(number, user);
        self.publish(&[event(&completed)]).await;
        self.order_of(&completed).await
    }

    /// The order of a checkout, once it is there.
    pub(crate) async fn order_of(&self, completed: &CheckoutCompleted) -> Order {
        let mut client = self.client();
        let request = GetOrderRequest { order_id: completed.order_id.to_string(), user_id: 0 };
        eventually("the checkout has its order", PATIENCE, async || {
            client.get_order(request.clone()).await.ok().map(tonic::Response::into_inner)
        })
        .await
    }

    pub(crate) async fn snapshot(&self) -> Snapshot {
        self.service.store().snapshot().await.unwrap()
    }

    /// What the log has of orders, once there are so many events of them.
    pub(crate) async fn told(&self, count: usize) -> Vec<Event> {
        let told = eventually("the orders are told of", PATIENCE, async || {
            let told = self.log.events(ORDER_EVENTS).await.unwrap();
            (told.len() >= count).then_some(told)
        });
        told.await.into_iter().map(|delivery: Delivery| delivery.event).collect()
    }

    /// The dead letters, once there are so many. Moves the clock on, since some come after several attempts.
    pub(crate) async fn dead_letters(&self, count: usize) -> Vec<DeadLetter> {
        eventually("the dead letters are there", PATIENCE, async || {
            self.clock.advance(Duration::from_secs(1));
            let dead = self.log.dead_letters().await.unwrap();
            (dead.len() >= count).then_some(dead)
        })
        .await
    }
}

/// The event that a checkout completed. Its id follows from the checkout's.
pub(crate) fn event(completed: &CheckoutCompleted) -> Event {
    Event {
        id: Uuid::from_u128(completed.checkout_id.0.as_u128() + 1_000_000),
        kind: CheckoutCompleted::TYPE.to_owned(),
        source: "checkout-service".to_owned(),
        key: completed.user_id.to_string(),
        time: Timestamp::from_micros(1_763_842_530_000_000),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        request_id: Some("request-1".to_owned()),
        data: serde_json::to_vec(completed).unwrap().into(),
    }
}
