//! The settings of `checkout-service`.

use platform::config::{Data, Listen, Log, Tls};

/// Settings: each is a flag and an environment variable.
///
/// ```
/// use clap::Parser as _;
///
/// let config = checkout_service::Config::parse_from(["checkout-service", "--cart-service-addr", "localhost:7002"]);
/// assert_eq!(config.listen.grpc_port, 50056);
/// assert_eq!(config.cart_service_addr, "localhost:7002");
/// ```
#[derive(clap::Parser, Debug, Clone)]
#[command(
    name = "checkout-service",
    about = "Buys carts: stock, money and order, all or nothing",
    long_about = None,
    mut_arg("grpc_port", |arg| arg.default_value("50056"))
)]
pub struct Config {
    #[command(flatten)]
    #[expect(missing_docs, reason = "described where it is defined")]
    pub listen: Listen,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described where it is defined")]
    pub tls: Tls,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described where it is defined")]
    pub log: Log,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described where it is defined")]
    pub data: Data,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described where it is defined")]
    pub events: event_log::config::Settings,
    /// Where the cart service listens; several addresses, comma-separated, are balanced.
    #[arg(long, env = "CART_SERVICE_ADDR", default_value = "localhost:50052")]
    pub cart_service_addr: String,
    /// Where the inventory service listens.
    #[arg(long, env = "INVENTORY_SERVICE_ADDR", default_value = "localhost:50053")]
    pub inventory_service_addr: String,
    /// Where the payment service listens.
    #[arg(long, env = "PAYMENT_SERVICE_ADDR", default_value = "localhost:50054")]
    pub payment_service_addr: String,
}
