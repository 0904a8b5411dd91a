//! The catalogue through its gRPC interface.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that finds something else than expected fails"
)]

mod changing;
mod instances;
mod kept_pages;
mod reading;
mod refusals;
mod restart;
mod shop;
