//! What the service counts.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use platform::metrics::{Counter, Metrics};

use crate::payment::Status;

/// Decline codes that are counted apart. They are the provider's words, so nobody here knows how many there are.
const CODES: usize = 64;

/// What all further ones are counted as.
const OTHER: &str = "other";

/// The counters. Clones share them.
#[derive(Clone)]
pub(crate) struct Counts {
    authorized: Counter,
    captured: Counter,
    voided: Counter,
    refunded: Counter,
    codes: Arc<Mutex<HashSet<String>>>,
    metrics: Metrics,
}

impl Counts {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let help = "Payments by what the provider did with them.";
        let payments = |outcome| metrics.counter("oxcart_payments_total", help, &[("outcome", outcome)]);
        let counts = Self {
            authorized: payments("authorized"),
            captured: payments("captured"),
            voided: payments("voided"),
            refunded: payments("refunded"),
            codes: Arc::default(),
            metrics: metrics.clone(),
        };
        // There from the start, as all others are.
        let _declines = counts.declines("card_declined");
        counts
    }

    /// The provider's answer moved a payment to this status.
    pub(crate) fn came_to(&self, status: &Status) {
        match status {
            Status::Authorized => self.authorized.increment(1),
            Status::Captured => self.captured.increment(1),
            Status::Voided => self.voided.increment(1),
            Status::Refunded => self.refunded.increment(1),
            Status::Declined { code } => self.declines(code).increment(1),
            Status::Pending | Status::Capturing | Status::Voiding | Status::Refunding => {}
        }
    }

    fn declines(&self, code: &str) -> Counter {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = codes.contains(code) || (codes.len() < CODES && codes.insert(code.to_owned()));
        let code = if is_known { code } else { OTHER };
        let help = "Payments that the provider declined, by the code that it gave.";
        self.metrics.counter("oxcart_payments_declined_total", help, &[("code", code)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_with_many_words_does_not_make_many_series() {
        let metrics = Metrics::default();
        let counts = Counts::new(&metrics);
        for number in 0..200 {
            counts.came_to(&Status::Declined { code: format!("code_{number}") });
        }
        counts.came_to(&Status::Declined { code: "code_3".to_owned() });
        let text = metrics.text();
        let series = text.lines().filter(|line| line.starts_with("oxcart_payments_declined_total")).count();
        assert_eq!(series, CODES + 1);
        for line in ["{code=\"code_3\"} 2", "{code=\"other\"} 137"] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
