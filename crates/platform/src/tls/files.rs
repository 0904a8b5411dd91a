//! Certificates in files, each named by the setting that led to it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

/// A PEM file.
#[derive(Debug, Clone)]
pub struct File {
    /// The setting that names it.
    pub variable: &'static str,
    /// Where it is.
    pub path: PathBuf,
}

/// What proves who a program is, and whom it trusts.
#[derive(Debug, Clone)]
pub struct Files {
    /// The certificate and those that lead to its root.
    pub cert: File,
    /// Its private key.
    pub key: File,
    /// The roots of the certificates that others must show; `None` asks nobody for one.
    pub ca: Option<File>,
}

impl Files {
    /// The files of a certificate and its key, by setting and path: both or none.
    ///
    /// # Errors
    /// One without the other.
    pub fn pair(
        cert: (&'static str, Option<&PathBuf>),
        key: (&'static str, Option<&PathBuf>),
    ) -> anyhow::Result<Option<Self>> {
        match (cert, key) {
            ((_, None), (_, None)) => Ok(None),
            ((cert, Some(cert_path)), (key, Some(key_path))) => Ok(Some(Self {
                cert: File { variable: cert, path: cert_path.clone() },
                key: File { variable: key, path: key_path.clone() },
                ca: None,
            })),
            ((there, Some(_)), (missing, None)) | ((missing, None), (there, Some(_))) => {
                bail!("{there} is set and {missing} is not; wanted: both, or none for no TLS")
            }
        }
    }

    pub(super) async fn read(&self) -> anyhow::Result<Pem> {
        let ca = match &self.ca {
            Some(ca) => Some(ca.read().await?),
            None => None,
        };
        Ok(Pem { cert: self.cert.read().await?, key: self.key.read().await?, ca })
    }

    /// The certificate with its key.
    pub(super) fn certified(&self, pem: &Pem, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
        let chain = self.cert.certificates(&pem.cert, "the certificate and those that lead to its root")?;
        let private = || self.key.unusable("the certificate's private key");
        // Not with the cause, which might show of the key what it stumbled over.
        let secret = PrivateKeyDer::from_pem_slice(&pem.key).map_err(|_| anyhow!(private()))?;
        CertifiedKey::from_der(chain, secret, provider).with_context(private)
    }

    /// Those whose certificates are good.
    pub(super) fn roots(&self, pem: &Pem) -> anyhow::Result<Option<Arc<RootCertStore>>> {
        self.ca.as_ref().zip(pem.ca.as_ref()).map(|(file, text)| file.roots(text)).transpose()
    }
}

impl File {
    pub(super) async fn read(&self) -> anyhow::Result<Vec<u8>> {
        let Self { variable, path } = self;
        tokio::fs::read(path)
            .await
            .with_context(|| format!("{variable}={} can't be read; wanted: a PEM file", path.display()))
    }

    /// The roots that it contains.
    pub(super) fn roots(&self, pem: &[u8]) -> anyhow::Result<Arc<RootCertStore>> {
        const WANTED: &str = "the certificates of those who sign the others'";
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates(pem, WANTED)? {
            roots.add(certificate).with_context(|| self.unusable(WANTED))?;
        }
        Ok(Arc::new(roots))
    }

    /// At least one.
    fn certificates(&self, pem: &[u8], wanted: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .with_context(|| self.unusable(wanted))?;
        if found.is_empty() {
            bail!(self.unusable(wanted));
        }
        Ok(found)
    }

    fn unusable(&self, wanted: &str) -> String {
        let Self { variable, path } = self;
        format!("{variable}={} can't be used; wanted: a PEM file with {wanted}", path.display())
    }
}

/// What the files contain. Compared, to find out what is new, for a volume may be swapped under their names.
#[derive(PartialEq, Eq)]
pub(super) struct Pem {
    cert: Vec<u8>,
    key: Vec<u8>,
    ca: Option<Vec<u8>>,
}
