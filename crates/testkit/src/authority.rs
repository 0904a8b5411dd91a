//! Certificates, made for a test.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

/// Who signs certificates. All authorities have the same name, so that only the key tells them apart.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key, as PEM.
pub struct Certificate {
    /// The certificate.
    pub cert: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// One with a key of its own.
    #[expect(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        let mut params = params(&[]);
        params.distinguished_name.push(DnType::CommonName, "a CA of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, key()).expect("the parameters are good"))
    }

    /// Its own certificate, as PEM.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", self.0.der())
    }

    /// A certificate for these host names and addresses.
    pub fn sign(&self, names: &[&str]) -> Certificate {
        self.signed(params(names))
    }

    /// One that was good until a long time ago.
    pub fn sign_expired(&self, names: &[&str]) -> Certificate {
        let mut params = params(names);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.signed(params)
    }

    fn signed(&self, params: CertificateParams) -> Certificate {
        let key = key();
        let signed = params.signed_by(&key, &self.0).expect("the parameters are good");
        Certificate::new(signed.der(), &key)
    }
}

impl Certificate {
    /// One that nobody vouches for.
    pub fn self_signed(names: &[&str]) -> Self {
        let key = key();
        let signed = params(names).self_signed(&key).expect("the parameters are good");
        Self::new(signed.der(), &key)
    }

    fn new(cert: &[u8], key: &KeyPair) -> Self {
        Self { cert: pem("CERTIFICATE", cert), key: pem("PRIVATE KEY", &key.serialize_der()) }
    }

    /// Writes `tls.crt` and `tls.key`, one after the other, as it happens: for a moment they do not belong together.
    pub fn write(&self, dir: &Path) {
        std::fs::write(dir.join("tls.crt"), &self.cert).expect("the directory is there");
        std::fs::write(dir.join("tls.key"), &self.key).expect("the directory is there");
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).expect("names are ASCII")
}

fn key() -> KeyPair {
    KeyPair::generate().expect("there is randomness")
}

fn pem(what: &str, der: &[u8]) -> String {
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", STANDARD.encode(der))
}
