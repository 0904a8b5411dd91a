//! The service: opened, served, worked.

use std::sync::Arc;

use event_log::{EventLog, Outbox, Reached};
use futures::FutureExt as _;
use platform::config::Location;
use platform::tasks::Tasks;
use platform::{World, grpc, health};
use proto::events::CHECKOUT_EVENTS;
use proto::orders::orders_service_server::OrdersServiceServer;
use sql::sqlite::Sharing;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::config::Config;
use crate::consumer::{CompletedCheckouts, GROUP};
use crate::orders::Orders;
use crate::store::{self, Store};

/// The orders service.
#[derive(Clone)]
pub struct Service {
    orders: Orders,
    log: Arc<dyn EventLog>,
    server: grpc::Server,
}

/// Opens the orders: a SQLite file, which belongs to this process alone from now on, or a PostgreSQL
/// database, which need not be there yet. `log` is where checkouts are told of, and orders are.
///
/// # Errors
/// See [`store::open`].
pub async fn open(location: &Location, log: Arc<dyn EventLog>, world: World) -> anyhow::Result<Service> {
    let store = store::open(location, world.ids.next()).await?;
    Ok(Service::new(store, log, world))
}

impl Service {
    /// The service on a store that is open already.
    pub fn new(store: Arc<dyn Store>, log: Arc<dyn EventLog>, world: World) -> Self {
        let ids = world.ids.clone();
        let orders = Orders { store, world, changed: Arc::new(Notify::new()) };
        let api = Api { orders: orders.clone() };
        let server = grpc::server("orders", ids)
            .add(OrdersServiceServer::new(api))
            .reflection(proto::DESCRIPTOR)
            .build();
        Self { orders, log, server }
    }

    /// The server: the same one with each call.
    pub fn grpc(&self) -> grpc::Server {
        self.server.clone()
    }

    /// The store, for an audit.
    pub fn store(&self) -> Arc<dyn Store> {
        self.orders.store.clone()
    }

    /// Makes orders of what the log tells, tells the log of them, and watches the store, until `shutdown`.
    pub async fn work(&self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Orders { store, world, changed } = self.orders.clone();
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
            event_log::consume(
                self.log.clone(),
                GROUP,
                &[CHECKOUT_EVENTS],
                handler,
                world.clone(),
                shutdown.clone(),
            ),
        );
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
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = config.listen.bind().await?;
    let world = World::real();
    let (settings, data_dir) = (&config.events, &config.data.data_dir);
    let log = event_log::config::open(settings, data_dir, Sharing::Shared, world.clone()).await?;
    let service = open(&config.data.store("orders")?, log.clone(), world).await?;

    let outcome = platform::serve(service.grpc(), listener, |stop| service.work(stop), shutdown).await;
    // Whoever starts next need not wait until our hold on the topics runs out.
    log.close().await;
    outcome
}
