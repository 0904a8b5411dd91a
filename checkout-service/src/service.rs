//! Opening the service, and what runs while it serves.

use std::sync::Arc;

use anyhow::Context as _;
use event_log::{EventLog, Reached};
use futures::FutureExt as _;
use platform::config::Location;
use platform::tasks::Tasks;
use platform::transport::Transport;
use platform::watch::Watchers;
use platform::{World, grpc, health};
use proto::checkout::checkout_service_server::CheckoutServiceServer;
use sql::sqlite::Sharing;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::config::Config;
use crate::initiate::Initiator;
use crate::saga::Executor;
use crate::saga::counts;
use crate::saga::steps::Participants;
use crate::store::{self, Store};

/// The services that a checkout needs.
#[derive(Clone)]
pub struct Peers {
    /// Carts.
    pub cart: Transport,
    /// Stock.
    pub inventory: Transport,
    /// Money.
    pub payment: Transport,
}

/// The open service.
pub struct Service {
    store: Arc<dyn Store>,
    executor: Executor,
    log: Arc<dyn EventLog>,
    server: grpc::Server,
    world: World,
}

/// Opens the service on its store. Nothing runs before [`Service::work`].
///
/// # Errors
/// What hinders the store from being opened.
pub async fn open(
    location: &Location,
    peers: Peers,
    log: Arc<dyn EventLog>,
    world: World,
) -> anyhow::Result<Service> {
    let store = store::open(location, &world).await.context("can't open the checkouts")?;
    Ok(Service::new(store, peers, log, world))
}

impl Service {
    /// The service on a store that is open already.
    pub fn new(store: Arc<dyn Store>, peers: Peers, log: Arc<dyn EventLog>, world: World) -> Self {
        let world = world.of("checkout-service");
        let watchers = Watchers::default();
        let participants = Participants { inventory: peers.inventory, payment: peers.payment };
        let executor = Executor::new(store.clone(), participants, watchers.clone(), world.clone());
        let initiator = Initiator {
            store: store.clone(),
            executor: executor.clone(),
            cart: peers.cart,
            world: world.clone(),
        };
        let api =
            Api { initiator: Arc::new(initiator), store: store.clone(), watchers, world: world.clone() };
        let server = grpc::server("checkout", &world)
            .add(CheckoutServiceServer::new(api))
            .reflection(proto::DESCRIPTOR)
            .build();
        Self { store, executor, log, server, world }
    }

    /// The server value, for a listener and for callers in this process.
    pub fn grpc(&self) -> grpc::Server {
        self.server.clone()
    }

    /// Runs the recovery timer, the relay of the outbox and the health probe until shutdown.
    ///
    /// # Errors
    /// The first worker that fails.
    pub async fn work(&self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut tasks = Tasks::new(shutdown.clone());
        tasks.spawn("checkout recovery", self.executor.clone().recover(shutdown.clone()));
        let wake = self.executor.outbox();
        tasks.spawn(
            "checkout relay",
            event_log::relay(
                self.store.clone(),
                self.log.clone(),
                wake,
                self.world.clone(),
                shutdown.clone(),
            ),
        );
        tasks.spawn(
            "checkout outbox lag",
            event_log::lag::watch("checkout", self.store.clone(), self.world.clone(), shutdown.clone()),
        );
        let backlog = counts::watch(self.store.clone(), self.world.clone(), shutdown.clone());
        tasks.spawn("checkout backlog", backlog);
        // While the log is away checkouts go on, and their events wait in the outbox.
        let (store, log) = (self.store.clone(), Reached::new(self.log.clone()));
        let probe = move || {
            let (store, log) = (store.clone(), log.clone());
            async move { store.ping().await.is_ok() && log.is_reached().await }.boxed()
        };
        let clock = self.world.clock.clone();
        tasks.spawn("checkout health", health::follow(self.server.health(), clock, probe, shutdown));
        let outcome = tasks.join().await;
        self.store.close().await;
        outcome
    }
}

/// Runs the service as a program of its own until shutdown.
///
/// # Errors
/// What hinders it from starting, or the first worker that fails.
pub async fn run(config: Config, world: World, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = config.listen.bind().await?;
    let security = config.tls.open().await?;
    let peers = Peers {
        cart: security.connect("cart", &config.cart_service_addr, &world.metrics)?,
        inventory: security.connect("inventory", &config.inventory_service_addr, &world.metrics)?,
        payment: security.connect("payment", &config.payment_service_addr, &world.metrics)?,
    };
    let (settings, data_dir) = (&config.events, &config.data.data_dir);
    let log = event_log::config::open(settings, data_dir, Sharing::Shared, world.clone()).await?;
    let service = open(&config.data.store("checkout")?, peers, log.clone(), world).await?;
    let outcome =
        platform::serve(service.grpc(), listener, &security, |stop| service.work(stop), shutdown).await;
    // Whoever starts next need not wait until our hold on the topics runs out.
    log.close().await;
    outcome
}
