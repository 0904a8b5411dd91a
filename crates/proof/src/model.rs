//! The checkout as a model, searched through completely.
//!
//! One checkout, two workers, a network, the inventory, the payment service and its provider. What they
//! decide is not modelled: it is the shop's own pure functions, in [`Rules`]. What they do between two
//! decisions is, and everything may come between: a message arrives late, twice or never, a worker dies, or
//! is slow until another one has its checkout, a handler of the payment service dies between any two of its
//! steps, the deadline passes, a hold and an authorisation run out, the card is declined, somebody else buys
//! the last unit, somebody voids or refunds by hand, a door refuses for a reason that nobody stored.
//!
//! None of these is counted, so the search has no bound on them:
//!
//! - A request that was sent may arrive at any later moment, any number of times. One that is lost is one
//!   that never does.
//! - Whoever is paused makes no move, and nobody ever has to: the model has no clock. So a lease may be over
//!   at any moment, and an attempt may time out at any moment.
//! - Fences are compared and never counted, and only grow: a worker's is that of the row, or never will be
//!   again.
//!
//! Two bounds remain. One unit of one product is bought, and so many payment handlers run at once as
//! [`Rules::handlers`] says. With them the states are finitely many, and [`check`] visits all.
//!
//! Of a failure the model keeps that there is one: a test says that the decision never looks at it.

#![expect(clippy::indexing_slicing, reason = "tables are indexed by what they were built from")]

mod invariants;
mod moves;
mod network;
mod normal;
mod participants;
mod payment;
mod rules;
mod search;
mod tables;
mod words;
mod world;

pub use participants::Participants;
pub use rules::{Asked, Beginning, Guard, Intent, Rules};
pub use search::{Counts, Violation, check};
pub use words::{Call, Heard, Stand};
