//! A cart service with all that it needs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cart_service::store::Store as _;
use cart_service::{Peers, Service, Settings};
use event_log::{DeadLetter, Event, EventLog as _};
use platform::World;
use platform::metrics::Metrics;
use platform::transport::Transport;
use proto::cart::add_cart_item_service_client::AddCartItemServiceClient;
use proto::cart::cart_service_client::CartServiceClient;
use proto::cart::{
    AddItemRequest, Cart, ClearCartRequest, GetCartRequest, RemoveItemRequest, UpdateQuantityRequest,
};
use proto::common::Money;
use proto::events::{CHECKOUT_EVENTS, CheckoutCompleted, Item};
use proto::product::product_service_server::ProductServiceServer;
use sql::sqlite::Sharing;
use testkit::{ManualClock, TempDir, eventually};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tonic::{Response, Status};
use types::{CheckoutId, Currency, ProductId, Quantity, UserId};
use uuid::Uuid;

use crate::products::Products;

pub(crate) const SOON: Duration = Duration::from_secs(10);

/// The running service. Dropped, its workers stop.
pub(crate) struct Shop {
    pub(crate) products: Products,
    pub(crate) clock: ManualClock,
    pub(crate) log: event_log::sqlite::Log,
    pub(crate) service: Arc<Service>,
    pub(crate) transport: Transport,
    settings: Settings,
    world: World,
    working: JoinHandle<anyhow::Result<()>>,
    stop: DropGuard,
    directory: Arc<TempDir>,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let (world, clock) = testkit::world();
        let directory = Arc::new(TempDir::new().unwrap());
        Self::start(directory, Products::stocked(), Settings::default(), world, clock).await
    }

    /// One of several, whose ids must not be those of the others.
    pub(crate) async fn with(settings: Settings) -> Self {
        let (world, clock) = testkit::world();
        let world = World { ids: World::real().ids, ..world };
        Self::start(Arc::new(TempDir::new().unwrap()), Products::stocked(), settings, world, clock).await
    }

    /// Why a service does not start with these settings.
    pub(crate) async fn refused(settings: Settings) -> String {
        let (directory, world) = (TempDir::new().unwrap(), World::real());
        let events = directory.path().join("events.db");
        let log = event_log::sqlite::Log::open(&events, Sharing::Exclusive, world.clone()).await.unwrap();
        let peers = Peers { product: Transport::connect("product", "127.0.0.1:1").unwrap() };
        let opened = cart_service::open(&settings, directory.path(), peers, Arc::new(log), world).await;
        opened.err().map(|error| format!("{error:#}")).unwrap()
    }

    async fn start(
        directory: Arc<TempDir>,
        products: Products,
        settings: Settings,
        world: World,
        clock: ManualClock,
    ) -> Self {
        let path = directory.path();
        let events = path.join("events.db");
        let log = event_log::sqlite::Log::open(&events, Sharing::Exclusive, world.clone());
        let log = log.await.unwrap();
        let server = platform::grpc::server("product", &world)
            .add(ProductServiceServer::new(products.clone()))
            .build();
        let peers = Peers { product: Transport::in_process("product", &server) };
        let service = cart_service::open(&settings, path, peers, Arc::new(log.clone()), world.clone());
        let service = service.await.unwrap();
        let (service, stop) = (Arc::new(service), CancellationToken::new());
        let (worker, token) = (service.clone(), stop.clone());
        let working = TaskTracker::new().spawn(async move { worker.work(token).await });
        let transport = Transport::in_process("cart", &service.grpc());
        let stop = stop.drop_guard();
        Self { products, clock, log, service, transport, settings, world, working, stop, directory }
    }

    /// Stops the service and starts it again on what it left.
    pub(crate) async fn restart(self) -> Self {
        let Self { products, clock, log, service, transport, settings, world, working, stop, directory } =
            self;
        drop(stop);
        working.await.unwrap().unwrap();
        log.close().await;
        drop((log, service, transport));
        let path = directory.path().join("cart.db");
        // The file is given back by a task of its own.
        eventually("the file is free", SOON, async || is_free(&path).await).await;
        Self::start(directory, products, settings, world, clock).await
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn carts(&self) -> CartServiceClient<Transport> {
        CartServiceClient::new(self.transport.clone())
    }

    pub(crate) async fn add(&self, user_id: i64, product_id: i64, quantity: i32) -> Result<Cart, Status> {
        let request = AddItemRequest { user_id, product_id, quantity, expected_version: None };
        self.carts().add_item(request).await.map(Response::into_inner)
    }

    pub(crate) async fn add_by_its_other_name(&self, request: AddItemRequest) -> Result<Cart, Status> {
        let mut client = AddCartItemServiceClient::new(self.transport.clone());
        client.add_item(request).await.map(Response::into_inner)
    }

    pub(crate) async fn update(&self, user_id: i64, product_id: i64, quantity: i32) -> Result<Cart, Status> {
        let request = UpdateQuantityRequest { user_id, product_id, quantity, expected_version: None };
        self.carts().update_quantity(request).await.map(Response::into_inner)
    }

    pub(crate) async fn remove(&self, user_id: i64, product_id: i64) -> Result<Cart, Status> {
        let request = RemoveItemRequest { user_id, product_id, expected_version: None };
        self.carts().remove_item(request).await.map(Response::into_inner)
    }

    pub(crate) async fn clear(&self, user_id: i64) -> Result<Cart, Status> {
        self.carts()
            .clear_cart(ClearCartRequest { user_id, expected_version: None })
            .await
            .map(Response::into_inner)
    }

    /// The cart, which must be the same in the store and in the cache.
    pub(crate) async fn cart(&self, user_id: i64) -> Cart {
        let mut carts = self.carts();
        let shown = carts.get_cart(GetCartRequest { user_id, fresh: false }).await.unwrap().into_inner();
        let stored = carts.get_cart(GetCartRequest { user_id, fresh: true }).await.unwrap().into_inner();
        assert_eq!(shown, stored);
        shown
    }

    /// Publishes an event and waits until the service is done with it.
    pub(crate) async fn deliver(&self, event: Event) {
        let done = self.marker();
        self.log.publish(CHECKOUT_EVENTS, &[event, done.1]).await.unwrap();
        eventually("the events are consumed", SOON, async || {
            self.dead_letters().await.iter().any(|letter| letter.delivery.event.id == done.0)
        })
        .await;
    }

    /// What the service gave up, without the markers of [`Shop::deliver`].
    pub(crate) async fn given_up(&self) -> Vec<DeadLetter> {
        let mut letters = self.dead_letters().await;
        letters.retain(|letter| letter.delivery.event.source != "marker");
        letters
    }

    async fn dead_letters(&self) -> Vec<DeadLetter> {
        self.log.dead_letters().await.unwrap()
    }

    /// An event that ends as a dead letter, so that one sees when the service came to it.
    fn marker(&self) -> (Uuid, Event) {
        let event = self.event(CheckoutCompleted::TYPE, "marker", b"no JSON");
        (event.id, event)
    }

    pub(crate) fn event(&self, kind: &str, source: &str, data: &'static [u8]) -> Event {
        Event {
            id: self.world.ids.next(),
            kind: kind.to_owned(),
            source: source.to_owned(),
            key: "1".to_owned(),
            time: self.world.clock.now(),
            traceparent: None,
            request_id: None,
            data: data.into(),
        }
    }

    /// The event of a checkout that bought these products and quantities from this version of a cart.
    pub(crate) fn bought(&self, user_id: i64, cart_version: i64, items: &[(i64, i64)]) -> Event {
        let checkout_id = CheckoutId(self.world.ids.next());
        let item = |(id, quantity): &(i64, i64)| Item {
            product_id: ProductId::try_from(*id).unwrap(),
            product_name: format!("product {id}"),
            quantity: Quantity::try_from(*quantity).unwrap(),
            unit_price: types::Money::new(id * 100, Currency::USD),
            line_total: types::Money::new(id * 100 * quantity, Currency::USD),
        };
        let completed = CheckoutCompleted {
            checkout_id,
            order_id: checkout_id.order_id(),
            user_id: UserId::try_from(user_id).unwrap(),
            items: items.iter().map(item).collect(),
            total: types::Money::new(1, Currency::USD),
            shipping_address: None,
            cart_version,
            completed_at: self.world.clock.now(),
        };
        let event = self.event(CheckoutCompleted::TYPE, "checkout", b"");
        Event { data: serde_json::to_vec(&completed).unwrap().into(), ..event }
    }
}

async fn is_free(path: &Path) -> bool {
    match cart_service::store::Sqlite::open(path, &Metrics::default()).await {
        Ok(store) => {
            store.close().await;
            true
        }
        Err(_) => false,
    }
}

/// Product and quantity of each line.
pub(crate) fn quantities(cart: &Cart) -> Vec<(i64, i32)> {
    cart.items.iter().map(|item| (item.product_id, item.quantity)).collect()
}

/// Cents, in US dollars.
pub(crate) fn cents(money: &Option<Money>) -> i64 {
    let money = money.as_ref().unwrap();
    assert_eq!(money.currency_code, "USD");
    money.minor_units
}
