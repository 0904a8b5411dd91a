//! Reads are tried a second time when a service can't be reached; never more than about one call in ten, so that
//! an outage is not made worse by who suffers from it.

use std::sync::atomic::{AtomicI64, Ordering};

use tonic::{Code, Response, Status};

use crate::problem::Problem;

/// What a retry costs, in calls.
const PRICE: i64 = 10;
/// The most that quiet times can save up: ten retries.
const MOST: i64 = 10 * PRICE;

/// Counts calls, and pays retries with them.
#[derive(Debug)]
pub(crate) struct Retries {
    saved: AtomicI64,
}

impl Default for Retries {
    fn default() -> Self {
        Self { saved: AtomicI64::new(PRICE) }
    }
}

impl Retries {
    /// Makes a call that changes nothing, a second time if the first could not reach the service.
    pub(crate) async fn read<T, F>(&self, call: impl Fn() -> F) -> Result<T, Problem>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        self.save();
        let outcome = match call().await {
            Err(status) if status.code() == Code::Unavailable && self.pay() => call().await,
            outcome => outcome,
        };
        Ok(outcome?.into_inner())
    }

    fn save(&self) {
        let more = |saved: i64| (saved < MOST).then_some(saved + 1);
        // Full is fine.
        let _ = self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    fn pay(&self) -> bool {
        let less = |saved: i64| (saved >= PRICE).then_some(saved - PRICE);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    async fn calls_made(reads: usize, code: Code) -> usize {
        let (retries, calls) = (Retries::default(), AtomicUsize::new(0));
        for _ in 0..reads {
            let call = || async {
                calls.fetch_add(1, Ordering::Relaxed);
                Err::<Response<()>, _>(Status::new(code, ""))
            };
            retries.read(call).await.unwrap_err();
        }
        calls.into_inner()
    }

    #[tokio::test]
    async fn an_outage_costs_a_tenth_more_at_most() {
        assert_eq!(calls_made(1, Code::Unavailable).await, 2);
        assert_eq!(calls_made(1000, Code::Unavailable).await, 1101);
    }

    #[tokio::test]
    async fn only_the_unreachable_is_tried_again() {
        for code in [Code::Internal, Code::DeadlineExceeded, Code::NotFound, Code::Unknown] {
            assert_eq!(calls_made(5, code).await, 5, "{code:?}");
        }
    }
}
