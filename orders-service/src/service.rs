//! The service: opened, served, worked.

use std::sync::Arc;

use event_log::{EventLog, Outbox, Reached};
use futures::FutureExt as _;
use platform::config::Location;
use platform::tasks::Tasks;
use platform::watch::Watchers;
use platform::{World, grpc, health};
use proto::orders::orders_service_server::OrdersServiceServer;
use sql::sqlite::Sharing;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::api::Api;
use crate::cancellation::executor::Executor;
use crate::cancellation::steps::Peers;
use crate::config::Config;
use crate::consumer::{CompletedCheckouts, GROUP, TOPICS};
use crate::counts::Counts;
use crate::orders::Orders;
use crate::store::{self, Store};

/// The orders service.
#[derive(Clone)]
pub struct Service {
    orders: Orders,
    peers: Peers,
    /// This instance, as its claims and leases name it.
    instance: Uuid,
    log: Arc<dyn EventLog>,
    server: grpc::Server,
}

/// Opens the orders: a SQLite file, which belongs to this process alone from now on, or a PostgreSQL
/// database, which need not be there yet. `peers` take back what cancelled orders sold; `log` is where checkouts are
/// told of, and orders are.
///
/// # Errors
/// See [`store::open`].
pub async fn open(
    location: &Location,
    peers: Peers,
    log: Arc<dyn EventLog>,
    world: World,
) -> anyhow::Result<Service> {
    let instance = world.ids.next();
    let store = store::open(location, instance, &world.metrics).await?;
    Ok(Service::new(store, instance, peers, log, world))
}

impl Service {
    /// The service on a store that is open already; `instance` is this one, as its claims and leases name it.
    pub fn new(
        store: Arc<dyn Store>,
        instance: Uuid,
        peers: Peers,
        log: Arc<dyn EventLog>,
        world: World,
    ) -> Self {
        let world = world.of("orders-service");
        let server = grpc::server("orders", &world);
        let (changed, due) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let counts = Counts::new(&world.metrics);
        let orders = Orders { store, world, counts, changed, due, watchers: Watchers::default() };
        let api = Api { orders: orders.clone() };
        let server = server.add(OrdersServiceServer::new(api)).reflection(proto::DESCRIPTOR).build();
        Self { orders, peers, instance, log, server }
    }

    /// The server: the same one with each call.
    pub fn grpc(&self) -> grpc::Server {
        self.server.clone()
    }

    /// The store, for an audit.
    pub fn store(&self) -> Arc<dyn Store> {
        self.orders.store.clone()
    }

    /// Makes orders of what the log tells, cancels those that shall be, tells the log of both, and watches the store,
    /// until `shutdown`.
    pub async fn work(&self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Orders { store, world, counts, changed, due, watchers } = self.orders.clone();
        let cancellations = Executor {
            store: store.clone(),
            peers: self.peers.clone(),
            world: world.clone(),
            counts,
            owner: self.instance,
            due,
            changed: changed.clone(),
            watchers,
        };
        let outbox: Arc<dyn Outbox> = store.clone();
        let handler = Arc::new(CompletedCheckouts { orders: self.orders.clone() });
        // Serving a call needs the store alone; while the log is away, events wait on either side of it.
        let log = Reached::new(self.log.clone());
        let probe = move || {
            let (store, log) = (store.clone(), log.clone());
            async move { store.ping().await.is_ok() && log.is_reached().await }.boxed()
        };

        let mut tasks = Tasks::new(shutdown.clone());
        tasks.spawn(
            "consumer",
            event_log::consume(self.log.clone(), GROUP, TOPICS, handler, world.clone(), shutdown.clone()),
        );
        tasks.spawn(
            "consumer lag",
            event_log::lag::watch_group(GROUP, TOPICS, self.log.clone(), world.clone(), shutdown.clone()),
        );
        tasks.spawn("cancellations", cancellations.work(shutdown.clone()));
        let lag =
            event_log::lag::watch("orders", outbox.clone(), self.orders.world.clone(), shutdown.clone());
        tasks.spawn("outbox lag", lag);
        tasks.spawn(
            "relay",
            event_log::relay(outbox, self.log.clone(), changed, world.clone(), shutdown.clone()),
        );
        tasks.spawn("health", health::follow(self.server.health(), world.clock, probe, shutdown));
        tasks.join().await
    }
}

/// Runs the program until `shutdown`. A port that is taken is found out before anything is opened.
pub async fn run(config: Config, world: World, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = config.listen.bind().await?;
    let security = config.tls.open().await?;
    let peers = Peers {
        inventory: security.connect("inventory", &config.inventory_service_addr, &world.metrics)?,
        payment: security.connect("payment", &config.payment_service_addr, &world.metrics)?,
    };
    let (settings, data_dir) = (&config.events, &config.data.data_dir);
    let log = event_log::config::open(settings, data_dir, Sharing::Shared, world.clone()).await?;
    let service = open(&config.data.store("orders")?, peers, log.clone(), world).await?;

    let outcome =
        platform::serve(service.grpc(), listener, &security, |stop| service.work(stop), shutdown).await;
    // Whoever starts next need not wait until our hold on the topics runs out.
    log.close().await;
    outcome
}
