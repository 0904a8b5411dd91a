//! Buckets in this process.

use std::sync::atomic::{AtomicU32, Ordering};

use governor::RateLimiter;
use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use tokio::time::Instant;

use super::{Client, Quota, Standing};

/// After so many requests the buckets that are full again are forgotten: memory holds those of the last few
/// thousand requests and of the last seconds, whoever asks.
const SWEEP_EVERY: u32 = 8192;

/// Buckets of this process alone.
pub(super) struct Local {
    buckets: RateLimiter<Client, DashMapStateStore<Client>, Monotonic, StateInformationMiddleware>,
    clock: Monotonic,
    asked: AtomicU32,
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

impl Local {
    pub(super) fn new(Quota { interval, burst, .. }: Quota) -> Self {
        let clock = Monotonic(Instant::now());
        let quota = governor::Quota::with_period(interval).expect("no interval is zero").allow_burst(burst);
        let buckets = RateLimiter::new(quota, DashMapStateStore::default(), clock.clone());
        Self { buckets, clock, asked: AtomicU32::new(0) }
    }

    /// Takes one request out of the client's bucket.
    pub(super) fn take(&self, client: Client) -> Standing {
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.buckets.retain_recent();
            self.buckets.shrink_to_fit();
        }
        match self.buckets.check_key(&client) {
            Ok(bucket) => Standing { left: bucket.remaining_burst_capacity(), wait: None },
            Err(not_until) => Standing { left: 0, wait: Some(not_until.wait_time_from(self.clock.now())) },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;

    fn local(rps: u32, burst: u32) -> Local {
        let interval = Duration::from_secs(1) / rps;
        Local::new(Quota { name: "read", interval, burst: NonZeroU32::new(burst).unwrap() })
    }

    fn at(address: &str) -> Client {
        Client::at(address.parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_empties_and_fills() {
        let limits = local(2, 3);
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
        let limits = local(10, 20);
        for client in 0..SWEEP_EVERY - 1 {
            limits.take(Client::At(IpAddr::V4(client.into())));
        }
        assert_eq!(limits.buckets.len(), SWEEP_EVERY as usize - 1);
        tokio::time::advance(Duration::from_secs(3)).await;
        limits.take(at("192.0.2.1"));
        assert_eq!(limits.buckets.len(), 1);
    }
}
