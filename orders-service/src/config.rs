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
    /// Where it keeps orders.
    #[command(flatten)]
    pub data: Data,
    /// Where checkouts are told of, and orders are.
    #[command(flatten)]
    pub events: event_log::config::Settings,
}
