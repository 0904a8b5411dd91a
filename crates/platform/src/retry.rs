//! How long to wait before trying again.

use std::time::Duration;

/// Exponential backoff with full jitter: callers that failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait before the first retry.
    pub base: Duration,
    /// The longest wait before any retry.
    pub cap: Duration,
}

impl Backoff {
    /// The wait before retry number `attempt`, counted from 0: `random` (0 to 1) of `base * 2^attempt`, but of no
    /// more than `cap`.
    pub fn delay(&self, attempt: u32, random: f64) -> Duration {
        let doubled = self.base.saturating_mul(2u32.saturating_pow(attempt));
        let random = if random.is_nan() { 1.0 } else { random.clamp(0.0, 1.0) };
        doubled.min(self.cap).mul_f64(random)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(10) };

    #[test]
    fn doubles_up_to_the_cap() {
        let longest: Vec<u128> = (0..9).map(|attempt| BACKOFF.delay(attempt, 1.0).as_millis()).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(BACKOFF.delay(2, 0.5), Duration::from_millis(200));
        assert_eq!(BACKOFF.delay(2, 0.0), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn stays_within_its_bounds(attempt: u32, random: f64) {
            prop_assert!(BACKOFF.delay(attempt, random) <= BACKOFF.cap);
        }
    }
}
