//! An inventory service of its own for each test.

use std::sync::Arc;
use std::time::Duration;

use inventory_service::Service;
use platform::config::{self, Location};
use platform::transport::Transport;
use platform::{Context, World};
use proto::Reason;
use proto::inventory::inventory_service_client::InventoryServiceClient;
use proto::inventory::{
    ConfirmRequest, GetStockRequest, Line, ListMovementsRequest, ListMovementsResponse, ReleaseRequest,
    Reservation, ReservationStatus, ReserveRequest, RestockRequest, SetStockRequest, Stock,
};
use sql::postgres::Scratch;
use testkit::{Engine, ManualClock, TempDir, eventually};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use uuid::Uuid;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Where the stock of a test is kept.
pub(crate) enum Home {
    Directory(TempDir),
    Database(Box<Scratch>),
    /// Another one's, or the way to it.
    Elsewhere(Location),
}

impl Home {
    pub(crate) fn directory() -> Self {
        Self::Directory(TempDir::new().unwrap())
    }

    /// None where no PostgreSQL was started.
    pub(crate) async fn database() -> Option<Self> {
        Some(Self::Database(Box::new(Scratch::new(&Engine::Postgres.url()?).await.unwrap())))
    }

    /// A database at this URL.
    pub(crate) fn at(url: &str) -> Self {
        let server = config::Server { url: url.to_owned(), variable: "DATABASE_URL".to_owned() };
        Self::Elsewhere(Location::Postgres(server))
    }

    fn location(&self) -> Location {
        match self {
            Self::Directory(directory) => Location::File(directory.path().join("inventory.db")),
            Self::Database(scratch) => Location::Postgres(scratch.server().clone()),
            Self::Elsewhere(location) => location.clone(),
        }
    }

    /// Clears away.
    pub(crate) async fn end(self) {
        match self {
            Self::Directory(_) | Self::Elsewhere(_) => {}
            Self::Database(scratch) => (*scratch).drop().await.unwrap(),
        }
    }
}

/// A running service, with its workers.
pub(crate) struct Shop {
    home: Home,
    world: World,
    pub(crate) clock: ManualClock,
    pub(crate) service: Arc<Service>,
    shutdown: CancellationToken,
    running: JoinSet<anyhow::Result<()>>,
    pub(crate) client: Client,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::on(Home::directory()).await
    }

    pub(crate) async fn on(home: Home) -> Self {
        let (world, clock) = testkit::world();
        Self::open_in(home, world, clock).await
    }

    /// Another instance at the same place, with the same clock.
    pub(crate) async fn beside(&self) -> Self {
        Self::open_in(Home::Elsewhere(self.home.location()), self.world.clone(), self.clock.clone()).await
    }

    async fn open_in(home: Home, world: World, clock: ManualClock) -> Self {
        let location = home.location();
        // A file is given back a moment after its last user is gone.
        let service = eventually("the file is free", PATIENCE, async || {
            inventory_service::open(&location, world.clone()).await.ok()
        })
        .await;
        let service = Arc::new(service);
        let shutdown = CancellationToken::new();
        let mut running = JoinSet::new();
        let (worker, token) = (service.clone(), shutdown.clone());
        running.spawn(async move { worker.work(token).await });
        let client = Client::new(Transport::in_process("inventory", &service.grpc()), &world);
        Self { home, world, clock, service, shutdown, running, client }
    }

    /// Stops the service and, after so long on its clock, opens it again on the same directory.
    pub(crate) async fn restart_after(self, absence: Duration) -> Self {
        let (world, clock) = (self.world.clone(), self.clock.clone());
        let home = self.close().await;
        clock.advance(absence);
        Self::open_in(home, world, clock).await
    }

    /// Stops the service and gives its place back.
    pub(crate) async fn close(self) -> Home {
        let Self { home, service, shutdown, mut running, client, .. } = self;
        shutdown.cancel();
        while let Some(ended) = running.join_next().await {
            ended.unwrap().unwrap();
        }
        drop((client, service));
        home
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
    insists: bool,
}

impl Client {
    fn new(transport: Transport, world: &World) -> Self {
        Self { rpc: InventoryServiceClient::new(transport), world: world.clone(), insists: false }
    }

    /// One that is told "not now" asks again, with the same key, as sagas do.
    pub(crate) fn insisting(&self) -> Self {
        Self { insists: true, ..self.clone() }
    }

    fn asks_again(&self, answer: &Result<tonic::Response<Reservation>, Status>) -> bool {
        self.insists && answer.as_ref().is_err_and(|status| status.code() == Code::Unavailable)
    }

    fn request<M>(&self, message: M) -> tonic::Request<M> {
        Context::root(self.world.ids.as_ref(), PATIENCE).request(message)
    }

    pub(crate) async fn reserve(&self, key: &str, lines: &[(i64, i64)]) -> Result<Reservation, Status> {
        let lines = lines.iter().map(|&(product_id, quantity)| Line { product_id, quantity }).collect();
        let message = ReserveRequest { reservation_id: key.into(), lines };
        loop {
            let answer = self.rpc.clone().reserve(self.request(message.clone())).await;
            if !self.asks_again(&answer) {
                return Ok(answer?.into_inner());
            }
        }
    }

    pub(crate) async fn confirm(&self, key: &str) -> Result<Reservation, Status> {
        let message = ConfirmRequest { reservation_id: key.into() };
        loop {
            let answer = self.rpc.clone().confirm(self.request(message.clone())).await;
            if !self.asks_again(&answer) {
                return Ok(answer?.into_inner());
            }
        }
    }

    pub(crate) async fn release(&self, key: &str) -> Result<Reservation, Status> {
        let message = ReleaseRequest { reservation_id: key.into() };
        loop {
            let answer = self.rpc.clone().release(self.request(message.clone())).await;
            if !self.asks_again(&answer) {
                return Ok(answer?.into_inner());
            }
        }
    }

    pub(crate) async fn restock(&self, key: &str) -> Result<Reservation, Status> {
        let message = RestockRequest { reservation_id: key.into() };
        Ok(self.rpc.clone().restock(self.request(message)).await?.into_inner())
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
