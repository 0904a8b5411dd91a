//! Carts in Redis, for any number of processes.
//!
//! **While Redis answers**, a change is announced in it before it is stored: the version to come takes the place of
//! whatever is there and keeps older ones out, so that everybody reads the store until the new cart is noted. Who
//! misses gets a lease, reads the store, and fills the entry if the lease is still what is there: a change since
//! would have replaced it. Readers who find the same lease share one read of the store, for the same reason.
//!
//! **While Redis is away**, carts are read from the store. A change that can't be announced is made all the same,
//! but only once every process must have noticed that Redis is away, and its user is remembered. When Redis is back,
//! each process first tells it of those; and reads it again only after [`GRACE`], by when all others have told
//! theirs.
//!
//! What remains: a process that is killed while Redis is away takes what it remembers with it, and a process that
//! alone is cut off from Redis can't tell the others. Then a cart may be shown as it was, for up to [`LIFE`].

mod dirty;
mod entry;
mod scripts;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use moka::future::Cache as Entries;
use platform::ids::Ids;
use redis_link::{Error, Link, Script, ScriptInvocation, Standing};
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use types::UserId;

use crate::cart::{Cart, Version};
use dirty::{Dirty, Untold};
use entry::Entry;

/// How long an entry is used without having been confirmed. Up to a minute more, so that entries that came together
/// do not go together.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// How long a version is expected: longer than any write can take, so that it is still expected when the cart is
/// stored.
const EXPECTED: Duration = Duration::from_secs(30);

/// How long a lease is good: longer than a read of the store.
const LEASE: Duration = Duration::from_secs(2);

/// How long Redis must have been back before it is read: a process finds it within half a second, and tells it what
/// it remembers in less than another.
const GRACE: Duration = Duration::from_secs(2);

/// How long Redis must have been away before a change is made without announcing it: every link notices within
/// 150 ms of a silence, the first one after 100 ms at the earliest.
const NOTICE: Duration = Duration::from_millis(100);

/// How often it is tried to announce a change to a Redis that comes and goes.
const ATTEMPTS: u32 = 2;

/// Before Redis is told once more what it refused to hear.
const AGAIN: Duration = Duration::from_millis(500);

/// Users that Redis is told of at a time.
const AT_ONCE: usize = 64;

/// Reads of the store that are shared at a time.
const LOADS: u64 = 10_000;

/// A cache in Redis.
pub(crate) struct Redis {
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

struct Shared {
    link: Link,
    ids: Arc<dyn Ids>,
    dirty: Dirty,
    /// What was read from the store under a lease, for as long as the lease can be found.
    loads: Entries<(UserId, Vec<u8>), Option<Arc<Cart>>>,
}

impl Redis {
    /// A cache that others may be using.
    pub(crate) fn new(link: Link, ids: Arc<dyn Ids>) -> Self {
        Self::start(link, ids, Dirty::none())
    }

    /// A cache that nobody else uses, so that what is there is of an earlier life, and perhaps of another store.
    pub(crate) fn anew(link: Link, ids: Arc<dyn Ids>) -> Self {
        Self::start(link, ids, Dirty::all())
    }

    fn start(link: Link, ids: Arc<dyn Ids>, dirty: Dirty) -> Self {
        let loads = Entries::builder().max_capacity(LOADS).time_to_live(LEASE).build();
        let shared = Arc::new(Shared { link, ids, dirty, loads });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (telling, stopped) = (shared.clone(), stop.clone());
        tasks.spawn(async move { stopped.run_until_cancelled(telling.tell_for_ever()).await });
        Self { shared, stop, tasks }
    }

    /// See [`super::Cache::read`].
    pub(crate) async fn read<E: Clone + Send + Sync + 'static>(
        &self,
        user: UserId,
        load: impl Future<Output = Result<Option<Cart>, E>>,
    ) -> Result<Option<Arc<Cart>>, E> {
        let found = if self.shared.believes(user) { self.shared.look(user).await.ok() } else { None };
        match found {
            Some(Entry::Cart(cart)) => Ok(cart.map(Arc::new)),
            Some(Entry::Lease(lease)) => self.shared.load(user, lease, load).await,
            Some(Entry::Expected(version, expected)) => {
                // Not shared: the change may be stored after another began to read.
                let cart = load.await?;
                if cart.as_ref().is_some_and(|cart| cart.version >= version) {
                    self.shared.fill(user, &expected, cart.as_ref()).await;
                }
                Ok(cart.map(Arc::new))
            }
            Some(Entry::Unreadable) | None => Ok(load.await?.map(Arc::new)),
        }
    }

    /// Whether what Redis has of a user is used at this moment.
    pub(crate) fn believes(&self, user: UserId) -> bool {
        self.shared.believes(user)
    }

    /// See [`super::Cache::expect`].
    pub(crate) async fn expect(&self, user: UserId, version: Version) {
        if self.shared.expect(user, version).await.is_ok() {
            return;
        }
        self.shared.dirty.add(user, version);
        // Either Redis is told after all, or everybody else has noticed too that it is away.
        let link = &self.shared.link;
        for _ in 0..ATTEMPTS {
            if let Standing::Down(since) = link.standing() {
                tokio::select! {
                    () = link.up() => {}
                    () = sleep_until(since + NOTICE) => return,
                }
            }
            if self.shared.expect(user, version).await.is_ok() {
                return self.shared.dirty.told(user, version);
            }
        }
    }

