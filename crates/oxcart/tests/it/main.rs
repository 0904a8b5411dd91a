//! The whole shop through its REST gateway: in one process, over TCP, as seven programs; killed; and as the
//! README tells it.

#[cfg(test)]
mod client;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod delays;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod healthcheck;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod suite;
