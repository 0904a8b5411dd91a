//! The composition: all seven programs in one process, each opened by its own crate.

use std::sync::Arc;

use anyhow::Context as _;
use api_gateway::Gateway;
use event_log::EventLog;
use platform::tasks::Tasks;
use platform::transport::Transport;
use platform::{World, config, grpc};
use sql::sqlite::Sharing;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::addresses::Addresses;
use crate::config::{Config, Links, Program};
use crate::secret;

/// Every port, bound before anything is opened: a port that is taken is found out in the first millisecond.
pub struct Listeners {
    http: TcpListener,
    tls: bool,
    grpc: Vec<(Program, TcpListener)>,
}

impl Listeners {
    /// Binds the gateway's port and the six gRPC ports.
    ///
    /// # Errors
    /// A port that is taken, named with the variable to change.
    pub async fn bind(settings: &Config) -> anyhow::Result<Self> {
        let http = config::bind(settings.http_address(), "HTTP_PORT").await?;
        let mut grpc = Vec::new();
        for program in Program::ALL {
            grpc.push((program, config::bind(settings.grpc_address(program), "GRPC_BASE_PORT").await?));
        }
        Ok(Self { http, tls: settings.gateway.port.tls_cert.is_some(), grpc })
    }

    /// Where they listen.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn addresses(&self) -> anyhow::Result<Addresses> {
        let grpc = self
            .grpc
            .iter()
            .map(|(program, listener)| Ok((program.name().to_owned(), listener.local_addr()?)));
        let grpc = grpc.collect::<anyhow::Result<_>>()?;
        Ok(Addresses { http: self.http.local_addr()?, tls: self.tls, metrics: None, grpc })
    }
}

/// The open shop.
pub struct Shop {
    product: product_service::Service,
    cart: cart_service::Service,
    inventory: inventory_service::Service,
    payment: payment_service::Service,
    orders: orders_service::Service,
    checkout: checkout_service::Service,
    gateway: Gateway,
    log: Arc<dyn EventLog>,
}

/// Opens every store and connects the services: those that are called first come first.
///
/// # Errors
/// What hinders a store from being opened, for one that another process has the data directory.
pub async fn open(settings: &Config, listeners: &Listeners, world: World) -> anyhow::Result<Shop> {
    let jwt_secret = match (&settings.gateway.jwt_secret, settings.gateway.public_keys()) {
        (None, None) => Some(secret::of(&settings.data_dir)?),
        (secret, _) => secret.clone(),
    };
    let addresses = listeners.addresses()?;
    let links = |program: Program, server: grpc::Server| -> anyhow::Result<Transport> {
        let transport = match settings.transport {
            Links::InProcess => Transport::in_process(program.name(), &server),
            Links::Tcp => Transport::connect(program.name(), &addresses.of(program)?.to_string())?,
        };
        Ok(transport.counted(&world.metrics))
    };

    // First the one store that the programs share: where it is a file, it tells at once whether another process
    // is here.
    let log =
        settings.open_log(Sharing::Exclusive, world.clone()).await.context("can't open the event log")?;

    let product = product_service::open(&settings.store(Program::Product)?, world.clone()).await?;
    let inventory = inventory_service::open(&settings.store(Program::Inventory)?, world.clone()).await?;
    let payment = payment_service::open(&settings.payments()?, &settings.payment, world.clone()).await?;

    let stock = links(Program::Inventory, inventory.grpc())?;
    let payments = links(Program::Payment, payment.grpc())?;
    let peers = orders_service::Peers { inventory: stock.clone(), payment: payments.clone() };
    let orders =
        orders_service::open(&settings.store(Program::Orders)?, peers, log.clone(), world.clone()).await?;

    let products = links(Program::Product, product.grpc())?;
    let cart = cart_service::open(
        &settings.cart,
        &settings.data_dir,
        cart_service::Peers { product: products.clone() },
        log.clone(),
        world.clone(),
    )
    .await?;

    let carts = links(Program::Cart, cart.grpc())?;
    let peers =
        checkout_service::Peers { cart: carts.clone(), inventory: stock.clone(), payment: payments.clone() };
    let checkout =
        checkout_service::open(&settings.store(Program::Checkout)?, peers, log.clone(), world.clone())
            .await?;

    let peers = api_gateway::Peers {
        product: products,
        cart: carts,
        inventory: stock,
        checkout: links(Program::Checkout, checkout.grpc())?,
        orders: links(Program::Orders, orders.grpc())?,
    };
    let redis = settings.cart.redis();
    let gateway_settings = api_gateway::Settings { jwt_secret, redis, ..settings.gateway.clone() };
    let gateway = api_gateway::open(gateway_settings, settings.bind_addr, peers, world).await?;
    Ok(Shop { product, cart, inventory, payment, orders, checkout, gateway, log })
}

impl Shop {
    /// Serves on every port until shutdown, finishes what was begun, and stops.
    ///
    /// # Errors
    /// The first server or worker that fails.
    pub async fn serve(self, listeners: Listeners, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Self { product, cart, inventory, payment, orders, checkout, gateway, log } = self;
        let server = |program| match program {
            Program::Product => product.grpc(),
            Program::Cart => cart.grpc(),
            Program::Inventory => inventory.grpc(),
            Program::Payment => payment.grpc(),
            Program::Orders => orders.grpc(),
            Program::Checkout => checkout.grpc(),
        };
        let mut serving = Tasks::new(shutdown.clone());
        for (program, listener) in listeners.grpc {
            serving.spawn(program.name(), server(program).serve(listener, shutdown.clone()));
        }
        serving.spawn("gateway", gateway.serve(listeners.http, shutdown.clone()));

        let working = |stop: CancellationToken| async move {
            let mut workers = Tasks::new(stop.clone());
            let [s1, s2, s3, s4, s5, s6] = std::array::from_fn(|_| stop.clone());
            workers.spawn("product", async move { product.work(s1).await });
            workers.spawn("cart", async move { cart.work(s2).await });
            workers.spawn("inventory", async move { inventory.work(s3).await });
            workers.spawn("payment", async move { payment.work(s4).await });
            workers.spawn("orders", async move { orders.work(s5).await });
            workers.spawn("checkout", async move { checkout.work(s6).await });
            workers.join().await
        };
        let outcome = platform::drain_then_stop(serving.join(), working, shutdown).await;
        log.close().await;
        outcome
    }
}
