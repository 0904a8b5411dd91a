//! Settings of the gateway.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::HeaderValue;
use platform::config::Server;
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::auth::{KeySetUrl, MIN_SECRET};
use crate::client_address::Network;
use crate::events::StreamBounds;
use crate::peer_tls::PeerTls;
use crate::serve::Port;

/// In seconds.
const YEAR: u32 = 365 * 24 * 60 * 60;

/// REST gateway of the shop
#[derive(clap::Parser, Debug, Clone)]
#[command(name = "api-gateway")]
pub struct Config {
    /// Where to listen.
    #[command(flatten)]
    pub listen: Listen,
    /// Log lines.
    #[command(flatten)]
    pub log: platform::config::Log,
    /// Where the services are.
    #[command(flatten)]
    pub peers: PeerAddresses,
    /// How they know the gateway, and it knows them.
    #[command(flatten)]
    pub peer_tls: PeerTls,
    /// Redis through which all instances share the limits, redis://HOST:PORT or rediss://HOST:PORT; unset: each
    /// has its own
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_parser = redis)]
    pub redis_url: Option<Server>,
    /// Everything else.
    #[command(flatten)]
    pub settings: Settings,
}

impl Config {
    /// The settings with all that they consist of.
    pub(crate) fn settings(self) -> Settings {
        Settings { redis: self.redis_url, ..self.settings }
    }
}

/// Where the gateway listens.
#[derive(clap::Args, Debug, Clone)]
pub struct Listen {
    /// An address of this machine to listen on; 0.0.0.0 for all of them
    #[arg(long, env = "BIND_ADDR", default_value = "127.0.0.1")]
    pub bind_addr: IpAddr,
    /// A port, 0 to 65535; 0 takes any free one
    #[arg(long, env = "HTTP_PORT", default_value = "8080")]
    pub http_port: u16,
}

impl Listen {
    /// Binds the port. The error names the address and the setting to change.
    pub async fn bind(&self) -> anyhow::Result<TcpListener> {
        platform::config::bind(SocketAddr::new(self.bind_addr, self.http_port), "HTTP_PORT").await
    }
}

/// Where the services are: host:port, several separated by commas.
#[derive(clap::Args, Debug, Clone)]
pub struct PeerAddresses {
    /// The product service, host:port; several, separated by commas, take turns
    #[arg(long, env = "PRODUCT_SERVICE_ADDR", default_value = "localhost:50051")]
    pub product_service_addr: String,
    /// The cart service, host:port; several, separated by commas, take turns
    #[arg(long, env = "CART_SERVICE_ADDR", default_value = "localhost:50052")]
    pub cart_service_addr: String,
    /// The inventory service, host:port; several, separated by commas, take turns
    #[arg(long, env = "INVENTORY_SERVICE_ADDR", default_value = "localhost:50053")]
    pub inventory_service_addr: String,
    /// The orders service, host:port; several, separated by commas, take turns
    #[arg(long, env = "ORDERS_SERVICE_ADDR", default_value = "localhost:50055")]
    pub orders_service_addr: String,
    /// The checkout service, host:port; several, separated by commas, take turns
    #[arg(long, env = "CHECKOUT_SERVICE_ADDR", default_value = "localhost:50056")]
    pub checkout_service_addr: String,
}

/// How clients are told apart.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// By their tokens.
    Jwt,
    /// For work on one's own machine: who sends no token is user 1, role admin. Loopback only.
    Dev,
}

