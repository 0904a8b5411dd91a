//! Payments through the wire and beneath it: every token, every refusal, races, crashes, restarts.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

mod books;
mod crashes;
mod provider;
mod races;
mod refusals;
mod schedules;
mod till;
mod tokens;
mod unreliable;
