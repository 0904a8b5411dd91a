//! The settings of the all-in-one program: those of all seven, with ports that move together.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use platform::config::{Data, Error, Log};

/// Settings: each is a flag and an environment variable.
///
/// ```
/// use clap::Parser as _;
///
/// let config = oxcart::Config::parse_from(["oxcart", "--grpc-base-port", "6000"]);
/// assert_eq!(config.grpc_address(oxcart::Program::Checkout).to_string(), "127.0.0.1:6005");
/// assert_eq!(config.gateway.auth_mode, api_gateway::AuthMode::Dev);
/// ```
#[derive(clap::Parser, Debug, Clone)]
#[command(
    name = "oxcart",
    about = "A whole shop in one process: catalogue, carts, stock, payments, checkout, orders, REST gateway",
    long_about = None,
    after_help = "Without a command, the shop is started. Stop it with Ctrl-C.",
    mut_arg("auth_mode", |arg| arg.default_value("dev"))
)]
pub struct Config {
    /// What to do instead of starting the shop.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Address to listen on.
    #[arg(long, env = "BIND_ADDR", default_value = "127.0.0.1", global = true)]
    pub bind_addr: IpAddr,
    /// Port of the REST gateway; 0 takes any free one.
    #[arg(long, env = "HTTP_PORT", default_value = "8080", global = true)]
    pub http_port: u16,
    /// First of the six gRPC ports (product, cart, inventory, payment, orders, checkout); 0 takes any free ones.
    #[arg(long, env = "GRPC_BASE_PORT", default_value = "50051", value_parser = clap::value_parser!(u16).range(..=65530))]
    pub grpc_base_port: u16,
    /// Directory of all data; made if it is not there.
    #[arg(long, env = "DATA_DIR", default_value = "./data", global = true)]
    pub data_dir: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described where it is defined")]
    pub databases: Databases,
    /// How the programs call each other.
    #[arg(long, env = "TRANSPORT", default_value = "in-process")]
    pub transport: Links,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described where it is defined")]
    pub log: Log,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described where it is defined")]
    pub payment: payment_service::Settings,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described where it is defined")]
    pub gateway: api_gateway::Settings,
}

/// Stores that lie elsewhere than in the data directory.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct Databases {
    /// The catalogue's store; sqlite://PATH [default: product.db in the data directory]
    #[arg(long, env = "PRODUCT_DATABASE_URL", hide_env_values = true)]
    pub product_database_url: Option<String>,
    /// The stock's store; sqlite://PATH [default: inventory.db in the data directory]
    #[arg(long, env = "INVENTORY_DATABASE_URL", hide_env_values = true)]
    pub inventory_database_url: Option<String>,
    /// The payments' store; sqlite://PATH [default: payment.db in the data directory]
    #[arg(long, env = "PAYMENT_DATABASE_URL", hide_env_values = true)]
    pub payment_database_url: Option<String>,
    /// The orders' store; sqlite://PATH [default: orders.db in the data directory]
    #[arg(long, env = "ORDERS_DATABASE_URL", hide_env_values = true)]
    pub orders_database_url: Option<String>,
    /// The checkouts' store; sqlite://PATH [default: checkout.db in the data directory]
    #[arg(long, env = "CHECKOUT_DATABASE_URL", hide_env_values = true)]
    pub checkout_database_url: Option<String>,
}

/// How the programs call each other. Behaviour is the same; the suite runs on both.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Directly, without a socket.
    InProcess,
    /// Over loopback, as separate programs would.
    Tcp,
}

/// What to do instead of starting the shop.
#[derive(clap::Subcommand, Debug, Clone)]
pub enum Command {
    /// Walk through one purchase against a running shop and show each step.
    Demo {
        /// The gateway [default: the shop that runs on the data directory]
        #[arg(long)]
        url: Option<String>,
    },
    /// Print a token for the gateway, signed with the shop's secret.
    Token {
        /// Whose token.
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
        user: i64,
        /// What its bearer may do.
        #[arg(long, default_value = "user")]
        role: api_gateway::auth::Role,
    },
    /// Check that no money, stock or order was lost or doubled; exits with 1 and the violations if any was.
    Audit,
    /// Exit with 0 if the shop that runs with these settings on this machine serves, else with 1.
    Healthcheck,
}

/// The programs that speak gRPC, in the order of their ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The catalogue.
    Product,
    /// Carts.
    Cart,
    /// Stock.
    Inventory,
    /// Money.
    Payment,
    /// Orders.
    Orders,
    /// Checkouts.
    Checkout,
}

impl Program {
    /// All six, in the order of their ports.
    pub const ALL: [Self; 6] =
        [Self::Product, Self::Cart, Self::Inventory, Self::Payment, Self::Orders, Self::Checkout];

    /// The name in logs, files and variables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Cart => "cart",
            Self::Inventory => "inventory",
            Self::Payment => "payment",
            Self::Orders => "orders",
            Self::Checkout => "checkout",
        }
    }

    const fn offset(self) -> u16 {
        match self {
            Self::Product => 0,
            Self::Cart => 1,
            Self::Inventory => 2,
            Self::Payment => 3,
            Self::Orders => 4,
            Self::Checkout => 5,
        }
    }
}

impl Config {
    /// Where a program is to listen.
    pub fn grpc_address(&self, program: Program) -> SocketAddr {
        let port = match self.grpc_base_port {
            0 => 0,
            base => base.saturating_add(program.offset()),
        };
        SocketAddr::new(self.bind_addr, port)
    }

    /// Where the gateway is to listen.
    pub fn http_address(&self) -> SocketAddr {
        SocketAddr::new(self.bind_addr, self.http_port)
    }

    /// The file of a program's store.
    ///
    /// # Errors
    /// A URL that names no SQLite file.
    pub fn store(&self, program: Program) -> Result<PathBuf, Error> {
        let database_url = match program {
            Program::Product => &self.databases.product_database_url,
            Program::Inventory => &self.databases.inventory_database_url,
            Program::Payment => &self.databases.payment_database_url,
            Program::Orders => &self.databases.orders_database_url,
            Program::Checkout => &self.databases.checkout_database_url,
            Program::Cart => &None,
        };
        let data = Data { data_dir: self.data_dir.clone(), database_url: database_url.clone() };
        let variable = || format!("{}_DATABASE_URL", program.name().to_uppercase());
        data.file(program.name()).map_err(|error| error.about(variable()))
    }

    /// The file of the event log.
    pub fn events(&self) -> PathBuf {
        self.data_dir.join("events.db")
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn a_store_that_cant_be_used_is_named_as_it_was_set() {
        let config = Config::parse_from(["oxcart", "--orders-database-url", "postgres://u:secret@h/db"]);
        assert_eq!(
            config.store(Program::Orders).unwrap_err().to_string(),
            "ORDERS_DATABASE_URL=*** can't be used: scheme postgres:// is not supported; wanted: sqlite://PATH"
        );
    }
}
