//! What the shop says when it is open.

use std::fmt;

use api_gateway::AuthMode;
use secrecy::{ExposeSecret as _, SecretString};

use crate::addresses::Addresses;
use crate::config::{Config, Program};

/// Where everything is, a token, and three things to try.
pub struct Banner<'a> {
    /// The settings that the shop runs with.
    pub settings: &'a Config,
    /// Where it listens.
    pub addresses: &'a Addresses,
    /// A token of user 1 with all rights; absent where the secret is not the shop's own.
    pub token: Option<SecretString>,
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.addresses.url();
        writeln!(f, "oxcart is open\n")?;
        writeln!(f, "  REST    {url}")?;
        for program in Program::ALL {
            if let Some(address) = self.addresses.grpc.get(program.name()) {
                let label = if program == Program::Product { "gRPC" } else { "" };
                writeln!(f, "  {label:<7} {address}  {}", program.name())?;
            }
        }
        if let Some(metrics) = self.addresses.metrics {
            writeln!(f, "  metrics http://{metrics}/metrics  (oxcart top shows them)")?;
        }
        writeln!(f, "  data    {}", self.settings.data_dir.display())?;
        if let Some(token) = &self.token {
            writeln!(f, "  token   {}  (user 1, admin, 24 hours)", token.expose_secret())?;
        }
        writeln!(f, "\nTry:")?;
        writeln!(f, "  curl {url}/api/v1/products")?;
        let bearer = match self.settings.gateway.auth_mode {
            AuthMode::Dev => "",
            AuthMode::Jwt => {
                writeln!(f, "  TOKEN=$(oxcart token --user 1)  # with the settings of this shop")?;
                " -H \"Authorization: Bearer $TOKEN\""
            }
        };
        writeln!(
            f,
            "  curl -X POST {url}/api/v1/cart/items{bearer} -H 'Content-Type: application/json' -d '{{\"product_id\": 1, \"quantity\": 2}}'"
        )?;
        writeln!(f, "  curl -X POST {url}/api/v1/checkout{bearer} -H 'Idempotency-Key: my-first-order'")
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn banner(mode: &str) -> String {
        banner_of(mode, false)
    }

    fn banner_of(mode: &str, tls: bool) -> String {
        let settings = Config::parse_from(["oxcart", "--auth-mode", mode]);
        let http = ([127, 0, 0, 1], 8080).into();
        let addresses = Addresses { http, tls, metrics: None, grpc: [].into() };
        let token = (mode == "dev").then(|| "abc".into());
        Banner { settings: &settings, addresses: &addresses, token }.to_string()
    }

    #[test]
    fn what_it_says_to_try_works_in_either_mode() {
        assert!(!banner("dev").contains("Authorization"));
        let jwt = banner("jwt");
        let tries: Vec<&str> = jwt.lines().filter(|line| line.starts_with("  curl")).collect();
        assert_eq!(tries.len(), 3);
        for line in &tries[1..] {
            assert!(line.contains(" -H \"Authorization: Bearer $TOKEN\""), "{line}");
        }
        assert!(jwt.contains("\n  TOKEN=$(oxcart token --user 1)  "), "{jwt}");
        assert!(banner_of("dev", true).contains("\n  curl https://127.0.0.1:8080/api/v1/products\n"));
    }
}
