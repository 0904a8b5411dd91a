use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use futures::FutureExt as _;
use platform::transport::Transport;
use tokio::sync::Semaphore;

use super::*;
use crate::cache::{Memory, Place};
use crate::cart::Version;
use crate::fixtures::{cart, product, purchase, taken, user};

/// A store of one cart that does as it is told.
struct Obedient {
    cart: Mutex<Option<Cart>>,
    orders: Mutex<Order>,
    /// A permit for each write that may begin.
    gate: Semaphore,
    writes: AtomicU32,
}

#[derive(Clone, Copy)]
enum Order {
    Write,
    /// Another process is always faster.
    Lose,
    /// The write is made, and its answer lost.
    LoseTheAnswer,
}

impl Obedient {
    fn holding(cart: Cart) -> Arc<Self> {
        Arc::new(Self {
            cart: Mutex::new(Some(cart)),
            orders: Mutex::new(Order::Write),
            gate: Semaphore::new(1000),
            writes: AtomicU32::new(0),
        })
    }

    fn order(&self, order: Order) {
        *self.orders.lock().unwrap() = order;
    }
}

#[async_trait]
impl Store for Obedient {
    async fn load(&self, _user: UserId) -> Result<Option<Cart>, store::Error> {
        Ok(self.cart.lock().unwrap().clone())
    }

    async fn replace(&self, expected: Option<Version>, cart: &Cart) -> Result<Replaced, store::Error> {
        self.gate.acquire().await.unwrap().forget();
        self.writes.fetch_add(1, Ordering::Relaxed);
        let order = *self.orders.lock().unwrap();
        let mut stored = self.cart.lock().unwrap();
        if matches!(order, Order::Lose) || stored.as_ref().map(|cart| cart.version) != expected {
            return Ok(Replaced::Conflict);
        }
        *stored = Some(cart.clone());
        match order {
            Order::LoseTheAnswer => Err(store::Error::unknown("power cut")),
            Order::Write | Order::Lose => Ok(Replaced::Yes),
        }
    }

    async fn sweep(&self, _unchanged_since: Timestamp, _limit: u32) -> Result<u64, store::Error> {
        Ok(0)
    }

    async fn snapshot(&self) -> Result<Vec<Cart>, store::Error> {
        Ok(self.cart.lock().unwrap().iter().cloned().collect())
    }

    async fn ping(&self) -> Result<(), store::Error> {
        Ok(())
    }

    async fn close(&self) {}
}

/// Carts in a store, with a catalogue that nobody can reach.
fn carts(store: &Arc<Obedient>) -> Carts {
    let nowhere = Transport::connect("product", "127.0.0.1:1").unwrap();
    let (world, _clock) = testkit::world();
    // Waits are real, so that they end; the moment is that of the fixtures.
    let world = World { ids: world.ids, ..World::real() };
    Carts::new(
        store.clone(),
        Cache::new(Place::Memory(Memory::new()), &world.metrics),
        Catalogue::new(nowhere),
        world,
    )
}

fn young(lines: &[(i64, i64)]) -> Cart {
    Cart { updated_at: World::real().clock.now(), ..cart(1, lines) }
}

fn ctx() -> Context {
    Context::root(World::real().ids.as_ref(), Duration::from_secs(30))
}

#[tokio::test]
async fn a_cart_that_others_always_change_first_is_given_up() {
    let store = Obedient::holding(young(&[(1, 1)]));
    store.order(Order::Lose);
    let carts = carts(&store);
    let error = carts.change(&ctx(), user(1), None, &Change::Clear).await.unwrap_err();
    assert!(matches!(error, Error::Contended), "{error}");
    assert_eq!(store.writes.load(Ordering::Relaxed), ATTEMPTS);
    let status = tonic::Status::from(error);
    assert_eq!(
        (status.code(), proto::status::reason(&status)),
        (tonic::Code::Aborted, Some(proto::Reason::CartChanged))
    );
    let bought = purchase(taken(1, young(&[]).version), &[(1, 1)]);
    assert!(matches!(carts.take_out(bought).await, Err(Error::Contended)));
}

#[tokio::test]
async fn a_catalogue_out_of_reach_is_said_so_and_changes_nothing() {
    let store = Obedient::holding(young(&[(1, 1)]));
    let carts = carts(&store);
    let change = Change::SetQuantity { product: product(1), quantity: crate::fixtures::units(5) };
    let status = tonic::Status::from(carts.change(&ctx(), user(1), None, &change).await.unwrap_err());
    assert_eq!(
        (status.code(), status.message()),
        (tonic::Code::Unavailable, "the catalogue is not available")
    );
    assert_eq!(proto::status::reason(&status), None);
    assert_eq!(store.writes.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_was_committed_is_shown_even_if_the_caller_left_before_the_answer() {
    let store = Obedient::holding(young(&[(1, 1)]));
    let carts = carts(&store);
    assert_eq!(carts.cached(user(1)).await.unwrap().unwrap().lines.len(), 1);
    store.gate.forget_permits(1000);
    let ctx = ctx();
    let mut leaving = Box::pin(carts.change(&ctx, user(1), None, &Change::Clear));
    // Long enough to come to the write, which can't begin.
    for _ in 0..100 {
        assert!(leaving.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(leaving);
    store.gate.add_permits(1);
    carts.settle().await;
    assert_eq!(carts.cached(user(1)).await.unwrap().unwrap().lines, []);
}

#[tokio::test]
async fn a_write_of_unknown_outcome_is_not_hidden_by_the_cache() {
    let store = Obedient::holding(young(&[(1, 1)]));
    let carts = carts(&store);
    assert_eq!(carts.cached(user(1)).await.unwrap().unwrap().lines.len(), 1);
    store.order(Order::LoseTheAnswer);
    let status = tonic::Status::from(carts.change(&ctx(), user(1), None, &Change::Clear).await.unwrap_err());
    assert_eq!((status.code(), proto::status::reason(&status)), (tonic::Code::Unavailable, None));
    assert_eq!(carts.cached(user(1)).await.unwrap().unwrap().lines, []);
}

#[tokio::test]
async fn a_purchase_of_unknown_outcome_is_taken_out_once_when_tried_again() {
    let bought = young(&[(1, 5)]);
    let store = Obedient::holding(bought.clone());
    let carts = carts(&store);
    let event = purchase(taken(1, bought.version), &[(1, 2)]);
    store.order(Order::LoseTheAnswer);
    carts.take_out(event.clone()).await.unwrap_err();
    store.order(Order::Write);
    carts.take_out(event).await.unwrap();
    assert_eq!(carts.cached(user(1)).await.unwrap().unwrap().lines[0].quantity.get(), 3);
    assert_eq!(store.writes.load(Ordering::Relaxed), 1);
}
