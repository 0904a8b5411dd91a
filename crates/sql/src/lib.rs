//! What the services need of SQL databases beside their own statements: opening a file or a server's schema
//! with the right settings and up to date, transactions, and errors sorted by what the caller can do about them.
//!
//! The statements themselves stay plain text in the adapters of the services.

mod error;
pub mod postgres;
pub mod sqlite;

pub use error::{Cause, Error};
