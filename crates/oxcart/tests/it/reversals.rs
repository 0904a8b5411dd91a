//! Cancellations between the real orders, inventory and payment services, with faults between them: whatever gets
//! lost, comes twice or comes late, money and stock go back once.

mod participant;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use event_log::{Event, EventLog as _, sqlite};
use inventory_service::reservation::State as Stand;
use orders_service::cancellation::State;
use orders_service::order::Status;
use orders_service::store::Snapshot;
use payment_service::payment::Status as Money;
use platform::config::Location;
use platform::transport::Transport;
use platform::{World, grpc};
use proto::events::{CHECKOUT_EVENTS, CheckoutCompleted, Item, OrderCancelled};
use proto::inventory::inventory_service_client::InventoryServiceClient;
use proto::inventory::inventory_service_server::InventoryServiceServer;
use proto::inventory::{ConfirmRequest, Line, ReserveRequest};
use proto::orders::orders_service_client::OrdersServiceClient;
use proto::orders::{CancelOrderRequest, GetOrderRequest, OrderStatus};
use proto::payment::payment_service_client::PaymentServiceClient;
use proto::payment::payment_service_server::PaymentServiceServer;
use proto::payment::{AuthorizeRequest, CaptureRequest};
use sql::postgres::Scratch;
use sql::sqlite::Sharing;
use testkit::{Engine, TempDir, eventually};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use types::{CheckoutId, Currency, Timestamp};
use uuid::Uuid;

use participant::{Fault, Participant};

const PATIENCE: Duration = Duration::from_secs(30);
const PRICE: i64 = 129_999;

/// The real inventory and payment services, what stands before them, and the log.
struct Around {
    dir: TempDir,
    inventory: inventory_service::Service,
    payment: payment_service::Service,
    /// Before the inventory service,
    stock: Arc<Participant>,
    /// and before the payment service.
    money: Arc<Participant>,
    log: sqlite::Log,
}

/// A running orders service.
struct Orders {
    service: orders_service::Service,
    shutdown: CancellationToken,
    worker: JoinSet<anyhow::Result<()>>,
}

impl Around {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let world = World::real();
        let file = |name: &str| Location::File(dir.path().join(name));
        let inventory = inventory_service::open(&file("inventory.db"), world.clone()).await.unwrap();
        let places = payment_service::Places::new(file("payment.db"), dir.path());
        let settings = payment_service::Config::parse_from(["payment-service"]).settings;
        let payment = payment_service::open(&places, &settings, world.clone()).await.unwrap();
        let stock = Arc::new(Participant::new(Transport::in_process("inventory", &inventory.grpc())));
        let money = Arc::new(Participant::new(Transport::in_process("payment", &payment.grpc())));
        let log = sqlite::Log::open(&dir.path().join("events.db"), Sharing::Shared, world).await.unwrap();
        Self { dir, inventory, payment, stock, money, log }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    async fn orders(&self, location: &Location, world: World) -> Orders {
        let server = |name| grpc::server(name, &world);
        let stock = server("inventory").add(InventoryServiceServer::from_arc(self.stock.clone())).build();
        let money = server("payment").add(PaymentServiceServer::from_arc(self.money.clone())).build();
        let peers = orders_service::Peers {
            inventory: Transport::in_process("inventory", &stock),
            payment: Transport::in_process("payment", &money),
        };
        let log = Arc::new(self.log.clone());
        // The service before this one gives its file back a moment after it is gone.
        let service = eventually("the file is free", PATIENCE, async || {
            orders_service::open(location, peers.clone(), log.clone(), world.clone()).await.ok()
        })
        .await;
        let (shutdown, mut worker) = (CancellationToken::new(), JoinSet::new());
        let (working, stop) = (service.clone(), shutdown.clone());
        worker.spawn(async move { working.work(stop).await });
        Orders { service, shutdown, worker }
    }

