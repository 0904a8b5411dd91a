//! Settings of the port.

use std::path::PathBuf;

/// Who may connect, and how.
#[derive(clap::Args, Debug, Clone)]
#[group(id = "port")]
pub struct Port {
    /// Connections at a time, 1 to 1000000; when there are as many, the one silent for longest gives way
    #[arg(long, env = "MAX_CONNECTIONS", default_value = "4096", value_parser = connections)]
    pub max_connections: usize,
    /// Connections at a time from one address, or one /64 network of IPv6, 1 to 1000000; TRUSTED_PROXIES may have more
    #[arg(long, env = "MAX_CONNECTIONS_PER_ADDRESS", default_value = "512", value_parser = connections)]
    pub max_connections_per_address: usize,
    /// PEM file with the certificate to show and those that lead to its root; read again when it changes; unset: no TLS
    #[arg(long, env = "TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, env = "TLS_KEY")]
    pub tls_key: Option<PathBuf>,
}

impl Default for Port {
    fn default() -> Self {
        Self { max_connections: 4096, max_connections_per_address: 512, tls_cert: None, tls_key: None }
    }
}

fn connections(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| (1..=1_000_000).contains(number))
        .ok_or_else(|| "not between 1 and 1000000".to_owned())
}
