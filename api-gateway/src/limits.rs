//! How often one client may ask: a token bucket for each.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};
use proto::{Reason, Rejection};
use tokio::time::Instant;
use tonic::Code;
use types::UserId;

use crate::problem::Problem;

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// After so many requests the buckets that are full again are forgotten: memory holds those of the last few
/// thousand requests and of the last seconds, whoever asks.
const SWEEP_EVERY: u32 = 8192;

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

/// Buckets that hold `burst` requests and get `rps` of them back each second.
pub(crate) struct Limits {
    buckets: RateLimiter<Client, DashMapStateStore<Client>, Monotonic, StateInformationMiddleware>,
    clock: Monotonic,
    rps: NonZeroU32,
    burst: NonZeroU32,
    asked: AtomicU32,
}

/// What is left in a bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    left: u32,
    /// Set when the bucket was empty: until the next request fits.
    wait: Option<Duration>,
}

/// Time that never jumps, unlike the time of day: a clock set back must not lock everybody out.
#[derive(Clone)]
struct Monotonic(Instant);

impl Clock for Monotonic {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

impl Limits {
    pub(crate) fn new(rps: NonZeroU32, burst: NonZeroU32) -> Self {
        let clock = Monotonic(Instant::now());
        let quota = Quota::per_second(rps).allow_burst(burst);
        Self {
            buckets: RateLimiter::new(quota, DashMapStateStore::default(), clock.clone()),
            clock,
            rps,
            burst,
            asked: AtomicU32::new(0),
        }
    }

    /// Takes one request out of the client's bucket.
    pub(crate) fn take(&self, client: Client) -> Standing {
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.buckets.retain_recent();
            self.buckets.shrink_to_fit();
        }
        match self.buckets.check_key(&client) {
            Ok(bucket) => Standing { left: bucket.remaining_burst_capacity(), wait: None },
            Err(not_until) => Standing { left: 0, wait: Some(not_until.wait_time_from(self.clock.now())) },
        }
    }

    /// `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers: what is left and when the bucket is full
    /// again, what it holds and how long an empty one takes to fill.
    pub(crate) fn describe(&self, standing: Standing, headers: &mut HeaderMap) {
        let burst = self.burst.get();
        let missing = burst.saturating_sub(standing.left);
        let now = format!("\"default\";r={};t={}", standing.left, missing.div_ceil(self.rps.get()));
        let policy = format!("\"default\";q={burst};w={}", burst.div_ceil(self.rps.get()));
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

    fn limits(rps: u32, burst: u32) -> Limits {
        Limits::new(NonZeroU32::new(rps).unwrap(), NonZeroU32::new(burst).unwrap())
    }

    fn at(address: &str) -> Client {
        Client::at(address.parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_empties_and_fills() {
        let limits = limits(2, 3);
        for left in [2, 1, 0] {
            let standing = limits.take(at("10.0.0.1"));
            assert_eq!((standing.left, standing.wait), (left, None));
        }
        let refused = limits.take(at("10.0.0.1"));
        assert_eq!(refused.wait, Some(Duration::from_millis(500)));
        assert_eq!(limits.take(at("10.0.0.2")).wait, None, "a bucket of its own");
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(limits.take(at("10.0.0.1")).wait, None);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_forgets_who_does_not_come_back() {
        let limits = limits(10, 20);
        for client in 0..SWEEP_EVERY - 1 {
            limits.take(Client::At(IpAddr::V4(client.into())));
        }
        assert_eq!(limits.buckets.len(), SWEEP_EVERY as usize - 1);
        tokio::time::advance(Duration::from_secs(3)).await;
        limits.take(at("192.0.2.1"));
        assert_eq!(limits.buckets.len(), 1);
    }

    #[test]
    fn ipv6_clients_have_a_bucket_per_network() {
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
    }
}
