//! How a program proves to the others who it is.

use std::path::PathBuf;

use anyhow::bail;

use crate::tls::{Credentials, File, Files, GRPC, Security};

/// The certificate of a service: shown to who calls it, and to whom it calls.
#[derive(clap::Args, Debug, Clone, Default)]
#[group(id = "tls")]
pub struct Tls {
    /// PEM file with the certificate to show and those that lead to its root; read again when it changes; unset: no TLS
    #[arg(long, env = "TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, env = "TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// PEM file with the root of the other programs' certificates: who calls must show one, and who is called; read again when it changes; unset: anybody may call
    #[arg(long, env = "TLS_CLIENT_CA")]
    pub tls_client_ca: Option<PathBuf>,
}

impl Tls {
    /// Reads the files, if any are set.
    ///
    /// # Errors
    /// Files that can't be used and settings that do not belong together, by the name of the variable.
    pub async fn open(&self) -> anyhow::Result<Security> {
        let (cert, key) = (("TLS_CERT", self.tls_cert.as_ref()), ("TLS_KEY", self.tls_key.as_ref()));
        match (Files::pair(cert, key)?, &self.tls_client_ca) {
            (Some(files), ca) => {
                let ca = ca.clone().map(|path| File { variable: "TLS_CLIENT_CA", path });
                Ok(Security::Tls(Credentials::open(Files { ca, ..files }, GRPC).await?))
            }
            (None, None) => Ok(Security::Plain),
            (None, Some(_)) => {
                bail!(
                    "TLS_CLIENT_CA is set and TLS_CERT is not; wanted: TLS_CERT and TLS_KEY too, or none for no TLS"
                )
            }
        }
    }
}
