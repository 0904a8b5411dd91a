//! What a group of consumers counts.

use std::time::Duration;

use platform::metrics::{Counter, Gauge, Histogram, Metrics};

/// The numbers of this member of the group, found once.
pub(super) struct Counts {
    applied: Counter,
    failures: Counter,
    given_up: Counter,
    delays: Histogram,
    lag: Gauge,
}

impl Counts {
    pub(super) fn new(group: &str, metrics: &Metrics) -> Self {
        let labels = [("group", group)];
        let counter = |name, help| metrics.counter(name, help, &labels);
        Self {
            applied: counter("oxcart_events_applied_total", "Events that a group of consumers applied."),
            failures: counter(
                "oxcart_event_failures_total",
                "Attempts to apply an event that failed; it is tried again or given up.",
            ),
            given_up: counter("oxcart_dead_letters_total", "Events given up, now among the dead letters."),
            delays: metrics.durations(
                "oxcart_event_delay_seconds",
                "From when an event happened until it was applied.",
                &labels,
            ),
            lag: metrics.gauge(
                "oxcart_consumer_lag_seconds",
                "For how long the event has been waiting that is tried again and again; 0 if none is.",
                &labels,
            ),
        }
    }

    /// An event of this age was applied.
    pub(super) fn applied(&self, age: Duration) {
        self.applied.increment(1);
        self.delays.record(age);
        self.lag.set(0.0);
    }

    /// An event of this age was not applied, for now.
    pub(super) fn failed(&self, age: Duration) {
        self.failures.increment(1);
        self.lag.set(age.as_secs_f64());
    }

    pub(super) fn given_up(&self) {
        self.given_up.increment(1);
        self.lag.set(0.0);
    }
}
