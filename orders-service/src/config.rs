//! Settings of the program.

use clap::Parser;
use platform::config::{Data, Listen, Log};

/// Flags and environment variables of `orders-service`.
#[derive(Parser, Debug, Clone)]
#[command(
    name = "orders-service",
    about = "Makes orders of completed checkouts and keeps them.",
    mut_arg("grpc_port", |a| a.default_value("50055"))
)]
pub struct Config {
    /// Where it listens.
    #[command(flatten)]
    pub listen: Listen,
    /// What it logs.
    #[command(flatten)]
    pub log: Log,
    /// Where it keeps orders, and finds the event log that it shares with the other programs.
    #[command(flatten)]
    pub data: Data,
}
