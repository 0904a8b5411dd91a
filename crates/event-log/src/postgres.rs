//! What a service whose store is a PostgreSQL database needs for its events.

pub mod outbox;
