//! The service as its callers see it: through gRPC.
#![cfg(test)]

mod ledger;
mod lifetime;
mod outage;
mod races;
mod reservations;
mod shop;
