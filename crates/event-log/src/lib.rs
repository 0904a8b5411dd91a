//! Events between services: published once durably, delivered to every group of consumers at least once.
//!
//! A service writes an event into its own [`Outbox`] in the transaction that changes its state; [`relay`]
//! carries it into an [`EventLog`]; [`consume`] hands it to a [`Handler`], in the order of its key, until the
//! handler has taken it. An event may arrive twice, so a handler recognises what it has applied already.
//!
//! [`sqlite::Log`] is the log that the processes of one machine share in a file.

#[doc(hidden)]
pub mod conformance;
mod consume;
mod event;
mod log;
mod outbox;
pub mod postgres;
pub mod sqlite;

pub use consume::{HandleError, Handler, consume};
pub use event::{DeadLetter, Delivery, Event};
pub use log::{Error, EventLog, Subscription, dead_letter_topic};
pub use outbox::{Outbox, OutboxRow, Written, relay};
