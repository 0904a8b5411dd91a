//! The service from outside: checkouts come in through a real log, questions through gRPC.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod cancelling;
#[cfg(test)]
mod events;
#[cfg(test)]
#[path = "../../src/fixtures.rs"]
mod fixtures;
#[cfg(test)]
mod instances;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod outages;
#[cfg(test)]
#[path = "../../src/places.rs"]
mod places;
#[cfg(test)]
mod program;
#[cfg(test)]
mod shop;
#[cfg(test)]
mod watching;
