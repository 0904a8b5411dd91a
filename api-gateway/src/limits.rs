//! How often one client may ask: token buckets for each.

mod local;
mod shared;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};
use platform::metrics::{Counter, Metrics};
use proto::{Reason, Rejection};
use redis_link::Link;
use tonic::Code;
use types::UserId;

use crate::class::Class;
use crate::problem::Problem;
use local::Local;
use shared::Shared;

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Whose bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// Somebody with a name, wherever they are.
    User(UserId),
    /// Somebody without.
    At(IpAddr),
}

impl Client {
    /// The client at an address. Who has one IPv6 address has 2^64 of them: a bucket for each /64.
    pub(crate) fn at(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::At(v4.into()),
            IpAddr::V6(v6) => Self::At(IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into())),
        }
    }
}

/// Buckets for what reads, for what changes something, and for what begins a checkout: the more a request costs, the
/// fewer of them. They are apart, so that who has looked around much can still buy.
pub(crate) struct Limits {
    reads: Buckets,
    writes: Buckets,
    checkouts: Buckets,
}

/// The buckets of some requests.
pub(crate) struct Buckets {
    quota: Quota,
    local: Local,
    shared: Option<Shared>,
    refused: Counter,
}

/// A bucket holds `burst` requests, and gets one back each `interval`.
#[derive(Debug, Clone, Copy)]
struct Quota {
    name: &'static str,
    interval: Duration,
    burst: NonZeroU32,
}

/// What is left in a bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    left: u32,
    /// Set when the bucket was empty: until the next request fits.
    wait: Option<Duration>,
}

impl Limits {
    /// Buckets of this process, or with a Redis, of all gateways that use it. Those of reads hold `burst` requests and
    /// get `rps` of them back each second, those of writes half as many, those of checkouts a fifth.
    pub(crate) fn new(rps: NonZeroU32, burst: NonZeroU32, link: Option<Link>, metrics: &Metrics) -> Self {
        let buckets = |name, part: u32| {
            let interval = Duration::from_secs(part.into()) / rps.get();
            let burst = NonZeroU32::new(burst.get() / part).unwrap_or(NonZeroU32::MIN);
            Buckets::new(Quota { name, interval, burst }, link.clone(), metrics)
        };
        Self { reads: buckets("read", 1), writes: buckets("write", 2), checkouts: buckets("checkout", 5) }
    }

    /// The buckets of a class, if it has any.
    pub(crate) fn of(&self, class: Class) -> Option<&Buckets> {
        match class {
            Class::List | Class::Read | Class::Running => Some(&self.reads),
            Class::Write => Some(&self.writes),
            Class::Checkout => Some(&self.checkouts),
            Class::Health => None,
        }
    }

    /// Lets go of Redis.
    pub(crate) async fn close(&self) {
        for buckets in [&self.reads, &self.writes, &self.checkouts] {
            if let Some(shared) = &buckets.shared {
                shared.close().await;
            }
        }
    }
}

impl Buckets {
    fn new(quota: Quota, link: Option<Link>, metrics: &Metrics) -> Self {
        let shared = link.map(|link| Shared::new(link, quota));
        let help = "Requests refused because their client asks too often.";
        let refused = metrics.counter("oxcart_requests_limited_total", help, &[("class", quota.name)]);
        Self { quota, local: Local::new(quota), shared, refused }
    }

    /// Takes one request out of the client's bucket.
    ///
    /// While Redis is away each gateway limits by itself. What it let through before counts then, so that a Redis
    /// that comes and goes does not fill anybody's bucket.
    pub(crate) async fn take(&self, client: Client) -> Standing {
        let shared = match &self.shared {
            Some(shared) => shared.take(client).await,
            None => None,
        };
        let standing = match shared {
            Some(standing) if standing.wait.is_some() => standing,
            Some(standing) => {
                let _ = self.local.take(client);
                standing
            }
            None => self.local.take(client),
        };
        if standing.wait.is_some() {
            self.refused.increment(1);
        }
        standing
    }

    /// `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers: what is left and when the bucket is full
    /// again, what it holds and how long an empty one takes to fill.
    pub(crate) fn describe(&self, standing: Standing, headers: &mut HeaderMap) {
        let Quota { name, interval, burst } = self.quota;
        let seconds = |requests| (interval * requests).as_millis().div_ceil(1000);
        let missing = burst.get().saturating_sub(standing.left);
        let now = format!("\"{name}\";r={};t={}", standing.left, seconds(missing));
        let policy = format!("\"{name}\";q={burst};w={}", seconds(burst.get()));
        for (name, value) in [(RATELIMIT, now), (RATELIMIT_POLICY, policy)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

impl Standing {
    /// The refusal, if the bucket was empty.
    pub(crate) fn check(self) -> Result<(), Problem> {
        let Some(wait) = self.wait else { return Ok(()) };
        let seconds = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
        let refusal = Rejection::new(
            Code::ResourceExhausted,
            Reason::RateLimited,
            "too many requests; see Retry-After",
        );
        Err(Problem::from(refusal).header(RETRY_AFTER, HeaderValue::from(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Client {
        Client::at(address.parse().unwrap())
    }

    #[test]
    fn r1_ipv6_clients_have_a_bucket_per_network() {
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
    }
}
