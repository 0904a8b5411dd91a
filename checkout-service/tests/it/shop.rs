//! A checkout service among participants of memory, on a directory that outlives it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use checkout_service::store::{Sqlite, Store as _};
use checkout_service::{Peers, Service};
use event_log::sqlite::Log;
use platform::config::Location;
use platform::transport::Transport;
use platform::{World, grpc};
use proto::cart::cart_service_server::CartServiceServer;
use proto::checkout::checkout_service_client::CheckoutServiceClient;
use proto::checkout::{
    Checkout, CheckoutStatus, GetCheckoutRequest, InitiateCheckoutRequest, InitiateCheckoutResponse,
};
use proto::inventory::ReservationStatus;
use proto::inventory::inventory_service_server::InventoryServiceServer;
use proto::payment::PaymentStatus;
use proto::payment::payment_service_server::PaymentServiceServer;
use sql::sqlite::Sharing;
use testkit::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::participants::{Carts, Inventory, PRICE, Payment};

/// What is there before and after the service.
#[derive(Clone)]
pub(crate) struct Around {
    pub(crate) dir: Arc<TempDir>,
    pub(crate) inventory: Arc<Inventory>,
    pub(crate) payment: Arc<Payment>,
    pub(crate) carts: Arc<Carts>,
    pub(crate) world: World,
}

impl Around {
    pub(crate) fn new(stock: i64, world: World) -> Self {
        let inventory = Arc::new(Inventory::default());
        inventory.stock.lock().unwrap().insert(1, stock);
        let dir = Arc::new(TempDir::new().unwrap());
        Self { dir, inventory, payment: Arc::default(), carts: Arc::default(), world }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Starts the service; must be called in the runtime that is to carry it.
    pub(crate) async fn start(&self) -> Shop {
        let serve = |name, server: grpc::Builder| Transport::in_process(name, &server.build());
        let server = |name| grpc::server(name, &self.world);
        let peers = Peers {
            cart: serve("cart", server("cart").add(CartServiceServer::from_arc(self.carts.clone()))),
            inventory: serve(
                "inventory",
                server("inventory").add(InventoryServiceServer::from_arc(self.inventory.clone())),
            ),
            payment: serve(
                "payment",
                server("payment").add(PaymentServiceServer::from_arc(self.payment.clone())),
            ),
        };
        let log =
            Log::open(&self.path().join("events.db"), Sharing::Exclusive, self.world.clone()).await.unwrap();
        let log = Arc::new(log);
        let file = Location::File(self.path().join("checkout.db"));
        let service = checkout_service::open(&file, peers, log.clone(), self.world.clone()).await.unwrap();
        let shutdown = CancellationToken::new();
        let api = Transport::in_process("checkout", &service.grpc());
        let mut worker = JoinSet::new();
        worker.spawn(run(service, shutdown.clone()));
        Shop { around: self.clone(), api, log, shutdown, worker }
    }

    /// Every end is a clean one: nothing held or taken for a failed checkout, all taken for a completed one,
    /// one event each, and no unit of stock lost.
    pub(crate) async fn check(&self, stock: i64, log: &Log) {
        let store =
            Sqlite::open_read_only(&self.path().join("checkout.db"), self.world.clock.clone()).await.unwrap();
        let snapshot = store.snapshot().await.unwrap();
        let reservations = self.inventory.reservations.lock().unwrap().clone();
        let payments = self.payment.payments.lock().unwrap().clone();
        let mut sold = 0;
        for checkout in &snapshot.checkouts {
            let id = checkout.id.to_string();
            let reservation = reservations.get(&id).map(|(status, _)| *status);
            let payment = payments.get(&id).map(|(status, _)| *status);
            match checkout.state.name() {
                "COMPLETED" => {
                    sold += 1;
                    assert_eq!(reservation, Some(ReservationStatus::Committed), "{id}");
                    assert_eq!(payment, Some(PaymentStatus::Captured), "{id}");
                }
                "FAILED" => {
                    use PaymentStatus::{Declined, Refunded, Voided};
                    use ReservationStatus::{Rejected, Released};
                    assert!(matches!(reservation, Some(Released | Rejected)), "{id}: {reservation:?}");
                    assert!(
                        matches!(payment, None | Some(Voided | Declined | Refunded)),
                        "{id}: {payment:?}"
                    );
                }
                state => panic!("{id} has not ended: {state}"),
            }
            let events = snapshot.events.iter().filter(|event| event.checkout_id == checkout.id).count();
            assert_eq!(events, 1, "{id}");
        }
        assert_eq!(self.inventory.stock.lock().unwrap()[&1], stock - sold);
        assert!(self.payment.effects.lock().unwrap().values().all(|times| *times == 1));
        let wanted: Vec<uuid::Uuid> = snapshot.events.iter().map(|event| event.id).collect();
        testkit::eventually("every event in the log", Duration::from_secs(10), async || {
            let logged = log.events(proto::events::CHECKOUT_EVENTS).await.unwrap();
            wanted.iter().all(|id| logged.iter().any(|delivery| delivery.event.id == *id))
        })
        .await;
    }
}

async fn run(service: Service, shutdown: CancellationToken) {
    service.work(shutdown).await.unwrap();
}

/// The running service.
pub(crate) struct Shop {
    pub(crate) around: Around,
    pub(crate) api: Transport,
    pub(crate) log: Arc<Log>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) worker: JoinSet<()>,
}

impl Shop {
    pub(crate) fn client(&self) -> CheckoutServiceClient<Transport> {
        CheckoutServiceClient::new(self.api.clone())
    }

    pub(crate) async fn buy(
        &self,
        request: InitiateCheckoutRequest,
    ) -> Result<InitiateCheckoutResponse, Status> {
        Ok(self.client().initiate_checkout(request).await?.into_inner())
    }

    pub(crate) async fn get(&self, id: &str) -> Checkout {
        let request = GetCheckoutRequest { checkout_id: id.to_owned(), user_id: 0 };
        self.client().get_checkout(request).await.unwrap().into_inner()
    }

    /// Waits for the end of a checkout.
    pub(crate) async fn end(&self, id: &str) -> Checkout {
        testkit::eventually("the end of the checkout", Duration::from_secs(20), async || {
            Some(self.get(id).await)
                .filter(|c| matches!(c.status(), CheckoutStatus::Completed | CheckoutStatus::Failed))
        })
        .await
    }

    /// Stops cleanly.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        self.worker.join_next().await.unwrap().unwrap();
    }
}

pub(crate) fn request(user_id: i64, key: &str) -> InitiateCheckoutRequest {
    InitiateCheckoutRequest { user_id, idempotency_key: key.to_owned(), ..Default::default() }
}

pub(crate) fn declined(user_id: i64, key: &str) -> InitiateCheckoutRequest {
    InitiateCheckoutRequest { payment_method: "pm_declined".into(), ..request(user_id, key) }
}

pub(crate) fn laptop() -> Option<proto::common::Money> {
    Some(proto::common::Money { currency_code: "USD".into(), minor_units: PRICE })
}
