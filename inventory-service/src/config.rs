//! Settings.

use platform::config::{Data, Listen, Log, Tls};

/// Everything that can be set, as flags and as environment variables.
#[derive(clap::Parser, Debug, Clone)]
#[command(
    name = "inventory-service",
    about = "Stock and reservations of an oxcart shop, over gRPC",
    mut_arg("grpc_port", |arg| arg.default_value("50053"))
)]
pub struct Config {
    /// Where to listen.
    #[command(flatten)]
    pub listen: Listen,
    /// How other programs know it, and it knows them.
    #[command(flatten)]
    pub tls: Tls,
    /// Log lines.
    #[command(flatten)]
    pub log: Log,
    /// Where the stock is kept.
    #[command(flatten)]
    pub data: Data,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_without_any_setting() {
        let config: Config = platform::config::try_parse("INVENTORY", std::iter::empty(), &|_| None).unwrap();
        assert_eq!(config.listen.grpc_port, 50053);
        let file = platform::config::Location::File("./data/inventory.db".into());
        assert_eq!(config.data.store("inventory").unwrap(), file);
    }
}
