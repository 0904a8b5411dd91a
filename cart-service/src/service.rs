//! The service as one value: opened, served, worked.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use event_log::{EventLog, Reached};
use futures::future::BoxFuture;
use platform::World;
use platform::clock::Clock;
use platform::tasks::{Tasks, pause};
use platform::transport::Transport;
use proto::cart::add_cart_item_service_server::AddCartItemServiceServer;
use proto::cart::cart_service_server::CartServiceServer;
use redis_link::Link;
use sql::sqlite::Sharing;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::cache::{Cache, Memory, Place, Redis};
use crate::carts::Carts;
use crate::catalogue::Catalogue;
use crate::config::{Config, Settings};
use crate::consumer::{CompletedCheckouts, GROUP, TOPICS};
use crate::store::{Mongo, Sqlite, Store};

/// Between sweeps: an expired cart counts as none anyway, so this only frees its space.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// The services that this one calls.
pub struct Peers {
    /// The product service.
    pub product: Transport,
}

/// The open carts.
pub struct Service {
    carts: Carts,
    server: platform::grpc::Server,
    log: Arc<dyn EventLog>,
    world: World,
}

/// Opens the carts where the settings say, else in this directory. They follow the completed checkouts in `log`.
pub async fn open(
    settings: &Settings,
    data_dir: &Path,
    peers: Peers,
    log: Arc<dyn EventLog>,
    world: World,
) -> anyhow::Result<Service> {
    let (store, cache) = open_store(settings, data_dir, &world).await.context("can't open the carts")?;
    Ok(Service::with(store, cache, peers, log, world))
}

/// The store, and the cache that suits it: see [`Cache`].
async fn open_store(
    settings: &Settings,
    data_dir: &Path,
    world: &World,
) -> anyhow::Result<(Arc<dyn Store>, Cache)> {
    let link = settings.redis().map(|server| Link::open(&server)).transpose()?;
    let ids = world.ids.clone();
    Ok(match settings.mongo() {
        Some(server) => {
            let store = Mongo::open(&server, &settings.mongo_db_name, &world.metrics).await?;
            let place = link.map_or(Place::None, |link| Place::Redis(Redis::new(link, ids)));
            (Arc::new(store), Cache::new(place, &world.metrics))
        }
        None => {
            let store = Sqlite::open(&data_dir.join("cart.db"), &world.metrics).await?;
            let redis = link.map(|link| Place::Redis(Redis::anew(link, ids)));
            let place = redis.unwrap_or_else(|| Place::Memory(Memory::new()));
            (Arc::new(store), Cache::new(place, &world.metrics))
        }
    })
}

impl Service {
    /// The service on a store that is open already, and that it alone changes.
    pub fn new(store: Arc<dyn Store>, peers: Peers, log: Arc<dyn EventLog>, world: World) -> Self {
        let cache = Cache::new(Place::Memory(Memory::new()), &world.metrics);
        Self::with(store, cache, peers, log, world)
    }

    fn with(store: Arc<dyn Store>, cache: Cache, peers: Peers, log: Arc<dyn EventLog>, world: World) -> Self {
        let world = world.of("cart-service");
        let catalogue = Catalogue::new(peers.product);
        let carts = Carts::new(store, cache, catalogue, world.clone());
        let api = Api::new(carts.clone());
        let server = platform::grpc::server("cart", &world)
            .add(CartServiceServer::new(api.clone()))
            .add(AddCartItemServiceServer::new(api))
            .reflection(proto::DESCRIPTOR)
            .build();
        Self { carts, server, log, world }
    }

    /// The server, the same for every caller.
    pub fn grpc(&self) -> platform::grpc::Server {
        self.server.clone()
    }

    /// Takes purchases out, sweeps, and follows the store with the health of the server, until the shutdown.
    /// Then it ends the writes that are under way, and closes cache and store.
    pub async fn work(&self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut tasks = Tasks::new(shutdown.clone());
        tasks.spawn("purchases", purchases(self, shutdown.clone()));
        let (log, world) = (self.log.clone(), self.world.clone());
        let lag = event_log::lag::watch_group(GROUP, TOPICS, log, world, shutdown.clone());
        tasks.spawn("consumer lag", lag);
        tasks.spawn("sweeper", sweeper(self.carts.clone(), self.world.clock.clone(), shutdown.clone()));
        let (health, clock) = (self.server.health(), self.world.clock.clone());
        let probe = probe(self.carts.clone(), Reached::new(self.log.clone()));
        tasks.spawn("health", platform::health::follow(health, clock, probe, shutdown));
        let outcome = tasks.join().await;
        self.carts.close().await;
        outcome
    }
}

fn purchases(
    service: &Service,
    shutdown: CancellationToken,
) -> impl Future<Output = anyhow::Result<()>> + Send + 'static {
    let handler = Arc::new(CompletedCheckouts { carts: service.carts.clone() });
    let (log, world) = (service.log.clone(), service.world.clone());
    async move { event_log::consume(log, GROUP, TOPICS, handler, world, shutdown).await }
}

async fn sweeper(carts: Carts, clock: Arc<dyn Clock>, shutdown: CancellationToken) -> anyhow::Result<()> {
    while !shutdown.is_cancelled() {
        match carts.sweep().await {
            Ok(0) => {}
            Ok(swept) => tracing::info!(swept, "expired carts removed"),
            Err(error) => tracing::warn!(%error, "expired carts not removed, tried again later"),
        }
        pause(SWEEP_EVERY, clock.as_ref(), &shutdown).await;
    }
    Ok(())
}

/// Serving a call needs the store alone; while the log is away, events wait on its other side.
fn probe(carts: Carts, log: Reached) -> impl Fn() -> BoxFuture<'static, bool> + Send + 'static {
    move || {
        let (carts, log) = (carts.clone(), log.clone());
        Box::pin(async move { carts.is_healthy().await && log.is_reached().await })
    }
}

/// The program: listens, opens, serves until `shutdown`.
pub async fn run(config: Config, world: World, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = config.listen.bind().await?;
    let security = config.tls.open().await?;
    let peers = Peers { product: security.connect("product", &config.product_service_addr, &world.metrics)? };
    let log = event_log::config::open(&config.events, &config.data_dir, Sharing::Shared, world.clone())
        .await
        .context("can't open the event log")?;
    let service = open(&config.settings, &config.data_dir, peers, log.clone(), world).await?;
    let outcome =
        platform::serve(service.grpc(), listener, &security, |stop| service.work(stop), shutdown).await;
    // Whoever starts next need not wait until our hold on the topics runs out.
    log.close().await;
    outcome
}
