//! The cart service through gRPC, with a catalogue made for the test.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod changes;
mod crowds;
mod expected;
mod instances;
mod lifetimes;
mod products;
mod purchases;
mod refusals;
mod shop;
mod transports;
