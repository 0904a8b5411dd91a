//! The gateway through its router and its port, in front of services that answer as they are told.
#![cfg(test)]

mod auth;
mod bodies;
mod boundary;
mod carts;
mod changes;
mod checkouts;
mod connections;
mod envelope;
mod event_streams;
mod events;
mod failures;
mod fake;
mod headers;
mod health;
mod http2;
mod idempotency;
mod inventory;
mod issuer;
mod jwks;
mod kept_pages;
mod limits;
mod orders;
mod outages;
mod owned;
mod paths;
mod policies;
mod products;
mod public_keys;
mod replies;
mod running;
mod shop;
mod slow_clients;
mod smuggling;
mod tls;
mod watching;
