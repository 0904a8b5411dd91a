//! Orders: what completed checkouts become.
//!
//! Each `checkout.completed.v1` becomes one order with one `order.created.v1`, however often it is
//! delivered and wherever the program is killed. An order then goes from CONFIRMED over PROCESSING and
//! SHIPPED to DELIVERED, one step at a time, with one `order.status_changed.v1` each. A user sees their own
//! orders only.
//!
//! Until it is shipped an order can be cancelled. Whatever crashes or repeats after that was accepted, the money is
//! given back once, the stock is for sale again once, and one `order.cancelled.v1` says so: [`cancellation`].

mod announcement;
mod api;
pub mod cancellation;
mod config;
mod consumer;
mod counts;
mod error;
#[cfg(test)]
mod fixtures;
pub mod order;
mod orders;
#[cfg(test)]
mod places;
mod service;
pub mod store;

pub use cancellation::steps::Peers;
pub use config::Config;
pub use error::Error;
pub use service::{Service, open, run};
