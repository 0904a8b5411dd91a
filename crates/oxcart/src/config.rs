//! The settings of the all-in-one program: those of all seven, with ports that move together.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use event_log::EventLog;
use platform::World;
use platform::config::{Error, Location, Log, Server};
use sql::sqlite::Sharing;

use crate::audit::Sources;

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
    mut_arg("auth_mode", |arg| arg.default_value("dev")),
    // On any free port, for `oxcart top`.
    mut_arg("metrics_addr", |arg| arg.default_value("127.0.0.1:0"))
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
    #[command(flatten)]
    #[expect(missing_docs, reason = "described where it is defined")]
    pub cart: cart_service::Settings,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described where it is defined")]
    pub events: event_log::config::Settings,
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

/// Databases that are not files in the data directory.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct Databases {
    /// PostgreSQL database of all five below, each in a schema of its own; postgres://USER:PASSWORD@HOST:PORT/NAME
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    pub database_url: Option<String>,
    /// The catalogue's store; postgres://… or sqlite://PATH [default: product.db in the data directory]
    #[arg(long, env = "PRODUCT_DATABASE_URL", hide_env_values = true, global = true)]
    pub product_database_url: Option<String>,
    /// The stock's store; postgres://… or sqlite://PATH [default: inventory.db in the data directory]
    #[arg(long, env = "INVENTORY_DATABASE_URL", hide_env_values = true, global = true)]
    pub inventory_database_url: Option<String>,
    /// The payments' store; postgres://… or sqlite://PATH [default: payment.db in the data directory]
    #[arg(long, env = "PAYMENT_DATABASE_URL", hide_env_values = true, global = true)]
    pub payment_database_url: Option<String>,
    /// The orders' store; postgres://… or sqlite://PATH [default: orders.db in the data directory]
    #[arg(long, env = "ORDERS_DATABASE_URL", hide_env_values = true, global = true)]
    pub orders_database_url: Option<String>,
    /// The checkouts' store; postgres://… or sqlite://PATH [default: checkout.db in the data directory]
    #[arg(long, env = "CHECKOUT_DATABASE_URL", hide_env_values = true, global = true)]
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
    /// Look at the events that consumers gave up, or give them another chance.
    #[command(subcommand)]
    Dlq(Dlq),
    /// Watch a running shop: requests, latency, checkouts, events, stock. q ends it.
    Top(Top),
    /// Exit with 0 if the shop that runs with these settings on this machine serves, else with 1.
    Healthcheck,
}

/// What to watch, and how.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct Top {
    /// Where programs serve their metrics, comma-separated: http://127.0.0.1:9100 [default: the shop that runs on the
    /// data directory]
    #[arg(long, value_delimiter = ',')]
    pub metrics: Vec<String>,
    /// Print one screen and end, as is done where there is no terminal.
    #[arg(long)]
    pub once: bool,
}

/// What to do with dead letters.
#[derive(clap::Subcommand, Debug, Clone, Copy)]
pub enum Dlq {
    /// Print each event that was given up: when, by whom, why, and whether it was replayed.
    List,
    /// Publish those again that were not replayed yet, to all groups; who has applied one before notices.
    Replay,
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

    /// Where a program keeps what it knows; carts have a setting of their own.
    ///
    /// # Errors
    /// A URL that can't be used, and one that would make five programs share a file.
    pub fn store(&self, program: Program) -> Result<Location, Error> {
        let Databases { database_url, .. } = &self.databases;
        let own = match program {
            Program::Product => &self.databases.product_database_url,
            Program::Inventory => &self.databases.inventory_database_url,
            Program::Payment => &self.databases.payment_database_url,
            Program::Orders => &self.databases.orders_database_url,
            Program::Checkout => &self.databases.checkout_database_url,
            Program::Cart => &None,
        };
        let name = program.name();
        match (own, database_url) {
            (Some(url), _) => Location::parse(url, &format!("{}_DATABASE_URL", name.to_uppercase())),
            (None, Some(url)) if program != Program::Cart => match Location::parse(url, "DATABASE_URL")? {
                Location::Postgres(server) => Ok(Location::Postgres(server)),
                Location::File(_) => Err(Server { url: url.clone(), variable: "DATABASE_URL".to_owned() }
                    .unusable("five stores can't share a file", "postgres://USER:PASSWORD@HOST:PORT/NAME")),
            },
            (None, _) => Ok(Location::File(self.data_dir.join(format!("{name}.db")))),
        }
    }

    /// Opens the event log.
    ///
    /// # Errors
    /// What hinders it from being opened, in words for the user.
    pub async fn open_log(&self, sharing: Sharing, world: World) -> anyhow::Result<Arc<dyn EventLog>> {
        event_log::config::open(&self.events, &self.data_dir, sharing, world).await
    }

    /// Where everything is that an audit looks at.
    ///
    /// # Errors
    /// As [`Config::store`].
    pub fn sources(&self) -> Result<Sources, Error> {
        Ok(Sources {
            inventory: self.store(Program::Inventory)?,
            payments: self.payments()?,
            orders: self.store(Program::Orders)?,
            checkout: self.store(Program::Checkout)?,
            cart: self.cart.clone(),
            events: self.events.clone(),
            data_dir: self.data_dir.clone(),
        })
    }

    /// Where payments are kept, and the simulated provider keeps its ledger.
    ///
    /// # Errors
    /// As [`Config::store`].
    pub fn payments(&self) -> Result<payment_service::Places, Error> {
        Ok(payment_service::Places::new(self.store(Program::Payment)?, &self.data_dir))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn a_store_that_cant_be_used_is_named_as_it_was_set() {
        let wanted = "wanted: postgres://USER:PASSWORD@HOST:PORT/NAME";
        let config = Config::parse_from(["oxcart", "--orders-database-url", "mysql://u:secret@h/db"]);
        assert_eq!(
            config.store(Program::Orders).unwrap_err().to_string(),
            format!(
                "ORDERS_DATABASE_URL=*** can't be used: scheme mysql:// is not supported; {wanted} or sqlite://PATH"
            )
        );
        let config = Config::parse_from(["oxcart", "--database-url", "sqlite://shop.db"]);
        assert_eq!(
            config.store(Program::Orders).unwrap_err().to_string(),
            format!("DATABASE_URL=*** can't be used: five stores can't share a file; {wanted}")
        );
    }

    #[test]
    fn a_database_of_its_own_wins_over_the_one_of_all() {
        let config = Config::parse_from([
            "oxcart",
            "--database-url",
            "postgres://h/all",
            "--orders-database-url",
            "postgres://h/orders",
            "--checkout-database-url",
            "sqlite://checkout.db",
        ]);
        let server = |url: &str, variable: &str| {
            Location::Postgres(Server { url: url.to_owned(), variable: variable.to_owned() })
        };
        let store = |program| config.store(program).unwrap();
        assert_eq!(store(Program::Product), server("postgres://h/all", "DATABASE_URL"));
        assert_eq!(store(Program::Orders), server("postgres://h/orders", "ORDERS_DATABASE_URL"));
        assert_eq!(store(Program::Checkout), Location::File("checkout.db".into()));
        assert_eq!(store(Program::Cart), Location::File("./data/cart.db".into()));
    }
}