    /// See [`super::Cache::put`].
    pub(crate) async fn put(&self, cart: &Cart) {
        self.shared.put(cart).await;
    }

    /// See [`super::Cache::close`].
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if !self.shared.tell().await {
            tracing::warn!(
                "redis was not told of all changes, some carts may be shown as they were for 15 minutes"
            );
        }
        self.shared.link.close().await;
    }
}

impl Shared {
    /// Whether Redis is to be believed in what it has of a user.
    fn believes(&self, user: UserId) -> bool {
        let back = match self.link.standing() {
            Standing::Up(since) => since.elapsed() >= GRACE,
            Standing::Down(_) => false,
        };
        back && !self.dirty.has(user)
    }

    /// What Redis has of a user, or a lease.
    async fn look(&self, user: UserId) -> Result<Entry, Error> {
        let look = |call: &mut ScriptInvocation<'_>| {
            call.arg(millis(LEASE));
        };
        let found: Vec<u8> = self.run(&scripts::LOOK, user, look).await?;
        let entry = Entry::of(user, found.clone());
        if entry == Entry::Unreadable {
            tracing::warn!(user_id = user.get(), "an entry of the cache can't be read, removed");
            let discard = |call: &mut ScriptInvocation<'_>| {
                call.arg(&found);
            };
            let _: Result<i64, Error> = self.run(&scripts::DISCARD, user, discard).await;
        }
        Ok(entry)
    }

    /// Reads the store for all that found this lease, and fills the entry.
    async fn load<E: Clone + Send + Sync + 'static>(
        &self,
        user: UserId,
        lease: Vec<u8>,
        load: impl Future<Output = Result<Option<Cart>, E>>,
    ) -> Result<Option<Arc<Cart>>, E> {
        let fill = async {
            let cart = load.await?;
            self.fill(user, &lease, cart.as_ref()).await;
            Ok(cart.map(Arc::new))
        };
        let loaded = self.loads.try_get_with((user, lease.clone()), fill).await;
        loaded.map_err(|error: Arc<E>| E::clone(&error))
    }

    /// Writes what was read from the store after this lease or expected version was found.
    async fn fill(&self, user: UserId, found: &[u8], cart: Option<&Cart>) {
        let Some(content) = entry::content(user, cart) else { return };
        let version = entry::version(cart.map_or(Version::NONE, |cart| cart.version));
        let fill = |call: &mut ScriptInvocation<'_>| {
            call.arg(found).arg(version).arg(content).arg(self.life());
        };
        // Without it the next reader reads the store, too.
        let _: Result<i64, Error> = self.run(&scripts::FILL, user, fill).await;
    }

    async fn expect(&self, user: UserId, version: Version) -> Result<(), Error> {
        let expect = |call: &mut ScriptInvocation<'_>| {
            call.arg(entry::version(version)).arg(millis(EXPECTED));
        };
        self.run::<i64>(&scripts::EXPECT, user, expect).await.map(drop)
    }

    async fn put(&self, cart: &Cart) {
        let Some(content) = entry::content(cart.user, Some(cart)) else { return };
        let put = |call: &mut ScriptInvocation<'_>| {
            call.arg(entry::version(cart.version)).arg(content).arg(self.life());
        };
        // Without it the version stays expected for a while, and then is read from the store.
        let _: Result<i64, Error> = self.run(&scripts::PUT, cart.user, put).await;
    }

    /// Tells Redis what it missed, whenever there is something.
    async fn tell_for_ever(&self) {
        loop {
            self.dirty.added().await;
            self.link.up().await;
            while !self.tell().await {
                sleep(AGAIN).await;
                self.link.up().await;
            }
        }
    }

    /// Tells Redis what it missed; whether it knows all.
    async fn tell(&self) -> bool {
        if let Untold::All(overflows) = self.dirty.untold() {
            match self.run_for::<String>(&scripts::RENEW, scripts::EPOCH, |_| {}).await {
                Ok(_) => self.dirty.told_all(overflows),
                Err(_) => return false,
            }
        }
        if let Untold::Users(users) = self.dirty.untold() {
            let tell = async |(user, version): (UserId, Version)| {
                if self.expect(user, version).await.is_ok() {
                    self.dirty.told(user, version);
                }
            };
            futures::stream::iter(users).for_each_concurrent(AT_ONCE, tell).await;
        }
        matches!(self.dirty.untold(), Untold::Nothing)
    }

    async fn run<A: redis_link::FromRedisValue>(
        &self,
        script: &Script,
        user: UserId,
        arguments: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<A, Error> {
        self.run_for(script, &entry::key(user), arguments).await
    }

    async fn run_for<A: redis_link::FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        arguments: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<A, Error> {
        let call = |server: &str| {
            let mut call = script.prepare_invoke();
            call.key(key).key(scripts::EPOCH).arg(format!("{:016x}", self.random())).arg(server);
            arguments(&mut call);
            call
        };
        self.link.run(call).await
    }

    /// Milliseconds that a cart is kept.
    fn life(&self) -> u64 {
        millis(LIFE) + self.random() % 60_000
    }

    fn random(&self) -> u64 {
        // The lower bits of an id are as random as its source.
        let [.., a, b, c, d, e, f, g, h] = self.ids.next().into_bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
