//! The cart: what a user is about to buy.
//!
//! A cart is one document per user with a version that only grows. Every change is a pure function of the
//! stored document and is stored only if nobody else changed it meanwhile, so that of changes at the same
//! moment none is lost. What a completed checkout bought is taken out once, however often its event comes,
//! and what was added since stays. Names and prices are never kept: they are the catalogue's of the moment,
//! asked for in one call.

mod api;
mod cache;
pub mod cart;
mod carts;
mod catalogue;
mod config;
mod consumer;
mod error;
mod priced;
mod service;
pub mod store;
mod turns;

#[cfg(test)]
mod fixtures;

pub use config::{Config, Settings};
pub use service::{Peers, Service, open, run};
