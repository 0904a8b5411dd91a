//! Payments: the money of a checkout, put aside, taken, given back.
//!
//! Every call is idempotent by the checkout it is about. What is acknowledged has happened at the payment
//! provider and is remembered; what is refused with a reason has not happened and never will; of anything
//! else the outcome is unknown, and the same call again finds it out. At most one authorisation and one
//! capture take effect for a checkout, of a capture and a void one, and a void of a checkout that nobody has
//! heard of is remembered against the authorisation that comes late.
//!
//! [`payment`] has the rules, [`Cashier`] carries them out between a [`store`] and a [`provider`].

mod api;
mod cashier;
mod config;
mod counts;
mod error;
pub mod payment;
pub mod provider;
mod service;
pub mod store;

pub use cashier::Cashier;
pub use config::{Config, Places, Settings};
pub use error::Error;
pub use service::{Service, open, run};
