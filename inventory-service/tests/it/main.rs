//! The service as its callers see it: through gRPC.
#![cfg(test)]

mod ledger;
mod lifetime;
mod races;
mod reservations;
mod shop;
