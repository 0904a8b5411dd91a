//! What tests need: a clock and ids that they decide, a way to wait without sleeping, the engines to test on, a
//! network to disturb between them and us, a collector of traces, and input that nobody thought of.
//! Knows no service.

mod authority;
mod collector;
pub mod engines;
mod eventually;
pub mod figures;
mod fuzz;
mod port;
pub mod proxy;
mod redis;
mod world;

pub use authority::{Authority, Certificate};
pub use collector::{Collected, Collector};
pub use engines::Engine;
pub use eventually::{Answer, eventually};
pub use fuzz::fuzz;
pub use port::Port;
pub use proxy::{Proxy, Weather};
pub use redis::Redis;
pub use tempfile::TempDir;
pub use world::{CountingIds, ManualClock, world};
