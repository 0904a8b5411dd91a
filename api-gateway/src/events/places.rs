//! How many streams may be open.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use platform::metrics::{Counted, Gauge, Metrics};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use types::UserId;

use crate::problem::Problem;

/// How many event streams may be open at a time.
#[derive(clap::Args, Debug, Clone, Copy)]
#[group(id = "streams")]
pub struct StreamBounds {
    /// Event streams that may be open at a time, 1 to 900
    // Each is a call on the connection to a service, which carries 1024.
    #[arg(long, env = "MAX_EVENT_STREAMS", default_value = "500", value_parser = clap::value_parser!(u32).range(1..=900))]
    pub max_event_streams: u32,
    /// Event streams that one user may have open at a time, 1 to 900
    #[arg(long, env = "MAX_EVENT_STREAMS_PER_USER", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=900))]
    pub max_event_streams_per_user: u32,
}

/// The open streams.
pub(crate) struct Streams {
    bounds: StreamBounds,
    open: Arc<Mutex<HashMap<UserId, u32>>>,
    count: Gauge,
    stopping: CancellationToken,
}

impl Streams {
    pub(crate) fn new(bounds: StreamBounds, metrics: &Metrics) -> Self {
        let count = metrics.gauge("oxcart_event_streams", "Event streams that are open.", &[]);
        Self { bounds, open: Arc::default(), count, stopping: CancellationToken::new() }
    }

    /// A place for one stream of this user, given back when it is dropped.
    ///
    /// # Errors
    /// 429 `too_many_streams` where the user has as many as one may, 503 `streams_exhausted` where all are taken.
    pub(super) fn take(&self, user: UserId) -> Result<Place, Problem> {
        let mut open = lock(&self.open);
        let all: u32 = open.values().sum();
        let his = open.get(&user).copied().unwrap_or(0);
        if his >= self.bounds.max_event_streams_per_user {
            let detail = "you have as many event streams open as one may; close one";
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail));
        }
        if all >= self.bounds.max_event_streams || self.stopping.is_cancelled() {
            let detail =
                "there is no room for another event stream just now; try again, or ask without events";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "streams_exhausted", detail));
        }
        open.insert(user, his + 1);
        Ok(Place { user, open: self.open.clone(), _counted: Counted::by(&self.count) })
    }

    /// Ends all streams at the shutdown, so that they hold it up no longer.
    pub(crate) async fn end_at(&self, shutdown: CancellationToken) -> Infallible {
        shutdown.cancelled().await;
        self.stopping.cancel();
        std::future::pending().await
    }

    /// Resolves when a stream that begins now has to end.
    pub(super) fn over(&self, lifetime: Duration) -> impl Future<Output = ()> + Send + use<> {
        let stopping = self.stopping.clone();
        async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = sleep(lifetime) => {}
            }
        }
    }
}

/// One of the places.
pub(super) struct Place {
    user: UserId,
    open: Arc<Mutex<HashMap<UserId, u32>>>,
    _counted: Counted,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut his) = lock(&self.open).entry(self.user) {
            *his.get_mut() -= 1;
            if *his.get() == 0 {
                his.remove();
            }
        }
    }
}

fn lock(open: &Mutex<HashMap<UserId, u32>>) -> MutexGuard<'_, HashMap<UserId, u32>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: i64) -> UserId {
        UserId::try_from(id).unwrap()
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let metrics = Metrics::default();
        let bounds = StreamBounds { max_event_streams: 3, max_event_streams_per_user: 2 };
        let streams = Streams::new(bounds, &metrics);
        let first = streams.take(user(1)).unwrap();
        let _second = streams.take(user(1)).unwrap();
        assert!(streams.take(user(1)).is_err(), "one user");
        let third = streams.take(user(2)).unwrap();
        assert!(streams.take(user(3)).is_err(), "all");
        assert!(metrics.text().contains("oxcart_event_streams 3"), "{}", metrics.text());
        drop((first, third));
        assert!(!lock(&streams.open).contains_key(&user(2)), "who has none is forgotten");
        assert!(metrics.text().contains("oxcart_event_streams 1"), "{}", metrics.text());
        assert!(streams.take(user(1)).is_ok());
    }
}