    /// Sells two laptops as a checkout does, and tells the log.
    async fn sell(&self, number: u128) -> CheckoutCompleted {
        let checkout_id = CheckoutId(Uuid::from_u128(number));
        let id = checkout_id.to_string();
        let mut stock =
            InventoryServiceClient::new(Transport::in_process("inventory", &self.inventory.grpc()));
        let lines = vec![Line { product_id: 1, quantity: 2 }];
        stock.reserve(ReserveRequest { reservation_id: id.clone(), lines }).await.unwrap();
        stock.confirm(ConfirmRequest { reservation_id: id.clone() }).await.unwrap();
        let total = types::Money::new(2 * PRICE, Currency::USD);
        let mut money = PaymentServiceClient::new(Transport::in_process("payment", &self.payment.grpc()));
        let (amount, payment_method) = (Some(total.into()), "pm_card_visa".to_owned());
        let request = AuthorizeRequest { checkout_id: id.clone(), user_id: 7, amount, payment_method };
        money.authorize(request).await.unwrap();
        money.capture(CaptureRequest { checkout_id: id }).await.unwrap();

        let item = Item {
            product_id: 1.try_into().unwrap(),
            product_name: "Laptop".to_owned(),
            quantity: 2.try_into().unwrap(),
            unit_price: types::Money::new(PRICE, Currency::USD),
            line_total: total,
        };
        let completed = CheckoutCompleted {
            checkout_id,
            order_id: checkout_id.order_id(),
            user_id: 7.try_into().unwrap(),
            items: vec![item],
            total,
            shipping_address: None,
            cart_version: 1,
            completed_at: Timestamp::from_micros(1_763_842_530_000_000),
        };
        let event = Event {
            id: Uuid::from_u128(number + 1_000_000),
            kind: CheckoutCompleted::TYPE.to_owned(),
            source: "checkout-service".to_owned(),
            key: "7".to_owned(),
            time: completed.completed_at,
            traceparent: None,
            request_id: None,
            data: serde_json::to_vec(&completed).unwrap().into(),
        };
        self.log.publish(CHECKOUT_EVENTS, &[event]).await.unwrap();
        completed
    }

    /// Money and stock of these sales are back, once, and one event says so of each.
    async fn check(&self, orders: &Orders, sales: usize) {
        let snapshot = orders.snapshot().await;
        assert!(snapshot.orders.iter().all(|order| order.status == Status::Cancelled));
        assert_eq!((snapshot.orders.len(), snapshot.cancellations.len()), (sales, sales));
        let told = snapshot.outbox.iter().filter(|it| it.row.event.kind == OrderCancelled::TYPE);
        assert_eq!(told.count(), sales);
        let stock = self.inventory.store().snapshot().await.unwrap();
        assert_eq!(stock.violations(), []);
        assert_eq!((stock.stock[0].available, stock.stock[0].sold), (50, 0));
        assert!(stock.reservations.iter().all(|it| it.state == Stand::Restocked));
        let payments = self.payment.store().snapshot().await.unwrap();
        assert!(payments.iter().all(|it| it.status == Money::Refunded) && payments.len() == sales);
        let file = Location::File(self.path().join("provider.db"));
        let ledger = payment_service::provider::simulated::ledger::open_read_only(&file).await.unwrap();
        let entries = ledger.entries().await.unwrap();
        let refund = payment_service::provider::simulated::Effect::Refund;
        assert_eq!(entries.iter().filter(|entry| entry.effect == refund).count(), sales);
    }
}

impl Orders {
    fn client(&self) -> OrdersServiceClient<Transport> {
        OrdersServiceClient::new(Transport::in_process("orders", &self.service.grpc()))
    }

    async fn snapshot(&self) -> Snapshot {
        self.service.store().snapshot().await.unwrap()
    }

    /// Cancels the order of a sale, once it is there.
    async fn cancel(&self, sale: &CheckoutCompleted) {
        let order_id = sale.order_id.to_string();
        eventually("the order", PATIENCE, async || {
            let request = GetOrderRequest { order_id: order_id.clone(), user_id: 7 };
            self.client().get_order(request).await.is_ok()
        })
        .await;
        self.client().cancel_order(CancelOrderRequest { order_id, user_id: 7 }).await.unwrap();
    }

    async fn ends(&self) {
        eventually("every order is cancelled", PATIENCE, async || {
            self.snapshot().await.orders.iter().all(|order| order.status == Status::Cancelled)
        })
        .await;
    }

    async fn stop(mut self) {
        self.shutdown.cancel();
        self.worker.join_next().await.unwrap().unwrap().unwrap();
    }
}

fn file(around: &Around) -> Location {
    Location::File(around.path().join("orders.db"))
}

