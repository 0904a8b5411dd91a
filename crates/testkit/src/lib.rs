//! What tests need: a clock and ids that they decide, a way to wait without sleeping. Knows no service.

mod eventually;
mod world;

pub use eventually::{Answer, eventually};
pub use tempfile::TempDir;
pub use world::{CountingIds, ManualClock, world};
