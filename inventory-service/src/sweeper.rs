//! The worker that gives back what was held for too long.

use std::sync::Arc;
use std::time::Duration;

use platform::clock::Clock;
use platform::fault;
use platform::retry::Backoff;
use tokio_util::sync::CancellationToken;
use types::Timestamp;

use crate::counts::Counts;
use crate::error::chain;
use crate::reservation::HOLD;
use crate::store::Store;

/// Reservations expired in one transaction: few enough that nobody behind it in the writer's queue notices.
const BATCH: u32 = 50;

/// Between attempts while the store fails.
const BACKOFF: Backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(10) };

/// Sweeps, and sleeps until the next hold ends, until `shutdown`. A failing store is tried again for ever.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    counts: Counts,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut failures = 0;
    loop {
        let pause = match sweep(store.as_ref(), clock.as_ref(), &counts).await {
            Ok(next) => {
                failures = 0;
                next.since(clock.now())
            }
            Err(error) => {
                let pause = BACKOFF.delay(failures, 1.0);
                failures += 1;
                tracing::warn!(error = chain(&error), failures, "sweep failed");
                pause
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            () = clock.sleep(pause) => {}
        }
    }
}

/// Expires all that is due, and says when to come back. Nobody needs to tell of a new reservation: one that is
/// made after we looked ends a whole hold later at the earliest, and by then we have looked again.
async fn sweep(store: &dyn Store, clock: &dyn Clock, counts: &Counts) -> Result<Timestamp, sql::Error> {
    let began = clock.now();
    loop {
        let expired = fault::around("inventory.expire", store.expire_due(began, BATCH)).await?;
        if expired > 0 {
            tracing::info!(expired, "reservations expired");
            counts.expired(expired);
        }
        if expired < BATCH {
            break;
        }
    }
    let at_the_latest = began.after(HOLD);
    let next = store.next_expiry().await?;
    Ok(next.map_or(at_the_latest, |next| next.min(at_the_latest)))
}
