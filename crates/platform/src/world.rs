//! What a program takes from outside of itself.

use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::ids::{Ids, RandomIds};
use crate::metrics::Metrics;
use crate::trace::Tracer;

/// Where time and new ids come from, and where numbers and traces go. Handed in, so that a test decides the first two
/// and sees the others.
#[derive(Clone)]
pub struct World {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn Ids>,
    /// What is counted.
    pub metrics: Metrics,
    /// What is traced.
    pub tracer: Tracer,
}

impl World {
    /// The system's clock and random ids. Nothing is counted or traced.
    pub fn real() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            metrics: Metrics::none(),
            tracer: Tracer::default(),
        }
    }

    /// The same for another program, which traces on its own behalf.
    #[must_use]
    pub fn of(&self, program: &'static str) -> Self {
        Self { tracer: self.tracer.of(program), ..self.clone() }
    }

    /// A number from 0 to 1, as random as the ids are: for the jitter of a [`Backoff`].
    ///
    /// [`Backoff`]: crate::retry::Backoff
    pub fn chance(&self) -> f64 {
        // The lower bits of an id are as random as its source.
        f64::from(self.ids.next().as_u128() as u32) / f64::from(u32::MAX)
    }
}
