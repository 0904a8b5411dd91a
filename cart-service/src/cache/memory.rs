//! Carts in memory, for a process that alone has the store.
//!
//! What is done to one user's entry is done one after the other: a fill, from the moment at which it begins to
//! read the store; the note of a change, which comes after its commit; the removal of what became doubtful. So
//! a fill that read the store before a change is in the cache before the change is noted, and never in its
//! place, and of readers that miss at the same moment one reads the store for all.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache as Entries;
use moka::ops::compute::{CompResult, Op};
use types::UserId;

use crate::cart::Cart;

/// How long an entry is used without having been confirmed.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// Lines and carts in the cache: a line takes some 150 bytes, so 40 MB at most.
const CAPACITY: u64 = 250_000;

/// A cache in this process.
pub(crate) struct Memory {
    entries: Entries<UserId, Option<Arc<Cart>>>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        let weight = |cart: &Option<Arc<Cart>>| {
            cart.as_ref().map_or(1, |cart| 1 + cart.lines.len() + cart.purchases.recent.len())
        };
        let entries = Entries::builder()
            .max_capacity(CAPACITY)
            .weigher(move |_, cart| u32::try_from(weight(cart)).unwrap_or(u32::MAX))
            .time_to_live(LIFE)
            .build();
        Self { entries }
    }

    /// The cart of a user, from `load` if it is not here. `load` runs only if nobody else fills the entry.
    pub(crate) async fn read<E: Send + Sync + 'static>(
        &self,
        user: UserId,
        load: impl Future<Output = Result<Option<Cart>, E>>,
    ) -> Result<Option<Arc<Cart>>, E> {
        if let Some(cart) = self.entries.get(&user).await {
            return Ok(cart);
        }
        let fill = |there: Option<_>| async move {
            match there {
                Some(_) => Ok(Op::Nop),
                None => Ok(Op::Put(load.await?.map(Arc::new))),
            }
        };
        let filled = self.entries.entry(user).and_try_compute_with(fill).await?;
        Ok(match filled {
            CompResult::Inserted(entry) | CompResult::ReplacedWith(entry) | CompResult::Unchanged(entry) => {
                entry.into_value()
            }
            CompResult::StillNone(_) | CompResult::Removed(_) => None,
        })
    }

    /// Notes a cart that has been stored, unless a later version of it is noted already.
    pub(crate) async fn put(&self, cart: Arc<Cart>) {
        let newer = |there: Option<moka::Entry<UserId, Option<Arc<Cart>>>>| {
            let known = there.and_then(|entry| entry.into_value());
            let late = known.is_some_and(|known| known.version > cart.version);
            let op = if late { Op::Nop } else { Op::Put(Some(cart.clone())) };
            async { op }
        };
        self.entries.entry(cart.user).and_compute_with(newer).await;
    }

    /// Forgets what may not be what is stored.
    pub(crate) async fn forget(&self, user: UserId) {
        let remove = |_| async { Ok::<_, Infallible>(Op::Remove) };
        let _ = self.entries.entry(user).and_try_compute_with(remove).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::FutureExt as _;
    use futures::future::join_all;
    use tokio::sync::oneshot;

    use super::*;
    use crate::cart::Version;
    use crate::fixtures::{cart, user};

    type Loaded = Result<Option<Cart>, &'static str>;

    fn version(version: i64) -> Cart {
        Cart { version: Version(version), ..cart(1, &[(1, 1)]) }
    }

    async fn read(cache: &Memory, load: impl Future<Output = Loaded>) -> Option<i64> {
        cache.read(user(1), load).await.unwrap().map(|cart| cart.version.0)
    }

    async fn must_not_load() -> Loaded {
        panic!("read the store in spite of the entry")
    }

    /// A load that answers when told to.
    fn slow() -> (oneshot::Sender<Loaded>, impl Future<Output = Loaded>) {
        let (answer, load) = oneshot::channel();
        (answer, async { load.await.unwrap() })
    }

    #[tokio::test]
    async fn a_fill_that_read_before_a_change_does_not_undo_its_note() {
        let cache = Memory::new();
        let (answer, load) = slow();
        let mut reader = Box::pin(read(&cache, load));
        assert!(reader.as_mut().now_or_never().is_none(), "the store was asked");
        // The change is committed now; its note waits for the fill that may be older.
        let mut note = Box::pin(cache.put(Arc::new(version(2))));
        assert!(note.as_mut().now_or_never().is_none());
        answer.send(Ok(Some(version(1)))).unwrap();
        assert_eq!(reader.await, Some(1));
        note.await;
        assert_eq!(read(&cache, must_not_load()).await, Some(2));
    }

    #[tokio::test]
    async fn a_change_noted_before_a_fill_makes_it_needless() {
        let cache = Memory::new();
        cache.put(Arc::new(version(2))).await;
        assert_eq!(read(&cache, must_not_load()).await, Some(2));
    }

    #[tokio::test]
    async fn of_two_notes_the_later_version_stays() {
        for order in [[2, 3], [3, 2]] {
            let cache = Memory::new();
            for number in order {
                cache.put(Arc::new(version(number))).await;
            }
            assert_eq!(read(&cache, must_not_load()).await, Some(3));
        }
    }

    #[tokio::test]
    async fn readers_that_miss_together_read_the_store_once() {
        let cache = Memory::new();
        let loads = AtomicU32::new(0);
        let (answer, load) = slow();
        let load = load.shared();
        let reader = || {
            read(&cache, async {
                loads.fetch_add(1, Ordering::Relaxed);
                load.clone().await
            })
        };
        let readers = join_all((0..20).map(|_| reader()));
        let (read, ()) = tokio::join!(readers, async {
            tokio::task::yield_now().await;
            answer.send(Ok(None)).unwrap();
        });
        assert_eq!((read, loads.into_inner()), (vec![None; 20], 1));
    }

    #[tokio::test]
    async fn a_reader_that_goes_away_or_fails_leaves_the_fill_to_the_next() {
        let cache = Memory::new();
        let (_answer, load) = slow();
        let mut leaving = Box::pin(read(&cache, load));
        assert!(leaving.as_mut().now_or_never().is_none());
        let (answer, load) = slow();
        let mut next = Box::pin(read(&cache, load));
        assert!(next.as_mut().now_or_never().is_none());
        drop(leaving);
        answer.send(Ok(Some(version(1)))).unwrap();
        assert_eq!(next.await, Some(1));

        cache.forget(user(1)).await;
        assert_eq!(cache.read(user(1), async { Err("down") }).await, Err("down"));
        assert_eq!(read(&cache, async { Ok(Some(version(4))) }).await, Some(4));
    }

    #[tokio::test]
    async fn what_is_forgotten_while_it_is_filled_is_forgotten() {
        let cache = Memory::new();
        let (answer, load) = slow();
        let mut reader = Box::pin(read(&cache, load));
        assert!(reader.as_mut().now_or_never().is_none());
        let mut forget = Box::pin(cache.forget(user(1)));
        assert!(forget.as_mut().now_or_never().is_none());
        answer.send(Ok(Some(version(1)))).unwrap();
        assert_eq!(reader.await, Some(1));
        forget.await;
        assert_eq!(read(&cache, async { Ok(Some(version(2))) }).await, Some(2));
    }
}
