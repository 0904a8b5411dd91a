//! What a program shows to others and asks of them.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::files::{Files, Pem};

/// The versions that are spoken.
pub(super) const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// A certificate with its key, and the roots of those that others must show, as their files said when they were last
/// read. Clones are the same credentials.
#[derive(Clone)]
pub struct Credentials(Arc<Inner>);

struct Inner {
    files: Files,
    protocols: &'static [&'static [u8]],
    current: watch::Sender<Arc<Current>>,
}

struct Current {
    pem: Pem,
    certified: Arc<CertifiedKey>,
    server: Arc<ServerConfig>,
    /// Where there are roots: without them no peer can be told from another.
    client: Option<Arc<ClientConfig>>,
}

impl Credentials {
    /// Reads the files. `protocols` are spoken inside, the first that both sides know.
    ///
    /// # Errors
    /// Files that can't be used, by the name of the setting.
    pub async fn open(files: Files, protocols: &'static [&'static [u8]]) -> anyhow::Result<Self> {
        let pem = files.read().await?;
        let current = Arc::new(Current::new(&files, pem, protocols)?);
        Ok(Self(Arc::new(Inner { files, protocols, current: watch::Sender::new(current) })))
    }

    /// Shakes hands with who has called. Where there are roots, it must have shown a certificate of theirs.
    ///
    /// # Errors
    /// Those of the connection, and whatever is wrong with the other side.
    pub async fn accept<S>(&self, stream: S) -> io::Result<server::TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = self.0.current.borrow().server.clone();
        TlsAcceptor::from(config).accept(stream).await
    }

    /// Shakes hands with who was called: it must show a certificate of one of the roots, for this name.
    ///
    /// # Errors
    /// Those of the connection, and whatever is wrong with the other side.
    pub async fn connect<S>(&self, name: ServerName<'static>, stream: S) -> io::Result<client::TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = self.0.current.borrow().client.clone();
        let config = config.ok_or_else(|| io::Error::other("there are no roots to trust"))?;
        TlsConnector::from(config).connect(name, stream).await
    }

    /// Whether there are roots, so that servers can be told from others.
    pub fn can_connect(&self) -> bool {
        self.0.current.borrow().client.is_some()
    }

    /// The certificate as it is now.
    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        self.0.current.borrow().certified.clone()
    }

    /// Reads the files again and again, and takes what is new in them for connections to come. Never ends.
    ///
    /// Looking costs small reads and needs no signal: whoever renews a certificate writes files, often from another
    /// container.
    pub async fn follow(&self, every: Duration) -> Infallible {
        let cert = self.0.files.cert.path.display();
        let mut unusable = None;
        loop {
            sleep(every).await;
            let outcome = self.renew().await;
            match &outcome {
                Ok(true) => tracing::info!(%cert, "new certificate taken"),
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
    async fn renew(&self) -> anyhow::Result<bool> {
        let Inner { files, protocols, current } = &*self.0;
        let found = files.read().await?;
        if found == current.borrow().pem {
            return Ok(false);
        }
        current.send_replace(Arc::new(Current::new(files, found, protocols)?));
        Ok(true)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("files", &self.0.files).finish_non_exhaustive()
    }
}

impl Current {
    fn new(files: &Files, pem: Pem, protocols: &[&[u8]]) -> anyhow::Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certified = Arc::new(files.certified(&pem, &provider)?);
        let roots = files.roots(&pem)?;
        let mut server = server_config(&provider, &certified, roots.clone())?;
        server.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let client = match roots {
            Some(roots) => {
                let mut client = client_config(&provider, &certified, roots)?;
                client.alpn_protocols.clone_from(&server.alpn_protocols);
                Some(Arc::new(client))
            }
            None => None,
        };
        Ok(Self { pem, certified, server: Arc::new(server), client })
    }
}

fn server_config(
    provider: &Arc<CryptoProvider>,
    certified: &Arc<CertifiedKey>,
    roots: Option<Arc<RootCertStore>>,
) -> anyhow::Result<ServerConfig> {
    let shown = Arc::new(SingleCertAndKey::from(certified.clone()));
    let config = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(VERSIONS)?;
    let Some(roots) = roots else { return Ok(config.with_no_client_auth().with_cert_resolver(shown)) };
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .context("the roots can't be used")?;
    let mut config = config.with_client_cert_verifier(verifier).with_cert_resolver(shown);
    // Programs keep their connections: resuming saves nothing, and each handshake looks at the certificates.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn client_config(
    provider: &Arc<CryptoProvider>,
    certified: &Arc<CertifiedKey>,
    roots: Arc<RootCertStore>,
) -> anyhow::Result<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(VERSIONS)?
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified.clone())));
    config.resumption = Resumption::disabled();
    Ok(config)
}
