//! Reading and changing carts: where the rules meet the store, the cache and the catalogue.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use platform::retry::Backoff;
use platform::{Context, World, fault, trace};
use tokio_util::task::TaskTracker;
use types::{ProductId, Timestamp, UserId};

use crate::cache::Cache;
use crate::cart::{Cart, Change, LIFETIME, Outcome, Purchase, Version};
use crate::catalogue::{Catalogue, Listings};
use crate::error::Error;
use crate::priced::PricedCart;
use crate::store::{self, Replaced, Store};
use crate::turns::{Turn, Turns};

#[cfg(test)]
mod instances;
#[cfg(test)]
mod tests;

/// How often a change is tried on a cart that others change too. Within this process changes queue, so only
/// other processes can be faster.
const ATTEMPTS: u32 = 50;

/// Between attempts: about the time of a commit, so that those who met part.
const BACKOFF: Backoff = Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(20) };

/// Carts removed in one transaction of a sweep: short enough not to be noticed.
const SWEEP: u32 = 500;

/// All carts. Clones share them.
#[derive(Clone)]
pub(crate) struct Carts {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    cache: Cache,
    catalogue: Catalogue,
    world: World,
    turns: Turns,
    /// Owns the writes, which end even if nobody waits for them any more.
    writes: TaskTracker,
}

/// What is to be done with a cart that was found.
enum Decision<T> {
    /// Nothing.
    Leave(T),
    /// Store this one in its place, and only then give the answer.
    Store(Cart, T),
}

/// How far an attempt to change a cart came.
enum Step {
    /// The catalogue has to be asked for these first.
    Ask(BTreeSet<ProductId>),
    Done(PricedCart),
}

impl Carts {
    pub(crate) fn new(store: Arc<dyn Store>, cache: Cache, catalogue: Catalogue, world: World) -> Self {
        let (turns, writes) = (Turns::new(), TaskTracker::new());
        Self { shared: Arc::new(Shared { store, cache, catalogue, world, turns, writes }) }
    }

    /// The cart as it is to be shown; it may be as old as the cache.
    pub(crate) async fn shown(&self, ctx: &Context, user: UserId) -> Result<PricedCart, Error> {
        let cart = self.cached(user).await?;
        self.priced(ctx, user, cart.as_deref()).await
    }

    /// The cart as it is stored at this moment.
    pub(crate) async fn stored(&self, ctx: &Context, user: UserId) -> Result<PricedCart, Error> {
        let cart = self.shared.store.load(user).await?;
        self.priced(ctx, user, cart.as_ref()).await
    }

    /// Changes a cart, whatever its version is, or only if it is `expected`, and prices it. The prices are known before the cart is stored: a catalogue that is not
    /// there, and a total that can't be written, change nothing.
    pub(crate) async fn change(
        &self,
        ctx: &Context,
        user: UserId,
        expected: Option<Version>,
        change: &Change,
    ) -> Result<PricedCart, Error> {
        let mut listings = Listings::default();
        // The cached cart tells well enough which products matter, so that nobody's turn has to wait for the
        // catalogue. What it does not tell is asked for later.
        let guess = self.cached(user).await?;
        let mut missing = change.needs(guess.as_deref(), self.now());
        for attempt in 0..ATTEMPTS {
            self.shared.catalogue.ask(ctx, missing, &mut listings).await?;
            let decide = |found: Option<&Cart>, now| {
                let version = Cart::alive(found, now).map_or(Version::NONE, |cart| cart.version);
                if expected.is_some_and(|expected| expected != version) {
                    return Err(Error::Stale);
                }
                let unasked = listings.unasked(change.needs(found, now));
                if !unasked.is_empty() {
                    return Ok(Decision::Leave(Step::Ask(unasked)));
                }
                let outcome = change.apply(user, found, &listings, now)?;
                let priced = PricedCart::new(user, outcome.cart(), &listings)?;
                Ok(Decision::of(outcome, Step::Done(priced)))
            };
            missing = match self.attempt(user, decide).await? {
                Some(Step::Done(priced)) => return Ok(priced),
                Some(Step::Ask(unasked)) => unasked,
                None => {
                    self.pause(attempt).await;
                    BTreeSet::new()
                }
            };
        }
        Err(Error::Contended)
    }

