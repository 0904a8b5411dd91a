//! TLS, and certificates that are replaced while it is spoken.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use api_gateway::{Port, Settings, Timeouts};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use platform::World;
use testkit::{TempDir, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};

use crate::fake::Fake;
use crate::running::{Running, SOON, rest, serve_with};
use crate::shop::{peers, settings};

const SHORT: Duration = Duration::from_millis(50);

/// A certificate for localhost that is its own root.
struct Certificate {
    cert: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Certificate {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self { cert: made.cert.der().clone(), key: made.signing_key.serialize_der() }
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", STANDARD.encode(der))
}

/// The two files of a certificate.
struct Files(TempDir);

impl Files {
    fn of(certificate: &Certificate) -> Self {
        let files = Self(TempDir::new().unwrap());
        files.write(certificate);
        files
    }

    fn cert(&self) -> PathBuf {
        self.0.path().join("tls.crt")
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("tls.key")
    }

    /// One after the other, as it happens: for a moment they do not belong together.
    fn write(&self, Certificate { cert, key }: &Certificate) {
        fs::write(self.cert(), pem("CERTIFICATE", cert)).unwrap();
        fs::write(self.key(), pem("PRIVATE KEY", key)).unwrap();
    }

    fn port(&self) -> Port {
        Port { tls_cert: Some(self.cert()), tls_key: Some(self.key()), ..Port::default() }
    }

    async fn serve(&self) -> Running {
        let timeouts = Timeouts { certificate: SHORT, ..Timeouts::default() };
        serve_with(Settings { timeouts, port: self.port(), ..settings() }).await
    }
}

/// A client that trusts these.
fn client(
    trusted: &[&Certificate],
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.cert.clone()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

async fn connect(shop: &Running, client: &TlsConnector) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
    client.connect(ServerName::try_from("localhost").unwrap(), shop.connect().await).await
}

/// Asks once on a connection of its own; the certificate that was shown.
async fn ask(shop: &Running, client: &TlsConnector) -> std::io::Result<CertificateDer<'static>> {
    let mut stream = connect(shop, client).await?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    Ok(stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
}

#[tokio::test]
async fn t1_both_versions_of_both_protocols_are_spoken() {
    let certificate = Certificate::new();
    let shop = Files::of(&certificate).serve().await;
    for (version, named) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        for protocols in [&["h2", "http/1.1"][..], &["http/1.1"]] {
            let stream = connect(&shop, &client(&[&certificate], &[version], protocols)).await.unwrap();
            let spoken = stream.get_ref().1;
            assert_eq!(spoken.protocol_version(), Some(named));
            assert_eq!(spoken.alpn_protocol(), Some(protocols[0].as_bytes()));
        }
        ask(&shop, &client(&[&certificate], &[version], &[])).await.unwrap();
    }
    let stranger = Certificate::new();
    assert!(ask(&shop, &client(&[&stranger], &[&TLS13], &[])).await.is_err(), "the client looks");
}

