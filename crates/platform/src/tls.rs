//! TLS 1.2 and 1.3, for the gateway's clients, between the programs and to a collector: one way to read certificates, to
//! take new ones while they are in use, and to shake hands.
//!
//! The provider of cryptography is aws-lc-rs everywhere, which the drivers of the stores bring along.

mod anybody;
mod credentials;
mod files;
mod roots;

use std::convert::Infallible;
use std::time::Duration;

use crate::metrics::Metrics;
use crate::transport::{self, Transport};

pub use anybody::connect_to_anybody;
pub use credentials::Credentials;
pub use files::{File, Files};
pub(crate) use roots::Roots;

/// Between two looks at the files.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What is spoken in gRPC.
pub const GRPC: &[&[u8]] = &[b"h2"];

/// How the programs of a shop speak to each other.
#[derive(Debug, Clone)]
pub enum Security {
    /// In the clear: on one machine, or where the network itself is safe.
    Plain,
    /// By TLS, and to those only that these credentials trust.
    Tls(Credentials),
}

impl Security {
    /// The way to a peer, as [`Transport::connect`] makes it; `metrics` tell whether it is broken.
    ///
    /// # Errors
    /// Addresses that can't be used, and credentials that trust nobody.
    pub fn connect(
        &self,
        peer: &'static str,
        addresses: &str,
        metrics: &Metrics,
    ) -> Result<Transport, transport::Error> {
        let transport = match self {
            Self::Plain => Transport::connect(peer, addresses)?,
            Self::Tls(credentials) => Transport::secured(peer, addresses, credentials)?,
        };
        Ok(transport.counted(metrics))
    }

    /// Takes what is new in the files, for connections to come. Never ends.
    pub async fn follow(&self) -> Infallible {
        match self {
            Self::Plain => std::future::pending().await,
            Self::Tls(credentials) => credentials.follow(LOOK_EVERY).await,
        }
    }
}
