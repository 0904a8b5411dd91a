//! The programs of the shop, each of which is begun again after its end.

use std::slice::from_ref;
use std::sync::Arc;

use event_log::EventLog;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use payment_service::provider::simulated::ledger::Ledger;
use payment_service::provider::simulated::{Habits, Simulated};
use platform::clock::Clock;
use platform::grpc::Server;
use tokio::runtime::Handle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::log::Log;
use super::nature::Nature;
use super::network::{Seat, way};
use super::port::Kept;
use super::process::Process;
use super::stores::Stores;
use super::weather::Fault;

/// How long a program is gone at most, in milliseconds.
const GONE: u64 = 15_000;

/// Until when a program is told to stop at the latest, in milliseconds.
const LIFE: u64 = 60_000;

/// A shop: two instances of checkout on one store, one of each other program.
#[derive(Clone)]
pub(super) struct Shop {
    pub(super) seats: Seats,
    pub(super) log: Log,
    nature: Arc<Nature>,
    medium: Handle,
    places: Arc<Places>,
}

/// Where programs are found.
#[derive(Clone, Default)]
pub(super) struct Seats {
    pub(super) product: Seat,
    pub(super) cart: Seat,
    pub(super) inventory: Seat,
    pub(super) payment: Seat,
    pub(super) orders: Seat,
    pub(super) checkouts: [Seat; 2],
}

/// The stores that outlive programs.
struct Places {
    inventory: Kept<dyn inventory_service::store::Store>,
    payments: Kept<dyn payment_service::store::Store>,
    ledger: Kept<dyn Ledger>,
    orders: Kept<dyn orders_service::store::Store>,
    checkouts: Kept<dyn checkout_service::store::Store>,
    carts: Kept<dyn cart_service::store::Store>,
    log: Kept<dyn EventLog>,
}

/// A program that runs: who answers its calls, and what it does besides.
type Running = (Server, BoxFuture<'static, anyhow::Result<()>>);

impl Shop {
    /// Opens the shop in a world. Everything of it runs in tasks of the nature.
    pub(super) fn open(nature: &Arc<Nature>, stores: &Stores) -> Self {
        let clock: Arc<dyn Clock> = nature.time().clone();
        let log = Log::new(clock);
        let shared: Arc<dyn EventLog> = Arc::new(log.clone());
        let places = Places {
            inventory: Kept::new(&stores.inventory),
            payments: Kept::new(&stores.payments),
            ledger: Kept::new(&stores.ledger),
            orders: Kept::new(&stores.orders),
            checkouts: Kept::new(&stores.checkouts),
            carts: Kept::new(&stores.carts),
            log: Kept::new(&shared),
        };
        let shop = Self {
            seats: Seats::default(),
            log,
            nature: nature.clone(),
            medium: stores.medium.handle().clone(),
            places: Arc::new(places),
        };
        shop.seats.product.take(&Process::immortal("product", nature), stores.product.clone());
        shop.keep("inventory", &shop.seats.inventory, Self::inventory);
        shop.keep("payment", &shop.seats.payment, Self::payment);
        shop.keep("orders", &shop.seats.orders, Self::orders);
        shop.keep("cart", &shop.seats.cart, Self::cart);
        let [first, second] = &shop.seats.checkouts;
        shop.keep("checkout 1", first, Self::checkout);
        shop.keep("checkout 2", second, Self::checkout);
        shop
    }

    /// Sets the clocks of all programs right.
    pub(super) fn set_right(&self) {
        let Seats { product: _, cart, inventory, payment, orders, checkouts: [first, second] } = &self.seats;
        for seat in [cart, inventory, payment, orders, first, second] {
            if let Some((process, _)) = seat.holder() {
                process.set_right();
            }
        }
    }

    /// Begins a program, again and again.
    fn keep(
        &self,
        name: &'static str,
        seat: &Seat,
        begin: fn(&Self, &Process, CancellationToken) -> Running,
    ) {
        let (shop, seat) = (self.clone(), seat.clone());
        self.nature.tasks.spawn(async move {
            loop {
                let process = Process::mortal(name, &shop.nature);
                shop.live(&process, &seat, begin).await;
                seat.leave();
                if shop.nature.is_stormy() {
                    sleep(shop.nature.millis(GONE)).await;
                }
            }
        });
    }

    /// One life of a program: to its death, or until it has stopped as it was told to.
    async fn live(
        &self,
        process: &Process,
        seat: &Seat,
        begin: fn(&Self, &Process, CancellationToken) -> Running,
    ) {
        let stop = CancellationToken::new();
        let (server, work) = begin(self, process, stop.clone());
        seat.take(process, server);
        let is_told = self.nature.strikes(Fault::Stop);
        let life = self.nature.millis(LIFE);
        let order = async {
            if !is_told {
                std::future::pending::<()>().await;
            }
            sleep(life).await;
            self.nature.note("shop", "stops a program", "");
            seat.leave();
            stop.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = process.death() => {}
            _ = work => process.die(),
            () = order => {}
        }
    }

    fn log_of(&self, process: &Process) -> Arc<dyn EventLog> {
        self.places.log.port(process, &self.medium)
    }

    fn inventory(&self, process: &Process, stop: CancellationToken) -> Running {
        let store = self.places.inventory.port(process, &self.medium);
        let service = inventory_service::Service::new(store, process.world());
        (service.grpc(), async move { service.work(stop).await }.boxed())
    }

    fn payment(&self, process: &Process, stop: CancellationToken) -> Running {
        let world = process.world();
        let ledger = self.places.ledger.port(process, &self.medium);
        let habits = Habits { success_rate: 1.0, delay: std::time::Duration::ZERO };
        let provider = Simulated::new(ledger, habits, world.clock.clone(), Arc::new(|| 0.0));
        let store = self.places.payments.port(process, &self.medium);
        let service = payment_service::Service::new(store, Arc::new(provider), world);
        (service.grpc(), async move { service.work(stop).await }.boxed())
    }

    fn orders(&self, process: &Process, stop: CancellationToken) -> Running {
        let world = process.world();
        let peers = orders_service::Peers {
            inventory: way(process, "inventory", from_ref(&self.seats.inventory)),
            payment: way(process, "payment", from_ref(&self.seats.payment)),
        };
        let store = self.places.orders.port(process, &self.medium);
        let instance = world.ids.next();
        let service = orders_service::Service::new(store, instance, peers, self.log_of(process), world);
        (service.grpc(), async move { service.work(stop).await }.boxed())
    }

    fn cart(&self, process: &Process, stop: CancellationToken) -> Running {
        let peers = cart_service::Peers { product: way(process, "product", from_ref(&self.seats.product)) };
        let store = self.places.carts.port(process, &self.medium);
        let service = cart_service::Service::new(store, peers, self.log_of(process), process.world());
        (service.grpc(), async move { service.work(stop).await }.boxed())
    }

    fn checkout(&self, process: &Process, stop: CancellationToken) -> Running {
        let peers = checkout_service::Peers {
            cart: way(process, "cart", from_ref(&self.seats.cart)),
            inventory: way(process, "inventory", from_ref(&self.seats.inventory)),
            payment: way(process, "payment", from_ref(&self.seats.payment)),
        };
        let store = self.places.checkouts.port(process, &self.medium);
        let service = checkout_service::Service::new(store, peers, self.log_of(process), process.world());
        (service.grpc(), async move { service.work(stop).await }.boxed())
    }
}
