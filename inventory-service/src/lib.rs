//! Stock, and reservations of it.
//!
//! The promise: whatever repeats, races, arrives late or crashes, no unit is sold twice, lost or left hanging.
//! A reservation is all or nothing; Reserve, Confirm and Release are idempotent under its id, with their outcome
//! stored in the transaction of their effect; undoing what never happened keeps it from happening. What
//! is held for 5 minutes goes back by itself. Every unit's way is in an append-only ledger that adds up to the
//! stock.
//!
//! [`reservation`] decides, pure; [`store`] loads, writes, and decides nothing; [`ledger`] checks.

mod api;
mod config;
mod counts;
mod error;
pub mod ledger;
pub mod reservation;
mod service;
pub mod stock;
pub mod store;
mod sweeper;

pub use config::Config;
pub use service::{Service, open, run};