#[tokio::test]
async fn t1_without_tls_nothing_is_answered() {
    let shop = Files::of(&Certificate::new()).serve().await;
    let answer = shop.raw(b"GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(!answer.contains("HTTP"), "{answer:?}");
}

#[tokio::test]
async fn b3_a_handshake_ends_in_time() {
    let files = Files::of(&Certificate::new());
    let timeouts = Timeouts { header: SHORT, ..Timeouts::default() };
    let shop = serve_with(Settings { timeouts, port: files.port(), ..settings() }).await;
    for half in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut stream = shop.connect().await;
        stream.write_all(half).await.unwrap();
        rest(&mut stream).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t1_a_certificate_is_replaced_under_load_without_an_error() {
    let certificates: Vec<Certificate> = (0..4).map(|_| Certificate::new()).collect();
    let files = Files::of(&certificates[0]);
    let shop = files.serve().await;
    let client = client(&certificates.iter().collect::<Vec<_>>(), &[&TLS13, &TLS12], &["http/1.1"]);
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = join_all((0..4).map(async |_| {
        while !done.load(Ordering::Relaxed) {
            ask(&shop, &client).await.unwrap();
            asked.fetch_add(1, Ordering::Relaxed);
        }
    }));
    let kept = connect(&shop, &client).await.unwrap();
    let replacing = async {
        for next in &certificates[1..] {
            files.write(next);
            let shown = async || ask(&shop, &client).await.unwrap() == next.cert;
            eventually("the new certificate is shown", SOON, shown).await;
        }
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, replacing);
    assert!(asked.into_inner() > 10);
    // Who was there before goes on as before.
    let mut kept = kept;
    kept.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    kept.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn t1_a_certificate_that_can_not_be_used_changes_nothing() {
    let [old, new] = [Certificate::new(), Certificate::new()];
    let files = Files::of(&old);
    let shop = files.serve().await;
    let client = client(&[&old, &new], &[&TLS13], &[]);
    let bad: [&dyn Fn(); 4] = [
        &|| fs::write(files.cert(), "nonsense").unwrap(),
        &|| fs::write(files.cert(), pem("CERTIFICATE", &new.cert)).unwrap(),
        &|| fs::write(files.key(), "").unwrap(),
        &|| fs::remove_file(files.cert()).unwrap(),
    ];
    for spoil in bad {
        files.write(&old);
        spoil();
        let began = tokio::time::Instant::now();
        eventually("the files are looked at", SOON, async || {
            assert_eq!(ask(&shop, &client).await.unwrap(), old.cert);
            began.elapsed() > 3 * SHORT
        })
        .await;
    }
    files.write(&new);
    let shown = async || ask(&shop, &client).await.unwrap() == new.cert;
    eventually("the good one after it is taken", SOON, shown).await;
}

#[tokio::test]
async fn t1_a_certificate_that_can_not_be_used_stops_the_start() {
    let [one, other] = [Certificate::new(), Certificate::new()];
    let files = Files::of(&one);
    let refused = async |port| {
        let (settings, services) = (Settings { port, ..settings() }, Fake::default());
        let opened =
            api_gateway::open(settings, [127, 0, 0, 1].into(), peers(&services), World::real()).await;
        format!("{:#}", opened.err().unwrap())
    };
    let both = "wanted: both, or none for no TLS";
    let port = Port { tls_key: None, ..files.port() };
    assert_eq!(refused(port).await, format!("TLS_CERT is set and TLS_KEY is not; {both}"));
    let port = Port { tls_cert: None, ..files.port() };
    assert_eq!(refused(port).await, format!("TLS_KEY is set and TLS_CERT is not; {both}"));

    let (cert, key) = (files.cert().display().to_string(), files.key().display().to_string());
    let cert_wanted = format!(
        "TLS_CERT={cert} can't be used; wanted: a PEM file with the certificate and those that lead to its root"
    );
    let key_wanted =
        format!("TLS_KEY={key} can't be used; wanted: a PEM file with the certificate's private key");
    fs::write(files.cert(), "nonsense").unwrap();
    assert_eq!(refused(files.port()).await, cert_wanted);
    fs::write(files.cert(), "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").unwrap();
    assert!(refused(files.port()).await.starts_with(&cert_wanted));
    files.write(&one);
    fs::write(files.key(), pem("PRIVATE KEY", &other.key)).unwrap();
    assert!(refused(files.port()).await.starts_with(&key_wanted));
    fs::write(files.key(), "a secret that is no key").unwrap();
    assert_eq!(refused(files.port()).await, key_wanted);
    fs::remove_file(files.key()).unwrap();
    let missing = refused(files.port()).await;
    assert!(
        missing.starts_with(&format!("TLS_KEY={key} can't be read; wanted: a PEM file: No such file")),
        "{missing}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthcheck_speaks_what_the_gateway_speaks() {
    let files = Files::of(&Certificate::new());
    let shop = files.serve().await;
    let exit = async |port: Port| {
        let address = shop.address;
        let asking = move || api_gateway::healthcheck("api-gateway", address.ip(), address.port(), &port);
        tokio::task::spawn_blocking(asking).await.unwrap()
    };
    assert_eq!(exit(files.port()).await, ExitCode::SUCCESS);
    assert_eq!(exit(Port::default()).await, ExitCode::FAILURE);
}
