//! TLS, with certificates that are replaced while it runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::server::TlsStream;

use super::settings::Port;

/// What is spoken inside, the first that the client knows too.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The server's half of TLS 1.2 or 1.3.
pub(super) struct Tls(watch::Receiver<Arc<ServerConfig>>);

impl Tls {
    /// Shakes hands, with the certificate as it is now.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = self.0.borrow().clone();
        TlsAcceptor::from(config).accept(stream).await
    }
}

/// The files of the certificate, as they were last read.
pub(super) struct Files {
    cert: PathBuf,
    key: PathBuf,
    read: Pem,
    current: watch::Sender<Arc<ServerConfig>>,
}

#[derive(PartialEq, Eq)]
struct Pem {
    cert: Vec<u8>,
    key: Vec<u8>,
}

/// What the settings ask for: nothing if they name no certificate.
///
/// # Errors
/// One without the other, or files that can't be used, by the name of the setting.
pub(super) async fn open(port: &Port) -> anyhow::Result<Option<(Tls, Files)>> {
    let (cert, key) = match (&port.tls_cert, &port.tls_key) {
        (None, None) => return Ok(None),
        (Some(cert), Some(key)) => (cert.clone(), key.clone()),
        (Some(_), None) => bail!("TLS_CERT is set and TLS_KEY is not; wanted: both, or none for no TLS"),
        (None, Some(_)) => bail!("TLS_KEY is set and TLS_CERT is not; wanted: both, or none for no TLS"),
    };
    let read = Pem::read(&cert, &key).await?;
    let (current, watched) = watch::channel(read.config(&cert, &key)?);
    Ok(Some((Tls(watched), Files { cert, key, read, current })))
}

impl Files {
    /// Reads the files again and again, and takes what is new in them for connections to come. Never ends.
    ///
    /// Looking costs two small reads and needs no signal: whoever renews a certificate writes files, often from another
    /// container. Compared is what they contain, for a volume may be swapped under their names.
    pub(super) async fn follow(mut self, every: Duration) {
        let mut unusable = None;
        loop {
            sleep(every).await;
            let outcome = self.renew().await;
            match &outcome {
                Ok(true) => tracing::info!(cert = %self.cert.display(), "new certificate taken"),
                Ok(false) => {}
                // Said once, not at every look.
                Err(error) if unusable.as_ref() != Some(&error.to_string()) => {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "new certificate not taken, the old one is kept"
                    );
                }
                Err(_) => {}
            }
            unusable = outcome.err().map(|error| error.to_string());
        }
    }

    /// Whether there was something new.
    async fn renew(&mut self) -> anyhow::Result<bool> {
        let found = Pem::read(&self.cert, &self.key).await?;
        if found == self.read {
            return Ok(false);
        }
        self.current.send_replace(found.config(&self.cert, &self.key)?);
        self.read = found;
        Ok(true)
    }
}

impl Pem {
    async fn read(cert: &Path, key: &Path) -> anyhow::Result<Self> {
        Ok(Self { cert: read("TLS_CERT", cert).await?, key: read("TLS_KEY", key).await? })
    }

    fn config(&self, cert: &Path, key: &Path) -> anyhow::Result<Arc<ServerConfig>> {
        let unusable = |variable: &str, path: &Path, wanted: &str| {
            format!("{variable}={} can't be used; wanted: a PEM file with {wanted}", path.display())
        };
        let certificates = || unusable("TLS_CERT", cert, "the certificate and those that lead to its root");
        let private = || unusable("TLS_KEY", key, "the certificate's private key");
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.cert)
            .collect::<Result<_, _>>()
            .with_context(certificates)?;
        if chain.is_empty() {
            bail!(certificates());
        }
        // Not with the cause, which might show of the key what it stumbled over.
        let secret = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| anyhow::anyhow!(private()))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .with_context(private)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Arc::new(config))
    }
}

async fn read(variable: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    tokio::fs::read(path)
        .await
        .with_context(|| format!("{variable}={} can't be read; wanted: a PEM file", path.display()))
}
