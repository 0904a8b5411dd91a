//! The checkout service through its gRPC interface, with participants that fail on demand.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something else than expected fails"
)]

mod answers;
mod breakers;
mod buying;
mod crashes;
mod faults;
mod participants;
mod shop;
mod store;
mod storms;
mod watched;
