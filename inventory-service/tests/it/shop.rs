//! An inventory service of its own for each test.

use std::sync::Arc;
use std::time::Duration;

use inventory_service::Service;
use platform::transport::Transport;
use platform::{Context, World};
use proto::Reason;
use proto::inventory::inventory_service_client::InventoryServiceClient;
use proto::inventory::{
    ConfirmRequest, GetStockRequest, Line, ListMovementsRequest, ListMovementsResponse, ReleaseRequest,
    Reservation, ReservationStatus, ReserveRequest, SetStockRequest, Stock,
};
use testkit::{ManualClock, TempDir, eventually};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use uuid::Uuid;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running service, with its workers.
pub(crate) struct Shop {
    directory: TempDir,
    world: World,
    pub(crate) clock: ManualClock,
    pub(crate) service: Arc<Service>,
    shutdown: CancellationToken,
    running: JoinSet<anyhow::Result<()>>,
    pub(crate) client: Client,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let (world, clock) = testkit::world();
        Self::open_in(TempDir::new().unwrap(), world, clock).await
    }

    async fn open_in(directory: TempDir, world: World, clock: ManualClock) -> Self {
        let path = directory.path().join("inventory.db");
        // A file is given back a moment after its last user is gone.
        let service = eventually("the file is free", PATIENCE, async || {
            inventory_service::open(&path, world.clone()).await.ok()
        })
        .await;
        let service = Arc::new(service);
        let shutdown = CancellationToken::new();
        let mut running = JoinSet::new();
        let (worker, token) = (service.clone(), shutdown.clone());
        running.spawn(async move { worker.work(token).await });
        let client = Client::new(Transport::in_process("inventory", &service.grpc()), &world);
        Self { directory, world, clock, service, shutdown, running, client }
    }

    /// Stops the service and, after so long on its clock, opens it again on the same directory.
    pub(crate) async fn restart_after(self, absence: Duration) -> Self {
        let Self { directory, world, clock, service, shutdown, mut running, client } = self;
        shutdown.cancel();
        while let Some(ended) = running.join_next().await {
            ended.unwrap().unwrap();
        }
        drop((client, service));
        clock.advance(absence);
        Self::open_in(directory, world, clock).await
    }

    /// Serves the same service over TCP as well.
    pub(crate) async fn over_tcp(&mut self) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        self.running.spawn(self.service.grpc().serve(listener, self.shutdown.clone()));
        Client::new(Transport::connect("inventory", &address).unwrap(), &self.world)
    }

    /// No promise of the ledger is broken.
    pub(crate) async fn assert_sound(&self) {
        assert_eq!(self.service.store().snapshot().await.unwrap().violations(), []);
    }
}

/// A caller.
#[derive(Clone)]
pub(crate) struct Client {
    rpc: InventoryServiceClient<Transport>,
    world: World,
}

impl Client {
    fn new(transport: Transport, world: &World) -> Self {
        Self { rpc: InventoryServiceClient::new(transport), world: world.clone() }
    }

    fn request<M>(&self, message: M) -> tonic::Request<M> {
        Context::root(self.world.ids.as_ref(), PATIENCE).request(message)
    }

    pub(crate) async fn reserve(&self, key: &str, lines: &[(i64, i64)]) -> Result<Reservation, Status> {
        let lines = lines.iter().map(|&(product_id, quantity)| Line { product_id, quantity }).collect();
        let message = ReserveRequest { reservation_id: key.into(), lines };
        Ok(self.rpc.clone().reserve(self.request(message)).await?.into_inner())
    }

    pub(crate) async fn confirm(&self, key: &str) -> Result<Reservation, Status> {
        let message = ConfirmRequest { reservation_id: key.into() };
        Ok(self.rpc.clone().confirm(self.request(message)).await?.into_inner())
    }

    pub(crate) async fn release(&self, key: &str) -> Result<Reservation, Status> {
        let message = ReleaseRequest { reservation_id: key.into() };
        Ok(self.rpc.clone().release(self.request(message)).await?.into_inner())
    }

    pub(crate) async fn stock(&self, product_id: i64) -> Result<Stock, Status> {
        Ok(self.rpc.clone().get_stock(self.request(GetStockRequest { product_id })).await?.into_inner())
    }

    pub(crate) async fn set_stock(&self, product_id: i64, on_hand: i64) -> Result<Stock, Status> {
        let message = SetStockRequest { product_id, on_hand };
        Ok(self.rpc.clone().set_stock(self.request(message)).await?.into_inner())
    }

    pub(crate) async fn movements(
        &self,
        product_id: i64,
        page_size: i32,
        page_token: &str,
    ) -> Result<ListMovementsResponse, Status> {
        let message = ListMovementsRequest { product_id, page_size, page_token: page_token.into() };
        Ok(self.rpc.clone().list_movements(self.request(message)).await?.into_inner())
    }

    /// Available and reserved.
    pub(crate) async fn units(&self, product_id: i64) -> (i64, i64) {
        let stock = self.stock(product_id).await.unwrap();
        (stock.available, stock.reserved)
    }
}

/// A reservation id of a test's choice.
pub(crate) fn key(number: u128) -> String {
    Uuid::from_u128(number).to_string()
}

/// What a refusal says to programs.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, Option<Reason>) {
    let status = answer.unwrap_err();
    (status.code(), proto::status::reason(&status))
}

/// The status of a reservation, or the refusal.
pub(crate) fn outcome(
    answer: Result<Reservation, Status>,
) -> Result<ReservationStatus, (Code, Option<Reason>)> {
    match answer {
        Ok(reservation) => Ok(reservation.status()),
        Err(_) => Err(refusal(answer)),
    }
}
