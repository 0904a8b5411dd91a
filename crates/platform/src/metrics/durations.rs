//! Durations told apart by what is known only when it happens.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use super::Histogram;

/// The durations of many names, each by how it went: of rpcs by status, of routes by method and status. The handle of
/// each is found once; from then on it is a look into a map.
///
/// Names must come from a list that is known to be short, never from a client.
pub struct Durations<K> {
    known: RwLock<HashMap<Box<str>, Kinds<K>>>,
    make: Box<Make<K>>,
}

/// By how it went: a handful.
type Kinds<K> = Vec<(K, Histogram)>;

type Make<K> = dyn Fn(&str, K) -> Histogram + Send + Sync;

impl<K: Copy + PartialEq> Durations<K> {
    /// None yet; `make` finds the handle of a name that went so.
    pub fn new(make: impl Fn(&str, K) -> Histogram + Send + Sync + 'static) -> Self {
        Self { known: RwLock::default(), make: Box::new(make) }
    }

    /// What has this name took so long, and went so.
    pub fn record(&self, name: &str, how: K, took: Duration) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(name).and_then(|kinds| kinds.iter().find(|(kind, _)| *kind == how));
        match found {
            Some((_, histogram)) => histogram.record(took),
            None => {
                drop(known);
                self.first(name, how).record(took);
            }
        }
    }

    fn first(&self, name: &str, how: K) -> Histogram {
        let histogram = (self.make)(name, how);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // Another may have been as fast; the handles are the same.
        known.entry(name.into()).or_default().push((how, histogram.clone()));
        histogram
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn each_handle_is_found_once() {
        let (metrics, made) = (Metrics::default(), Arc::new(AtomicU32::new(0)));
        let (all, count) = (metrics.clone(), made.clone());
        let durations = Durations::new(move |name: &str, status: u16| {
            count.fetch_add(1, Ordering::Relaxed);
            let status = status.to_string();
            all.durations("took_seconds", "Took.", &[("name", name), ("status", &status)])
        });
        for status in [200, 404, 200, 200] {
            durations.record("a", status, Duration::from_millis(1));
        }
        durations.record("b", 200, Duration::from_millis(1));
        let text = metrics.text();
        for line in [
            "took_seconds_count{name=\"a\",status=\"200\"} 3",
            "took_seconds_count{name=\"a\",status=\"404\"} 1",
            "took_seconds_count{name=\"b\",status=\"200\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert_eq!(made.load(Ordering::Relaxed), 3);
    }
}
