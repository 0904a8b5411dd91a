//! How much is done at once, and what is done first when that is too little.
//!
//! A request takes a place or is refused at once: nothing queues up here, so that what is served is served in time. A
//! class finds a place while fewer are taken, by all classes, than its share of them; so lists are refused first, and
//! purchases that run last. Purchases wait by design, so there is a bound of their own for them: however many there
//! are and however slow, everything else still finds places.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use moka::sync::Cache;
use platform::metrics::{Counter, Metrics};
use types::UserId;

use crate::class::Class;
use crate::idempotency::IDEMPOTENCY_KEY;
use crate::problem::Problem;

/// So many purchases are remembered, for so long, to let those through that ask for them again.
const REMEMBERED: u64 = 10_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// The places of this gateway.
pub(crate) struct Load {
    taken: AtomicU32,
    list: Share,
    read: Share,
    write: Share,
    checkout: Share,
    running: Share,
    begun: Begun,
}

/// What a class may have.
struct Share {
    taken: AtomicU32,
    /// Refused when all classes have so many places,
    of_all: u32,
    /// or this one has.
    of_its_own: u32,
    refused: Counter,
}

/// A place among those of all and of a class, until it is dropped.
pub(crate) struct Place<'a>([&'a AtomicU32; 2]);

impl Load {
    /// With so many places.
    pub(crate) fn new(places: u32, metrics: &Metrics) -> Self {
        let percent = |percent: u64| {
            let share = u64::from(places) * percent / 100;
            u32::try_from(share).unwrap_or(u32::MAX).max(1)
        };
        let share = |class, of_all, of_its_own| {
            let help = "Requests refused because too many were under way.";
            let refused = metrics.counter("oxcart_requests_shed_total", help, &[("class", class)]);
            let (of_all, of_its_own) = (percent(of_all), percent(of_its_own));
            Share { taken: AtomicU32::new(0), of_all, of_its_own, refused }
        };
        Self {
            taken: AtomicU32::new(0),
            list: share("list", 60, 60),
            read: share("read", 70, 70),
            write: share("write", 80, 80),
            checkout: share("checkout", 90, 30),
            running: share("running", 100, 20),
            begun: Begun::default(),
        }
    }

    /// A place, or the refusal; [`Class::Health`] needs none.
    ///
    /// A request to buy with the key of one that was let through is about a purchase that runs.
    pub(crate) fn enter(
        &self,
        class: Class,
        user: Option<UserId>,
        headers: &HeaderMap,
    ) -> Result<Option<Place<'_>>, Problem> {
        let share = match class {
            Class::Health => return Ok(None),
            Class::List => &self.list,
            Class::Read => &self.read,
            Class::Write => &self.write,
            Class::Running => &self.running,
            Class::Checkout => return self.buy(Purchase::of(user, headers, &self.begun.secret)).map(Some),
        };
        self.take(share).map(Some)
    }

    fn buy(&self, purchase: Option<Purchase>) -> Result<Place<'_>, Problem> {
        let Some(purchase) = purchase else { return self.take(&self.checkout) };
        if self.begun.purchases.contains_key(&purchase) {
            return self.take(&self.running);
        }
        let place = self.take(&self.checkout)?;
        self.begun.purchases.insert(purchase, ());
        Ok(place)
    }

    fn take<'a>(&'a self, share: &'a Share) -> Result<Place<'a>, Problem> {
        let taken = one_more(&self.taken, share.of_all).and_then(|all| {
            let both = one_more(&share.taken, share.of_its_own).map(|own| [all, own]);
            if both.is_none() {
                all.fetch_sub(1, Ordering::Relaxed);
            }
            both
        });
        taken.map(Place).ok_or_else(|| {
            share.refused.increment(1);
            let detail = "too much is going on; see Retry-After";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
        })
    }
}

/// Counts one more, if there are fewer than these.
fn one_more(taken: &AtomicU32, most: u32) -> Option<&AtomicU32> {
    let more = |taken| (taken < most).then_some(taken + 1);
    taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| taken)
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        for taken in self.0 {
            taken.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The purchases that were let through a while ago at most.
struct Begun {
    purchases: Cache<Purchase, ()>,
    /// So that nobody finds two keys that look the same here.
    secret: RandomState,
}

/// A user and the key in the header, in few bytes however long the key is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Purchase(u64);

impl Purchase {
    /// None without a key in the header, as when it is in the body, which nobody has read yet.
    fn of(user: Option<UserId>, headers: &HeaderMap, secret: &RandomState) -> Option<Self> {
        let key = headers.get(IDEMPOTENCY_KEY)?;
        Some(Self(secret.hash_one((user?, key))))
    }
}

impl Default for Begun {
    fn default() -> Self {
        let purchases = Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build();
        Self { purchases, secret: RandomState::new() }
    }
}
