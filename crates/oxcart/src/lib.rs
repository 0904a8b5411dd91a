//! The whole shop as one program: the seven programs of this workspace in one process, on stores that are
//! files in one directory. The same crates run as seven programs; nothing here knows a rule of the shop.

pub mod addresses;
pub mod audit;
pub mod banner;
pub mod cli;
mod config;
mod demo;
mod dlq;
mod secret;
pub mod shop;
mod top;

pub use config::{Command, Config, Databases, Dlq, Links, Program};
