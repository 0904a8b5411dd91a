//! Settings of the program.

use clap::Parser;
use platform::config::{Data, Listen, Log, Tls};

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
    /// How other programs know it, and it knows them.
    #[command(flatten)]
    pub tls: Tls,
    /// What it logs.
    #[command(flatten)]
    pub log: Log,
    /// Where it keeps orders.
    #[command(flatten)]
    pub data: Data,
    /// Where checkouts are told of, and orders are.
    #[command(flatten)]
    pub events: event_log::config::Settings,
    /// Where the inventory service listens; several addresses, separated by commas, take turns.
    #[arg(long, env = "INVENTORY_SERVICE_ADDR", default_value = "localhost:50053")]
    pub inventory_service_addr: String,
    /// Where the payment service listens; several addresses, separated by commas, take turns.
    #[arg(long, env = "PAYMENT_SERVICE_ADDR", default_value = "localhost:50054")]
    pub payment_service_addr: String,
}
