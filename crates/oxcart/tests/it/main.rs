//! The whole shop through its REST gateway: in one process, over TCP, as seven programs; killed; and as the
//! README tells it.

#[cfg(test)]
mod buyers;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod client;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod compose;
#[cfg(test)]
mod conditional;
#[cfg(test)]
mod dead_letters;
#[cfg(test)]
mod delays;
#[cfg(test)]
mod engines;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod healthcheck;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod mutual_tls;
#[cfg(test)]
mod observability;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod points;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod reversals;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod starts;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod told;
#[cfg(test)]
mod top;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod triad;
#[cfg(test)]
mod watched;
#[cfg(test)]
mod weather;
