//! The cart service through gRPC, with a catalogue made for the test.

mod changes;
mod crowds;
mod lifetimes;
mod purchases;
mod refusals;
mod shop;
mod transports;
