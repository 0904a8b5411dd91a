//! The checkout service through its gRPC interface, with participants that fail on demand.

mod buying;
mod crashes;
mod faults;
mod participants;
mod shop;
mod store;
mod storms;
