//! What a program takes from outside of itself.

use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::ids::{Ids, RandomIds};

/// Where time and new ids come from. Handed in, so that a test decides both.
#[derive(Clone)]
pub struct World {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn Ids>,
}

impl World {
    /// The system's clock and random ids.
    pub fn real() -> Self {
        Self { clock: Arc::new(SystemClock), ids: Arc::new(RandomIds) }
    }

    /// A number from 0 to 1, as random as the ids are: for the jitter of a [`Backoff`].
    ///
    /// [`Backoff`]: crate::retry::Backoff
    pub fn chance(&self) -> f64 {
        // The lower bits of an id are as random as its source.
        f64::from(self.ids.next().as_u128() as u32) / f64::from(u32::MAX)
    }
}
