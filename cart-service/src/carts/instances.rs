//! Several instances on one store and one Redis, which is there, hangs, and is gone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use futures::future::join_all;
use platform::config::Server;
use platform::metrics::Metrics;
use platform::transport::Transport;
use redis_link::Link;
use testkit::{TempDir, eventually};
use types::Timestamp;

use super::*;
use crate::cache::{Place, Redis};
use crate::cart::Version;
use crate::fixtures::{cart, purchase, taken, user};
use crate::store::Sqlite;

const SOON: Duration = Duration::from_secs(20);

/// Bounds for one call while Redis hangs: the time that it is waited for once, and what a loaded machine adds.
const A_MOMENT: Duration = Duration::from_millis(600);

/// A store that counts how often it is read.
struct Counting {
    store: Sqlite,
    loads: AtomicU64,
}

#[async_trait]
impl Store for Counting {
    async fn load(&self, user: UserId) -> Result<Option<Cart>, store::Error> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        self.store.load(user).await
    }

    async fn replace(&self, expected: Option<Version>, cart: &Cart) -> Result<Replaced, store::Error> {
        self.store.replace(expected, cart).await
    }

    async fn sweep(&self, unchanged_since: Timestamp, limit: u32) -> Result<u64, store::Error> {
        self.store.sweep(unchanged_since, limit).await
    }

    async fn snapshot(&self) -> Result<Vec<Cart>, store::Error> {
        self.store.snapshot().await
    }

    async fn ping(&self) -> Result<(), store::Error> {
        self.store.ping().await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

/// Two instances. Users 1 to 8 have a cart.
struct Pair {
    store: Arc<Counting>,
    instances: [Carts; 2],
    /// The version that each user had in the beginning.
    first: i64,
    /// Changes answered so far, by user.
    answered: [AtomicU64; 8],
    _directory: TempDir,
}

impl Pair {
    async fn on(redis: &testkit::Redis) -> Self {
        let directory = TempDir::new().unwrap();
        let store = Sqlite::open(&directory.path().join("cart.db"), &Metrics::default()).await.unwrap();
        let store = Arc::new(Counting { store, loads: AtomicU64::new(0) });
        let now = World::real().clock.now();
        for owner in 1..=8 {
            let young = Cart { updated_at: now, ..cart(owner, &[(1, 1)]) };
            store.replace(None, &young).await.unwrap();
        }
        let instance = || {
            let server = Server { url: redis.url(), variable: "REDIS_URL".to_owned() };
            let cache = Redis::new(Link::open(&server).unwrap(), World::real().ids);
            let nowhere = Catalogue::new(Transport::connect("product", "127.0.0.1:1").unwrap());
            let world = World::real();
            let cache = Cache::new(Place::Redis(cache), &world.metrics);
            Carts::new(store.clone(), cache, nowhere, world)
        };
        let instances = [instance(), instance()];
        let first = cart(1, &[]).version.0;
        Self { store, instances, first, answered: Default::default(), _directory: directory }
    }

    /// Changes a cart through an instance, which makes it a version newer.
    async fn change(&self, instance: usize, owner: usize) {
        let id = World::real().ids.next().as_u128();
        let earlier = self.answered[owner - 1].load(Ordering::SeqCst);
        let bought = taken(id, Version(self.first + 1_000_000 + earlier as i64));
        let bought = crate::cart::Purchase { user: user(owner as i64), ..purchase(bought, &[]) };
        self.instances[instance].take_out(bought).await.unwrap();
        self.answered[owner - 1].fetch_add(1, Ordering::SeqCst);
    }

    /// Reads a cart through an instance; it has every change that was answered before.
    async fn read(&self, instance: usize, owner: usize) {
        let answered = self.answered[owner - 1].load(Ordering::SeqCst);
        let cart = self.instances[instance].cached(user(owner as i64)).await.unwrap().unwrap();
        let changes = cart.version.0 - self.first;
        assert!(changes >= answered as i64, "{changes} of {answered} changes of user {owner} at {instance}");
    }

    /// Whether a cart that nobody changes is shown without reading the store.
    async fn is_cached(&self, owner: usize) -> bool {
        for instance in [0, 1] {
            self.read(instance, owner).await;
        }
        let before = self.store.loads.load(Ordering::SeqCst);
        for instance in [0, 1, 0, 1] {
            self.read(instance, owner).await;
        }
        before == self.store.loads.load(Ordering::SeqCst)
    }

    /// Changes and reads by everybody at once, `rounds` times.
    async fn crowd(&self, rounds: usize) {
        join_all((1..=8).map(async |owner| {
            for round in 0..rounds {
                let (one, other) = (round % 2, 1 - round % 2);
                let concurrent = join_all((0..4).map(|reader| self.read(reader % 2, owner)));
                tokio::join!(self.change(one, owner), concurrent);
                tokio::join!(self.read(other, owner), self.read(one, owner));
            }
        }))
        .await;
    }

    async fn close(self) {
        for instance in &self.instances {
            instance.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_one_changed_all_others_show_at_once() {
    let Some(redis) = testkit::Redis::start() else { return };
    let pair = Pair::on(&redis).await;
    eventually("carts are cached", SOON, async || pair.is_cached(1).await).await;
    pair.crowd(200).await;
    for owner in 1..=8 {
        eventually("the cart is cached", SOON, async || pair.is_cached(owner).await).await;
    }
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_that_hangs_delays_nobody_for_long_and_lies_to_nobody_afterwards() {
    let Some(redis) = testkit::Redis::start() else { return };
    let pair = Pair::on(&redis).await;
    eventually("carts are cached", SOON, async || pair.is_cached(1).await).await;
    for _ in 0..2 {
        for owner in 1..=8 {
            pair.is_cached(owner).await;
        }
        redis.freeze();
        let asked = Instant::now();
        tokio::join!(pair.change(0, 1), pair.read(0, 2), pair.read(1, 1), pair.read(1, 2));
        assert!(asked.elapsed() < A_MOMENT, "{:?}", asked.elapsed());
        pair.read(1, 1).await;
        let asked = Instant::now();
        for _ in 0..20 {
            pair.change(0, 1).await;
            pair.read(1, 1).await;
        }
        assert!(asked.elapsed() < A_MOMENT, "{:?}", asked.elapsed());
        pair.crowd(10).await;
        redis.thaw();
        // Through the thaw and the grace, until it is used again.
        let thawed = Instant::now();
        eventually("carts are cached again", SOON, async || {
            pair.crowd(1).await;
            pair.is_cached(1).await
        })
        .await;
        assert!(thawed.elapsed() < Duration::from_secs(10), "{:?}", thawed.elapsed());
    }
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn short_hangs_lie_to_nobody() {
    let Some(redis) = testkit::Redis::start() else { return };
    let pair = Pair::on(&redis).await;
    eventually("carts are cached", SOON, async || pair.is_cached(1).await).await;
    let hangs = async {
        // How long they are is what is tried here: shorter than anybody notices, about as long, and longer.
        for milliseconds in [20, 90, 110, 150, 190, 250, 400] {
            redis.freeze();
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            redis.thaw();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        () = hangs => {}
        () = async { loop { pair.crowd(1).await; } } => {}
    }
    eventually("carts are cached again", SOON, async || pair.is_cached(1).await).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_that_comes_back_with_an_old_state_is_not_believed() {
    let Some(redis) = testkit::Redis::start() else { return };
    let pair = Pair::on(&redis).await;
    eventually("carts are cached", SOON, async || pair.is_cached(1).await).await;
    for owner in 1..=8 {
        eventually("the cart is cached", SOON, async || pair.is_cached(owner).await).await;
    }
    redis.ask("SAVE");
    // What it is told from here on, it will have forgotten.
    pair.crowd(3).await;
    redis.kill();
    // The others nobody would have to tell it of.
    pair.change(0, 1).await;
    pair.read(1, 1).await;
    redis.restart();
    assert!(redis.ask("EXISTS oxcart:cart:1").starts_with(":1"), "the old state is there");
    eventually("carts are cached again", SOON, async || pair.is_cached(1).await).await;
    for owner in 1..=8 {
        pair.read(0, owner).await;
        pair.read(1, owner).await;
    }
    pair.crowd(10).await;
    pair.close().await;
}