/// What the gateway does, wherever it listens.
#[derive(clap::Args, Clone)]
#[group(id = "gateway")]
pub struct Settings {
    /// How clients are told apart: jwt by their tokens; dev, on a loopback address only, takes who sends no token for user 1, an admin
    #[arg(long, env = "AUTH_MODE", default_value = "jwt")]
    pub auth_mode: AuthMode,
    /// Let mode dev listen on any address: for a container whose port is published on a loopback address only
    #[arg(long, env = "DEV_ON_ANY_ADDRESS")]
    pub dev_on_any_address: bool,
    /// Secret that tokens are signed with (HS256), at least 32 bytes; mode dev makes one if there is none
    #[arg(long, env = "JWT_SECRET", hide_env_values = true, value_parser = secret)]
    pub jwt_secret: Option<SecretString>,
    /// Public key that tokens are verified with, in PEM or as the path of a PEM file: RSA (RS256), EC on P-256 (ES256) or Ed25519 (EdDSA)
    #[arg(long, env = "JWT_PUBLIC_KEY", hide_env_values = true)]
    pub jwt_public_key: Option<String>,
    /// Place of the JSON Web Key Set that tokens are verified with, read again every five minutes: https://…, http://… on a loopback address, or file://PATH
    #[arg(long, env = "JWKS_URL", hide_env_values = true)]
    pub jwks_url: Option<KeySetUrl>,
    /// What the claim iss of every token must be; unset: not looked at
    #[arg(long, env = "JWT_ISSUER")]
    pub jwt_issuer: Option<String>,
    /// What the claim aud of every token must contain; unset: not looked at
    #[arg(long, env = "JWT_AUDIENCE")]
    pub jwt_audience: Option<String>,
    /// Requests a second that each client gets, 0 to 1000000; half as many of them that change something and a fifth that begin a checkout are counted apart; 0 sets no limit
    #[arg(long, env = "RATE_LIMIT_RPS", default_value = "10", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub rate_limit_rps: u32,
    /// Requests that a client who was quiet may make at once, 1 to 1000000
    #[arg(long, env = "RATE_LIMIT_BURST", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate_limit_burst: u32,
    /// Requests under way at a time, 10 to 1000000; lists are refused from 60 % on, then what reads, changes and begins checkouts, and last what looks at them
    #[arg(long, env = "MAX_REQUESTS", default_value = "1000", value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub max_requests: u32,
    /// Proxies whose X-Forwarded-For is believed: addresses or networks such as 10.0.0.0/8, separated by commas
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<Network>,
    /// Web sites whose scripts may call: origins as browsers send them, scheme://host, separated by commas
    #[arg(long, env = "CORS_ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub cors_origins: Vec<HeaderValue>,
    /// Seconds for which browsers keep to https (Strict-Transport-Security), 0 to 63072000; unset: a year where TLS_CERT is set, else not said; set it behind a proxy that speaks TLS
    #[arg(long, env = "HSTS_MAX_AGE", value_parser = clap::value_parser!(u32).range(0..=63_072_000))]
    pub hsts_max_age: Option<u32>,
    /// How long POST /api/v1/checkout waits for the end before it answers 202, in milliseconds, 0 to 20000
    #[arg(long, env = "CHECKOUT_WAIT_MS", default_value = "10000", value_parser = clap::value_parser!(u64).range(0..=20_000))]
    pub checkout_wait_ms: u64,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described where it is defined")]
    pub port: Port,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described where it is defined")]
    pub streams: StreamBounds,
    /// Through which all instances share the limits. Not a setting here, so that a program that has these settings
    /// and those of services has `REDIS_URL` once.
    #[arg(skip)]
    pub redis: Option<Server>,
    /// Ends in time; not set from outside.
    #[arg(skip)]
    pub timeouts: Timeouts,
}

impl Settings {
    /// The setting that names keys which others sign with; where there is one, the shop signs no tokens.
    pub fn public_keys(&self) -> Option<&'static str> {
        let pem = self.jwt_public_key.as_ref().map(|_| "JWT_PUBLIC_KEY");
        pem.or_else(|| self.jwks_url.as_ref().map(|_| "JWKS_URL"))
    }
}

impl Settings {
    /// `Strict-Transport-Security`, where https is spoken, here or in front of here: a browser believes it nowhere else.
    pub(crate) fn strict_transport_security(&self) -> Option<HeaderValue> {
        let here = self.port.tls_cert.as_ref().map(|_| YEAR);
        let max_age = self.hsts_max_age.or(here)?;
        HeaderValue::try_from(format!("max-age={max_age}")).ok()
    }
}

/// Ends in time.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a whole request, its body included.
    pub request: Duration,
    /// For the head of a request from its first byte, for the first one of a connection, and for the handshake of TLS.
    pub header: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// For a client to take anything of what it is sent.
    pub write: Duration,
    /// Between two looks at the files of the certificate.
    pub certificate: Duration,
    /// For what still runs at the shutdown.
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(30),
            header: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            write: Duration::from_secs(10),
            certificate: Duration::from_secs(10),
            drain: Duration::from_secs(25),
        }
    }
}

/// Without the secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("auth_mode", &self.auth_mode).finish_non_exhaustive()
    }
}

fn secret(text: &str) -> Result<SecretString, String> {
    if text.len() < MIN_SECRET {
        return Err(format!("shorter than {MIN_SECRET} bytes"));
    }
    Ok(SecretString::from(text))
}

fn redis(url: &str) -> Result<Server, Infallible> {
    Ok(Server { url: url.to_owned(), variable: "REDIS_URL".to_owned() })
}

/// Exactly what browsers send: scheme, host, and the port if it is not the scheme's.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let wanted = || "it is no origin".to_owned();
    let text = text.trim();
    let (scheme, host) = text.split_once("://").ok_or_else(wanted)?;
    let plain = host.bytes().all(|b| b.is_ascii_graphic() && !b"/?#@*".contains(&b));
    if !["http", "https"].contains(&scheme) || host.is_empty() || !plain {
        return Err(wanted());
    }
    HeaderValue::from_str(text).map_err(|_| wanted())
}

#[cfg(test)]
mod tests;