/// For each step: an error, a call that comes twice, an answer that gets lost after the effect, and all of them.
#[tokio::test(flavor = "multi_thread")]
async fn each_step_bears_errors_repeats_and_lost_replies() {
    let around = Around::new().await;
    let orders = around.orders(&file(&around), World::real()).await;
    let mut sales = 0;
    for participant in [&around.money, &around.stock] {
        for faults in [
            &[Fault::Lost][..],
            &[Fault::Doubled],
            &[Fault::ReplyLost],
            &[Fault::ReplyLost, Fault::Lost, Fault::Doubled],
        ] {
            sales += 1;
            let sale = around.sell(sales).await;
            participant.plan(faults);
            orders.cancel(&sale).await;
            orders.ends().await;
            assert_eq!(participant.left(), 0, "{faults:?}");
            around.check(&orders, usize::try_from(sales).unwrap()).await;
        }
    }
    testkit::figures::tell("triad of a cancellation", format!("cancellations: {sales}, violations: 0"));
    orders.stop().await;
}

/// An undo is tried for ever, and is said to be stuck after twenty attempts.
#[tokio::test(flavor = "multi_thread")]
async fn an_undo_has_no_last_attempt() {
    let around = Around::new().await;
    let (world, clock) = testkit::world();
    let orders = around.orders(&file(&around), World { ids: World::real().ids, ..world }).await;
    let sale = around.sell(1).await;
    around.stock.plan(&[Fault::Lost; 25]);
    orders.cancel(&sale).await;
    let wait = async |left: usize| {
        eventually("the attempts", PATIENCE, async || {
            clock.advance(Duration::from_millis(500));
            around.stock.left() <= left
        })
        .await;
    };
    wait(3).await;
    let snapshot = orders.snapshot().await;
    assert!(snapshot.cancellations[0].is_stuck(), "{:?}", snapshot.cancellations);
    let shown = async || {
        let request = GetOrderRequest { order_id: sale.order_id.to_string(), user_id: 7 };
        let order = orders.client().get_order(request).await.unwrap().into_inner();
        (order.status(), order.stuck)
    };
    assert_eq!(shown().await, (OrderStatus::Cancelling, true));
    wait(0).await;
    eventually("the end", PATIENCE, async || {
        clock.advance(Duration::from_millis(500));
        orders.snapshot().await.orders[0].status == Status::Cancelled
    })
    .await;
    assert_eq!(shown().await, (OrderStatus::Cancelled, false));
    around.check(&orders, 1).await;
    orders.stop().await;
}

/// A clean stop in the middle of a call lets it end and gives the lease back; the next start goes on at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_gives_leases_back() {
    let around = Around::new().await;
    let orders = around.orders(&file(&around), World::real()).await;
    let sale = around.sell(1).await;
    around.money.plan(&[Fault::Late]);
    orders.cancel(&sale).await;
    around.money.held().await;
    orders.shutdown.cancel();
    around.money.release();
    let store = orders.service.store();
    orders.stop().await;
    let stood = store.snapshot().await.unwrap();
    assert_eq!((stood.orders[0].status, stood.cancellations[0].fence), (Status::Cancelling, 1));
    let claimed = store.claim(Uuid::from_u128(9), 9, World::real().clock.now()).await.unwrap();
    assert_eq!(claimed[0].state, State::Restocking, "the call that ran was recorded");
    drop(store);
    let orders = around.orders(&file(&around), World::real()).await;
    orders.ends().await;
    around.check(&orders, 1).await;
    orders.stop().await;
}

/// One of two workers stands still for longer than its lease, in the middle of a call. The other one ends what it
/// began, and what the first one says afterwards changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_was_frozen_has_lost_the_order() {
    let Some(url) = Engine::Postgres.url() else { return };
    let scratch = Scratch::new(&url).await.unwrap();
    let database = Location::Postgres(scratch.server().clone());
    let around = Around::new().await;
    // Its clock stands still: it renews no lease.
    let (world, _clock) = testkit::world();
    let frozen = around.orders(&database, World { ids: World::real().ids, ..world }).await;
    let sale = around.sell(1).await;
    around.money.plan(&[Fault::Late]);
    frozen.cancel(&sale).await;
    around.money.held().await;
    assert_eq!(frozen.snapshot().await.cancellations[0].fence, 1);

    let other = around.orders(&database, World::real()).await;
    other.ends().await;
    let ended = other.snapshot().await.cancellations;
    assert_eq!(ended[0].fence, 2);
    around.money.release();
    frozen.stop().await;
    assert_eq!(other.snapshot().await.cancellations, ended);
    around.check(&other, 1).await;
    other.stop().await;
    scratch.drop().await.unwrap();
}
