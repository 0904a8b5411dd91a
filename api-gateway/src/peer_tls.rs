//! How the gateway proves to the services who it is. Its certificate for clients is another: that one has the name of
//! the web site, and is often signed by somebody else.

use std::path::PathBuf;

use anyhow::bail;
use platform::tls::{Credentials, File, Files, GRPC, Security};

/// The gateway's certificate for the services that it calls.
#[derive(clap::Args, Debug, Clone, Default)]
#[group(id = "peer_tls")]
pub struct PeerTls {
    /// PEM file with the certificate that the gateway shows to services and those that lead to its root; read again when it changes; unset: services are called without TLS
    #[arg(long, env = "TLS_PEER_CERT")]
    pub tls_peer_cert: Option<PathBuf>,
    /// PEM file with that certificate's private key
    #[arg(long, env = "TLS_PEER_KEY")]
    pub tls_peer_key: Option<PathBuf>,
    /// PEM file with the root of the services' certificates; read again when it changes
    #[arg(long, env = "TLS_PEER_CA")]
    pub tls_peer_ca: Option<PathBuf>,
}

impl PeerTls {
    /// Reads the files, if they are set.
    ///
    /// # Errors
    /// Files that can't be used and settings that do not belong together, by the name of the variable.
    pub(crate) async fn open(&self) -> anyhow::Result<Security> {
        let cert = ("TLS_PEER_CERT", self.tls_peer_cert.as_ref());
        let key = ("TLS_PEER_KEY", self.tls_peer_key.as_ref());
        match (Files::pair(cert, key)?, self.tls_peer_ca.clone()) {
            (Some(files), Some(path)) => {
                let ca = Some(File { variable: "TLS_PEER_CA", path });
                Ok(Security::Tls(Credentials::open(Files { ca, ..files }, GRPC).await?))
            }
            (None, None) => Ok(Security::Plain),
            (Some(_), None) => {
                bail!("TLS_PEER_CERT is set and TLS_PEER_CA is not; wanted: both, or none for no TLS")
            }
            (None, Some(_)) => {
                bail!("TLS_PEER_CA is set and TLS_PEER_CERT is not; wanted: both, or none for no TLS")
            }
        }
    }
}
