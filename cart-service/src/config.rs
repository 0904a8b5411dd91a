//! The settings of the program.

use std::path::PathBuf;

/// The carts of the shop: what its users are about to buy.
#[derive(clap::Parser, Debug, Clone)]
#[command(name = "cart-service", version, mut_arg("grpc_port", |arg| arg.default_value("50052")))]
pub struct Config {
    /// Where to listen.
    #[command(flatten)]
    pub listen: platform::config::Listen,
    /// Directory of the embedded stores; made if absent
    #[arg(long, env = "DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,
    /// Product service, as host:port; several, comma-separated, are balanced
    #[arg(long, env = "PRODUCT_SERVICE_ADDR", default_value = "localhost:50051")]
    pub product_service_addr: String,
    /// What to log.
    #[command(flatten)]
    pub log: platform::config::Log,
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
}
