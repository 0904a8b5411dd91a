//! The settings of the program.

use std::fmt;
use std::path::PathBuf;

use platform::config::Server;

/// The carts of the shop: what its users are about to buy.
#[derive(clap::Parser, Debug, Clone)]
#[command(name = "cart-service", version, mut_arg("grpc_port", |arg| arg.default_value("50052")))]
pub struct Config {
    /// Where to listen.
    #[command(flatten)]
    pub listen: platform::config::Listen,
    /// How other programs know it, and it knows them.
    #[command(flatten)]
    pub tls: platform::config::Tls,
    /// Directory of the embedded stores; made if absent
    #[arg(long, env = "DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,
    /// Where carts are kept.
    #[command(flatten)]
    pub settings: Settings,
    /// Where purchases are told of.
    #[command(flatten)]
    pub events: event_log::config::Settings,
    /// Product service, as host:port; several, comma-separated, are balanced
    #[arg(long, env = "PRODUCT_SERVICE_ADDR", default_value = "localhost:50051")]
    pub product_service_addr: String,
    /// What to log.
    #[command(flatten)]
    pub log: platform::config::Log,
}

/// Where carts are kept.
///
/// ```
/// use clap::Parser as _;
///
/// let mongo = ["cart-service", "--mongo-uri", "mongodb://db.example:27017", "--mongo-db-name", "shop"];
/// let settings = cart_service::Config::parse_from(mongo).settings;
/// assert_eq!(settings.mongo_db_name, "shop");
/// ```
#[derive(clap::Args, Clone)]
#[group(id = "cart")]
pub struct Settings {
    /// Carts' store, mongodb://HOST:PORT; unset: a file in the data directory
    #[arg(long, env = "MONGO_URI", hide_env_values = true)]
    pub mongo_uri: Option<String>,
    /// Database of the carts in MongoDB
    #[arg(long, env = "MONGO_DB_NAME", default_value = "cartdb", value_parser = database)]
    pub mongo_db_name: String,
    /// Redis that is shared by all instances, redis://HOST:PORT or rediss://HOST:PORT; unset: none, everything stays
    /// in the process
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
}

impl Settings {
    /// The MongoDB, if carts are there.
    pub fn mongo(&self) -> Option<Server> {
        self.mongo_uri.as_ref().map(|url| Server { url: url.clone(), variable: "MONGO_URI".to_owned() })
    }

    /// The Redis, if there is one.
    pub fn redis(&self) -> Option<Server> {
        self.redis_url.as_ref().map(|url| Server { url: url.clone(), variable: "REDIS_URL".to_owned() })
    }
}

/// Carts in a file in the data directory, and a cache in the process.
impl Default for Settings {
    fn default() -> Self {
        Self { mongo_uri: None, mongo_db_name: "cartdb".to_owned(), redis_url: None }
    }
}

/// The URLs may hold passwords.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("mongo", &self.mongo())
            .field("mongo_db_name", &self.mongo_db_name)
            .field("redis", &self.redis())
            .finish()
    }
}

/// What MongoDB takes for the name of a database on every platform.
fn database(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 63 {
        return Err("it must have 1 to 63 bytes".to_owned());
    }
    let unusual = |letter: char| letter.is_control() || "/\\. \"$*<>:|?".contains(letter);
    match text.chars().find(|letter| unusual(*letter)) {
        Some(letter) => Err(format!("it must not have {letter:?}")),
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(env: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Config {
        platform::config::try_parse("CART", ["cart-service".into()].into_iter(), env).unwrap()
    }

    #[test]
    fn nothing_set_is_an_embedded_store_and_the_usual_ports() {
        let config = parse(&|_| None);
        assert_eq!(config.listen.grpc_port, 50052);
        assert_eq!(config.data_dir, Path::new("./data"));
        assert_eq!(config.product_service_addr, "localhost:50051");
        assert_eq!(config.settings.mongo_db_name, "cartdb");
        assert_eq!((config.settings.mongo(), config.settings.redis()), (None, None));
    }

    #[test]
    fn variables_may_carry_the_name_of_the_service() {
        let config = parse(&|name| match name {
            "CART_SERVICE_PORT" => Some("6002".into()),
            "CART_DATA_DIR" => Some("/var/lib/cart".into()),
            "DATA_DIR" => Some("/var/lib/all".into()),
            "PRODUCT_SERVICE_ADDR" => Some("a:1,b:2".into()),
            _ => None,
        });
        assert_eq!(config.listen.grpc_port, 6002);
        assert_eq!(config.data_dir, Path::new("/var/lib/cart"));
        assert_eq!(config.product_service_addr, "a:1,b:2");
    }
    #[test]
    fn stores_are_named_and_their_passwords_not_shown() {
        let config = parse(&|name| match name {
            "MONGO_URI" => Some("mongodb://u:secret@h".into()),
            "CART_REDIS_URL" => Some("redis://:secret@h".into()),
            "MONGO_DB_NAME" => Some("shop".into()),
            _ => None,
        });
        let said = format!("{config:?}");
        assert!(said.contains("MONGO_URI") && said.contains("REDIS_URL") && said.contains("shop"), "{said}");
        assert!(!said.contains("secret"), "{said}");
        assert_eq!(config.settings.mongo().unwrap().url, "mongodb://u:secret@h");
        assert_eq!(config.settings.redis().unwrap().url, "redis://:secret@h");
    }

    #[test]
    fn a_database_has_a_name_that_mongodb_takes() {
        for good in ["cartdb", "shop-2_carts", "ö"] {
            assert_eq!(database(good).as_deref(), Ok(good));
        }
        for bad in ["", "a.b", "a/b", "$a", "a b", "a\0b", &"x".repeat(64)] {
            assert!(database(bad).is_err(), "{bad:?}");
        }
    }
}
