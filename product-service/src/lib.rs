//! The catalogue: what is for sale, and at what price.
//!
//! Reads are answered from memory, as of one moment, and never wait for the store. A change is answered once
//! it is durable, and from then on every read of this instance shows it; those of other instances on the same
//! database do within a second. While the store is away, reads go on. The id of a deleted product is never given
//! to another.

mod api;
pub mod catalogue;
mod config;
mod error;
pub mod product;
mod service;
pub mod shelf;
pub mod store;

pub use config::Config;
pub use error::Error;
pub use service::{Service, open, run};
