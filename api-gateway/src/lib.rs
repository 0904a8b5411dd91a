//! The shop's front door: JSON over HTTP outside, gRPC inside.
//!
//! The gateway owns no data. It promises that whatever goes wrong is a problem document (RFC 9457) that shows no
//! internals, that a body or a query is either understood to the last field or refused by name, that every request
//! has an id which leads through all logs, and that what a client may do is written in one table, `routes.rs`.

pub mod auth;
mod body;
mod carts;
mod checkouts;
mod class;
mod client_address;
mod conditional;
mod config;
mod durations;
mod events;
mod fields;
#[cfg(test)]
mod fuzz;
mod gateway;
mod guard;
mod health;
mod idempotency;
mod inventory;
mod limits;
mod load;
mod observe;
mod openapi;
mod orders;
mod path;
mod peer_tls;
mod peers;
mod problem;
mod products;
mod query;
mod reference;
mod reply;
mod retries;
mod routes;
mod serve;
mod tokens;

pub use class::Class;
pub use client_address::{InvalidNetwork, Network};
pub use config::{AuthMode, Config, Listen, PeerAddresses, Settings, Timeouts};
pub use events::StreamBounds;
pub use gateway::{Gateway, open, run};
pub use guard::Who;
pub use peer_tls::PeerTls;
pub use peers::Peers;
pub use routes::Policy;
pub use serve::{Port, healthcheck};
