//! The settings of the program.

/// The catalogue of the shop: what is for sale, and at what price.
#[derive(clap::Parser, Debug, Clone)]
#[command(name = "product-service", version, mut_arg("grpc_port", |arg| arg.default_value("50051")))]
pub struct Config {
    /// Where to listen.
    #[command(flatten)]
    pub listen: platform::config::Listen,
    /// How other programs know it, and it knows them.
    #[command(flatten)]
    pub tls: platform::config::Tls,
    /// Where the products are kept.
    #[command(flatten)]
    pub data: platform::config::Data,
    /// What to log.
    #[command(flatten)]
    pub log: platform::config::Log,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_set_is_an_embedded_store_and_the_usual_port() {
        let config: Config =
            platform::config::try_parse("PRODUCT", ["product-service".into()].into_iter(), &|_| None)
                .unwrap();
        assert_eq!(config.listen.grpc_port, 50051);
        let file = platform::config::Location::File("./data/product.db".into());
        assert_eq!(config.data.store("product").unwrap(), file);
    }

    #[test]
    fn the_port_has_an_alias() {
        let env = |name: &str| (name == "PRODUCT_SERVICE_PORT").then(|| "6001".into());
        let config: Config =
            platform::config::try_parse("PRODUCT", ["product-service".into()].into_iter(), &env).unwrap();
        assert_eq!(config.listen.grpc_port, 6001);
    }
}
