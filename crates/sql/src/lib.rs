//! What the services need of SQL databases beside their own statements: opening a file with the right
//! settings and the right schema, one writer that commits many callers at once, readers, and errors
//! sorted by what the caller can do about them.
//!
//! The statements themselves stay plain text in the adapters of the services.

mod error;
pub mod sqlite;

pub use error::{Cause, Error};
