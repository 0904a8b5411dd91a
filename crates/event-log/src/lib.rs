//! Events between services: published once durably, delivered to every group of consumers at least once.
//!
//! A service writes an event into its own [`Outbox`] in the transaction that changes its state; [`relay`]
//! carries it into an [`EventLog`]; [`consume`] hands it to a [`Handler`], in the order of its key, until the
//! handler has taken it. An event may arrive twice, so a handler recognises what it has applied already.
//!
//! [`sqlite::Log`] is the log that the processes of one machine share in a file, [`kafka::Log`] that of as many
//! machines as there are; [`config::open`] opens the one that is set. What was given up lies in a
//! [`dead_letter_topic`] until [`replay`] gives it another chance. An [`Archive`] shows all that a log holds.

mod archive;
pub mod config;
#[doc(hidden)]
pub mod conformance;
mod consume;
mod event;
pub mod kafka;
pub mod lag;
mod log;
mod outbox;
pub mod postgres;
mod prefixed;
mod replay;
mod spans;
pub mod sqlite;

pub use archive::{Archive, End, Progress};
pub use config::Reached;
pub use consume::{HandleError, Handler, consume};
pub use event::{DeadLetter, Delivery, Event, UNREADABLE};
pub use lag::Waiting;
pub use log::{Error, EventLog, Subscription, dead_letter_topic};
pub use outbox::{Outbox, OutboxRow, Written, relay};
pub use replay::{Listed, Replayed, list, replay};
