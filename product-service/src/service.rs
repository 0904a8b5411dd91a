//! The service as one value: opened, served, worked.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use futures::FutureExt as _;
use platform::World;
use platform::clock::Clock;
use proto::product::product_service_server::ProductServiceServer;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::config::Config;
use crate::shelf::Shelf;
use crate::store::Sqlite;

/// The open catalogue.
pub struct Service {
    shelf: Shelf,
    server: platform::grpc::Server,
    clock: Arc<dyn Clock>,
}

/// Opens the file and reads the catalogue. A new file holds what a new shop sells.
///
/// # Errors
/// What hinders the file from being opened or read.
pub async fn open(file: &Path, world: World) -> anyhow::Result<Service> {
    let store = Sqlite::open(file).await.context("can't open the catalogue")?;
    let shelf = Shelf::open(Arc::new(store)).await.context("can't read the catalogue")?;
    let api = Api::new(shelf.clone(), world.clock.clone());
    let server = platform::grpc::server("product", world.ids)
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

    /// Follows the store with the health of the server until the shutdown, then finishes the changes that
    /// are under way, closes the file and gives its lock back. The server should have stopped by then: changes
    /// that come later are answered with UNAVAILABLE.
    ///
    /// # Errors
    /// None today; a worker that fails tells it here.
    pub async fn work(&self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let shelf = self.shelf.clone();
        let probe = move || {
            let shelf = shelf.clone();
            async move { shelf.is_healthy().await }.boxed()
        };
        platform::health::follow(self.server.health(), self.clock.clone(), probe, shutdown).await?;
        self.shelf.close().await;
        Ok(())
    }
}

/// The program: listens, opens, serves until `shutdown`.
///
/// # Errors
/// What hinders it from starting or serving.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = config.listen.bind().await?;
    let service = open(&config.data.file("product")?, World::real()).await?;
    platform::serve(service.grpc(), listener, |stop| service.work(stop), shutdown).await
}
