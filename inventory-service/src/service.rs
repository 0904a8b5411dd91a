//! The service as a value: opened, served, worked, stopped.

use std::sync::Arc;

use anyhow::Context as _;
use futures::FutureExt as _;
use platform::config::Location;
use platform::tasks::Tasks;
use platform::{World, grpc, health};
use proto::inventory::inventory_service_server::InventoryServiceServer;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::config::Config;
use crate::counts::{self, Counts};
use crate::store::{self, Store};
use crate::sweeper;

/// An open inventory service.
pub struct Service {
    store: Arc<dyn Store>,
    world: World,
    counts: Counts,
    grpc: grpc::Server,
}

/// Opens the stock where it is kept, see [`store::open`].
///
/// # Errors
/// When it is in use, newer than this program, or can't be opened.
pub async fn open(location: &Location, world: World) -> anyhow::Result<Service> {
    Ok(Service::new(store::open(location, &world.metrics).await?, world))
}

impl Service {
    /// The service on a store that is open already.
    pub fn new(store: Arc<dyn Store>, world: World) -> Self {
        let world = world.of("inventory-service");
        let counts = Counts::new(&world.metrics);
        let api = Api { store: store.clone(), clock: world.clock.clone(), counts: counts.clone() };
        let grpc = grpc::server("inventory", &world)
            .add(InventoryServiceServer::new(api))
            .reflection(proto::DESCRIPTOR)
            .build();
        Self { store, world, counts, grpc }
    }

    /// The server, the same value at each call.
    pub fn grpc(&self) -> grpc::Server {
        self.grpc.clone()
    }

    /// The store, for an audit.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Does what has to be done besides answering calls, until `shutdown`: gives back what was held for too
    /// long, and lets the server's health follow the store.
    ///
    /// # Errors
    /// The first worker that fails or panics; the token is cancelled then.
    pub async fn work(&self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut tasks = Tasks::new(shutdown.clone());
        let clock = &self.world.clock;
        let sweeper = sweeper::run(self.store.clone(), clock.clone(), self.counts.clone(), shutdown.clone());
        tasks.spawn("sweeper", sweeper);
        tasks.spawn("holds", counts::watch(self.store.clone(), self.world.clone(), shutdown.clone()));
        let store = self.store.clone();
        let probe = move || {
            let store = store.clone();
            async move { store.ping().await.is_ok() }.boxed()
        };
        tasks.spawn("health", health::follow(self.grpc.health(), clock.clone(), probe, shutdown));
        tasks.join().await
    }
}

/// Runs the service as a program of its own, until `shutdown`.
///
/// # Errors
/// When the port is taken, the store can't be opened, or a worker fails.
pub async fn run(config: Config, world: World, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = config.listen.bind().await?;
    let security = config.tls.open().await?;
    let service = open(&config.data.store("inventory")?, world).await.context("can't open the stock")?;
    platform::serve(service.grpc(), listener, &security, |stop| service.work(stop), shutdown).await
}
