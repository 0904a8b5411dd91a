//! The service as one value: opened, served, worked.

use std::sync::Arc;

use anyhow::Context as _;
use futures::FutureExt as _;
use platform::World;
use platform::clock::Clock;
use platform::config::Location;
use platform::tasks::Tasks;
use proto::product::product_service_server::ProductServiceServer;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::config::Config;
use crate::shelf::Shelf;
use crate::store;

/// The open catalogue.
pub struct Service {
    shelf: Shelf,
    server: platform::grpc::Server,
    clock: Arc<dyn Clock>,
}

/// Opens the place where the products are kept, see [`store::open`], and reads the catalogue.
///
/// # Errors
/// What hinders the store from being opened or read; not that a database can't be reached yet.
pub async fn open(location: &Location, world: World) -> anyhow::Result<Service> {
    let store = store::open(location, &world.metrics).await.context("can't open the catalogue")?;
    let shelf = Shelf::open(store).await.context("can't read the catalogue")?;
    let world = world.of("product-service");
    let api = Api::new(shelf.clone(), world.clock.clone());
    let server = platform::grpc::server("product", &world)
        .add(ProductServiceServer::new(api))
        .reflection(proto::DESCRIPTOR)
        .build();
    Ok(Service { shelf, server, clock: world.clock })
}

impl Service {
    /// The server, the same for every caller.
    pub fn grpc(&self) -> platform::grpc::Server {
        self.server.clone()
    }

    /// Follows the store with the catalogue and with the health of the server until the shutdown, then finishes the
    /// changes that are under way and closes the store. The server should have stopped by then: changes that come
    /// later are answered with UNAVAILABLE.
    ///
    /// # Errors
    /// The first worker that fails or panics; the token is cancelled then.
    pub async fn work(&self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let shelf = self.shelf.clone();
        let probe = move || {
            let shelf = shelf.clone();
            async move { shelf.is_healthy().await }.boxed()
        };
        let mut tasks = Tasks::new(shutdown.clone());
        let (shelf, clock, stop) = (self.shelf.clone(), self.clock.clone(), shutdown.clone());
        tasks.spawn("catalogue", async move { shelf.follow(clock, stop).await });
        let health = platform::health::follow(self.server.health(), self.clock.clone(), probe, shutdown);
        tasks.spawn("health", health);
        let ended = tasks.join().await;
        self.shelf.close().await;
        ended
    }
}

/// The program: listens, opens, serves until `shutdown`.
///
/// # Errors
/// What hinders it from starting or serving.
pub async fn run(config: Config, world: World, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = config.listen.bind().await?;
    let security = config.tls.open().await?;
    let service = open(&config.data.store("product")?, world).await?;
    platform::serve(service.grpc(), listener, &security, |stop| service.work(stop), shutdown).await
}
