//! What tests need: a clock and ids that they decide, a way to wait without sleeping, the engines to test on and
//! a network to disturb between them and us.
//! Knows no service.

mod authority;
pub mod engines;
mod eventually;
pub mod figures;
mod port;
pub mod proxy;
mod redis;
mod world;

pub use authority::{Authority, Certificate};
pub use engines::Engine;
pub use eventually::{Answer, eventually};
pub use port::Port;
pub use proxy::{Proxy, Weather};
pub use redis::Redis;
pub use tempfile::TempDir;
pub use world::{CountingIds, ManualClock, world};
