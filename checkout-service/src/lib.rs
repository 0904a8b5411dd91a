//! The checkout service: buys a cart, all or nothing.
//!
//! Its promise: whatever crashes, repeats or arrives late, money and stock are never lost, doubled or left
//! hanging, and every accepted checkout ends. [`saga::state`] is the decision, [`saga`] the I/O around it,
//! [`store`] the memory that survives, [`initiate`] the way in.

mod api;
pub mod checkout;
mod config;
mod error;
pub mod initiate;
pub mod saga;
mod service;
pub mod store;

pub use config::Config;
pub use error::Error;
pub use service::{Peers, Service, open, run};
