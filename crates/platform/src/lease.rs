//! Leases: work on a row of a store that others take over once its owner has fallen silent.

use std::future::Future;
use std::time::Duration;

use crate::clock::Clock;

/// How long an owner may be silent before others take its work.
pub const LEASE: Duration = Duration::from_secs(5);

/// No lease and no delay is as long as this. One that seems to be was written before the clock was set back,
/// and would keep work waiting until the clock is there again.
pub const HORIZON: Duration = Duration::from_secs(20);

/// Whether a write found the row still in its owner's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Written.
    Yes,
    /// Somebody else owns it now: nothing was written, stop working on it.
    Lost,
}

/// What becomes of the lease with a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// The owner goes on: it lasts [`LEASE`] from now.
    Keep,
    /// The owner is done with it for now: whoever finds it due may take it.
    Return,
}

impl Lease {
    /// For how long from now it is held.
    pub const fn length(self) -> Duration {
        match self {
            Self::Keep => LEASE,
            Self::Return => Duration::ZERO,
        }
    }
}

/// Works, and renews the lease each third of its time meanwhile. `None`, with the work given up, once the lease was
/// lost; a renewal that could not be tried is no loss.
pub async fn while_held<T, R>(
    clock: &dyn Clock,
    renew: impl Fn() -> R,
    work: impl Future<Output = T>,
) -> Option<T>
where
    R: Future<Output = Held>,
{
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            outcome = &mut work => return Some(outcome),
            () = clock.sleep(LEASE / 3) => if renew().await == Held::Lost {
                return None;
            },
        }
    }
}
