//! The service: opened, served, worked.

use std::sync::Arc;

use anyhow::Context as _;
use futures::FutureExt as _;
use platform::{World, grpc, health};
use proto::payment::payment_service_server::PaymentServiceServer;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::cashier::Cashier;
use crate::config::{Config, Places, Settings};
use crate::provider::Provider;
use crate::provider::simulated::Simulated;
use crate::store::{self, Store};

/// The payment service.
#[derive(Clone)]
pub struct Service {
    cashier: Cashier,
    store: Arc<dyn Store>,
    server: grpc::Server,
    world: World,
}

/// Opens the service with the simulated provider. Files belong to this process alone from now on, a server is
/// shared with other instances, and waited for if it is not there.
///
/// # Errors
/// When one of the places can't be used, or a file is in use.
pub async fn open(places: &Places, settings: &Settings, world: World) -> anyhow::Result<Service> {
    let store = store::open(&places.payments, &world.metrics).await.context("can't open the payments")?;
    let draw = Arc::new(rand::random::<f64>);
    let provider = Simulated::open(&places.provider, settings.into(), &world, draw)
        .await
        .context("can't open the ledger of the payment provider")?;
    Ok(Service::new(store, Arc::new(provider), world))
}

impl Service {
    /// The service on a store that is open already, with any provider.
    pub fn new(store: Arc<dyn Store>, provider: Arc<dyn Provider>, world: World) -> Self {
        let world = world.of("payment-service");
        let cashier = Cashier::new(store.clone(), provider, world.clone());
        let server = grpc::server("payment", &world)
            .add(PaymentServiceServer::new(Api { cashier: cashier.clone() }))
            .reflection(proto::DESCRIPTOR)
            .build();
        Self { cashier, store, server, world }
    }

    /// The server: the same one with each call.
    pub fn grpc(&self) -> grpc::Server {
        self.server.clone()
    }

    /// The store, for an audit.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Watches store and provider, until `shutdown`.
    ///
    /// # Errors
    /// None so far.
    pub async fn work(&self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let cashier = self.cashier.clone();
        let probe = move || {
            let cashier = cashier.clone();
            async move { cashier.is_ready().await }.boxed()
        };
        health::follow(self.server.health(), self.world.clock.clone(), probe, shutdown).await
    }
}

/// Runs the program until `shutdown`. A port that is taken is found out before anything is opened.
///
/// # Errors
/// What hinders it from starting, or the first task that fails.
pub async fn run(config: Config, world: World, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = config.listen.bind().await?;
    let security = config.tls.open().await?;
    let service = open(&Places::try_from(&config.data)?, &config.settings, world).await?;
    platform::serve(service.grpc(), listener, &security, |stop| service.work(stop), shutdown).await
}
