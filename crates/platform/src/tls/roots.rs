//! Whom a program trusts that shows nothing of itself.

use std::io;
use std::sync::Arc;

use anyhow::bail;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::credentials::VERSIONS;
use super::files::File;

/// The roots of the certificates that servers must show, as they were at the start. Clones are the same.
#[derive(Clone)]
pub(crate) struct Roots(Arc<ClientConfig>);

impl Roots {
    /// Those in a file. `protocols` are spoken inside.
    ///
    /// # Errors
    /// A file that can't be used, by the name of its setting.
    pub(crate) async fn in_file(file: &File, protocols: &[&[u8]]) -> anyhow::Result<Self> {
        Self::new(file.roots(&file.read().await?)?, protocols)
    }

    /// Those that the system trusts.
    ///
    /// # Errors
    /// A system that trusts nobody.
    pub(crate) fn of_the_system(protocols: &[&[u8]]) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            bail!("the system has no root certificates");
        }
        Self::new(Arc::new(roots), protocols)
    }

    fn new(roots: Arc<RootCertStore>, protocols: &[&[u8]]) -> anyhow::Result<Self> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(VERSIONS)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Self(Arc::new(config)))
    }

    /// Shakes hands with who was called: it must show a certificate of one of the roots, for this name.
    ///
    /// # Errors
    /// Those of the connection, and whatever is wrong with the other side.
    pub(crate) async fn connect<S>(&self, name: ServerName<'static>, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        TlsConnector::from(self.0.clone()).connect(name, stream).await
    }
}
