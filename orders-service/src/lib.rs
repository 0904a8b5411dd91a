//! Orders: what completed checkouts become.
//!
//! Each `checkout.completed.v1` becomes one order with one `order.created.v1`, however often it is
//! delivered and wherever the program is killed. An order then goes from CONFIRMED over PROCESSING and
//! SHIPPED to DELIVERED, one step at a time, with one `order.status_changed.v1` each. A user sees their own
//! orders only.

mod announcement;
mod api;
mod config;
mod consumer;
mod error;
#[cfg(test)]
mod fixtures;
pub mod order;
mod orders;
#[cfg(test)]
mod places;
mod service;
pub mod store;

pub use config::Config;
pub use error::Error;
pub use service::{Service, open, run};