    /// Takes what was bought out of the buyer's cart; once, however often it is called.
    pub(crate) async fn take_out(&self, purchase: Purchase) -> Result<(), Error> {
        let user = purchase.user;
        let change = Change::TakeOut(purchase);
        for attempt in 0..ATTEMPTS {
            let decide = |found: Option<&Cart>, now| {
                Ok(Decision::of(change.apply(user, found, &Listings::default(), now)?, ()))
            };
            match self.attempt(user, decide).await? {
                Some(()) => return Ok(()),
                None => self.pause(attempt).await,
            }
        }
        Err(Error::Contended)
    }

    /// Removes the carts that nobody changed for [`LIFETIME`], and says how many it were.
    pub(crate) async fn sweep(&self) -> Result<u64, store::Error> {
        let mut swept = 0;
        loop {
            let some = self.shared.store.sweep(self.now().before(LIFETIME), SWEEP).await?;
            swept += some;
            if some < u64::from(SWEEP) {
                return Ok(swept);
            }
        }
    }

    /// Whether carts can be read.
    pub(crate) async fn is_healthy(&self) -> bool {
        self.shared.store.ping().await.is_ok()
    }

    /// Waits for the writes that are under way.
    pub(crate) async fn settle(&self) {
        self.shared.writes.close();
        self.shared.writes.wait().await;
    }

    /// Waits for the writes that are under way, and closes the cache and the store.
    pub(crate) async fn close(&self) {
        self.settle().await;
        self.shared.cache.close().await;
        self.shared.store.close().await;
    }

    fn now(&self) -> Timestamp {
        self.shared.world.clock.now()
    }

    async fn cached(&self, user: UserId) -> Result<Option<Arc<Cart>>, store::Error> {
        self.shared.cache.read(user, self.shared.store.load(user)).await
    }

    async fn priced(&self, ctx: &Context, user: UserId, cart: Option<&Cart>) -> Result<PricedCart, Error> {
        let cart = Cart::alive(cart, self.now());
        let mut listings = Listings::default();
        let products = cart.into_iter().flat_map(Cart::products).collect();
        self.shared.catalogue.ask(ctx, products, &mut listings).await?;
        Ok(PricedCart::new(user, cart, &listings)?)
    }

    /// Reads the stored cart, decides, and stores what was decided. `None`: another was faster, and nothing
    /// was changed.
    async fn attempt<T>(
        &self,
        user: UserId,
        decide: impl FnOnce(Option<&Cart>, Timestamp) -> Result<Decision<T>, Error>,
    ) -> Result<Option<T>, Error> {
        let turn = self.shared.turns.take(user).await;
        let found = self.shared.store.load(user).await?;
        match decide(found.as_ref(), self.now())? {
            Decision::Leave(answer) => Ok(Some(answer)),
            Decision::Store(cart, answer) => match self.replace(turn, found, cart).await? {
                Replaced::Yes => Ok(Some(answer)),
                Replaced::Conflict => Ok(None),
            },
        }
    }

    /// Announces a cart to the cache, stores it in place of what was found, and notes it in the cache. All of it
    /// happens even if the caller is dropped in between: otherwise the cache would go on to show what is no longer
    /// stored.
    async fn replace(&self, turn: Turn, found: Option<Cart>, cart: Cart) -> Result<Replaced, Error> {
        let shared = self.shared.clone();
        let write = self.shared.writes.spawn(trace::carried(async move {
            let expected = found.map(|cart| cart.version);
            shared.cache.expect(cart.user, cart.version).await;
            let replaced = fault::around("cart.replace", shared.store.replace(expected, &cart)).await;
            match replaced {
                Ok(Replaced::Yes) => shared.cache.put(Arc::new(cart)).await,
                Ok(Replaced::Conflict) | Err(_) => shared.cache.forget(cart.user).await,
            }
            drop(turn);
            replaced
        }));
        Ok(write.await.map_err(Error::BrokenOff)??)
    }

    async fn pause(&self, attempt: u32) {
        let world = &self.shared.world;
        world.clock.sleep(BACKOFF.delay(attempt, world.chance())).await;
    }
}

impl<T> Decision<T> {
    fn of(outcome: Outcome, answer: T) -> Self {
        match outcome {
            Outcome::Unchanged(_) => Self::Leave(answer),
            Outcome::Changed(cart) => Self::Store(cart, answer),
        }
    }
}
