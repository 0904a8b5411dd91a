//! Programs that know each other by their certificates, and others.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use platform::config::Tls;
use platform::metrics::Metrics;
use platform::tls::{Credentials, Security};
use platform::transport::Transport;
use testkit::{Authority, Certificate, TempDir, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Code, Status};

use crate::tiny::{self, ask, context};

const SOON: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(20);
const HERE: &[&str] = &["localhost"];

/// The files of one program.
struct Files(TempDir);

impl Files {
    fn new(certificate: &Certificate, roots: &Authority) -> Self {
        let files = Self(TempDir::new().unwrap());
        certificate.write(files.0.path());
        fs::write(files.path("ca.crt"), roots.pem()).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn settings(&self) -> Tls {
        let file = |name| Some(self.path(name));
        Tls { tls_cert: file("tls.crt"), tls_key: file("tls.key"), tls_client_ca: file("ca.crt") }
    }

    async fn credentials(&self) -> Credentials {
        credentials(&self.settings()).await
    }
}

async fn credentials(settings: &Tls) -> Credentials {
    match settings.open().await.unwrap() {
        Security::Tls(credentials) => credentials,
        Security::Plain => panic!("no TLS"),
    }
}

/// The small server, by TLS.
struct Served {
    address: String,
    _running: AbortOnDropHandle<()>,
}

impl Served {
    async fn by(files: &Files) -> Self {
        Self::with(files.credentials().await).await
    }

    #[expect(clippy::disallowed_methods, reason = "the handle owns the task")]
    async fn with(credentials: Credentials) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let running = tokio::spawn(async move {
            let (server, _gate) = tiny::server();
            tokio::select! {
                served = server.serve_secured(listener, &credentials, CancellationToken::new()) => served.unwrap(),
                never = credentials.follow(SHORT) => match never {},
            }
        });
        Self { address, _running: AbortOnDropHandle::new(running) }
    }

    /// Asks once, on a connection of its own.
    async fn answer(&self, caller: &Credentials) -> Result<(), Status> {
        call(&Transport::secured("tiny", &self.address, caller).unwrap()).await
    }
}

async fn call(transport: &Transport) -> Result<(), Status> {
    tiny::client(transport).check(context().request(ask("ok"))).await.map(drop)
}

#[tokio::test]
async fn t1_programs_that_know_each_other_speak() {
    let ca = Authority::new();
    let served = Served::by(&Files::new(&ca.sign(HERE), &ca)).await;
    let caller = Files::new(&ca.sign(&["caller"]), &ca).credentials().await;
    served.answer(&caller).await.unwrap();

    let by_address = Served::by(&Files::new(&ca.sign(&["127.0.0.1"]), &ca)).await;
    let address = by_address.address.replace("localhost", "127.0.0.1");
    call(&Transport::secured("tiny", &address, &caller).unwrap()).await.unwrap();
}

#[tokio::test]
async fn t1_a_server_that_is_no_good_is_not_spoken_to() {
    let (ca, other) = (Authority::new(), Authority::new());
    let caller = Files::new(&ca.sign(&["caller"]), &ca).credentials().await;
    for (what, certificate) in [
        ("expired", ca.sign_expired(HERE)),
        ("of another CA", other.sign(HERE)),
        ("with another name", ca.sign(&["elsewhere.example", "127.0.0.1"])),
        ("without a name", ca.sign(&[])),
        ("self-signed", Certificate::self_signed(HERE)),
    ] {
        let served = Served::by(&Files::new(&certificate, &ca)).await;
        let refused = served.answer(&caller).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.message()),
            (Code::Unavailable, "tiny can't be reached"),
            "{what}"
        );
    }
}

#[tokio::test]
async fn g2_a_caller_that_is_no_good_is_not_heard() {
    let (ca, other) = (Authority::new(), Authority::new());
    let served = Served::by(&Files::new(&ca.sign(HERE), &ca)).await;
    for (what, certificate) in [
        ("expired", ca.sign_expired(&["caller"])),
        ("of another CA", other.sign(&["caller"])),
        ("self-signed", Certificate::self_signed(&["caller"])),
    ] {
        let refused = served.answer(&Files::new(&certificate, &ca).credentials().await).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.message()),
            (Code::Unavailable, "tiny can't be reached"),
            "{what}"
        );
    }
    served.answer(&Files::new(&ca.sign(&["caller"]), &ca).credentials().await).await.unwrap();
}

/// A client without a certificate that trusts this CA.
fn nobody(ca: &Authority, version: &'static SupportedProtocolVersion) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// The first bytes that an HTTP/2 server says to somebody without a certificate.
async fn greeting(served: &Served, client: &TlsConnector) -> std::io::Result<Vec<u8>> {
    let stream = TcpStream::connect(&served.address).await?;
    let mut stream = client.connect(ServerName::try_from("localhost").unwrap(), stream).await?;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await?;
    let mut answer = vec![0; 9];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn g2_a_caller_without_a_certificate_is_heard_only_where_none_is_asked_for() {
    let ca = Authority::new();
    let files = Files::new(&ca.sign(HERE), &ca);
    let strict = Served::by(&files).await;
    let open = Served::with(credentials(&Tls { tls_client_ca: None, ..files.settings() }).await).await;
    for version in [&TLS12, &TLS13] {
        assert!(greeting(&strict, &nobody(&ca, version)).await.is_err(), "{version:?}");
        let settings = greeting(&open, &nobody(&ca, version)).await.unwrap();
        assert_eq!(settings[3], 4, "a frame of settings, {version:?}");
    }
}

#[tokio::test]
async fn t1_plaintext_and_tls_do_not_mix() {
    let ca = Authority::new();
    let files = Files::new(&ca.sign(HERE), &ca);
    let (secured, (server, _gate)) = (Served::by(&files).await, tiny::server());
    let in_the_clear = Transport::connect("tiny", &secured.address).unwrap();
    let refused = call(&in_the_clear).await.unwrap_err();
    assert_eq!(refused.message(), "the connection to tiny broke");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    let shutdown = CancellationToken::new();
    let mut tasks = platform::tasks::Tasks::new(shutdown.clone());
    tasks.spawn("grpc", server.serve(listener, shutdown.clone()));
    let by_tls = Transport::secured("tiny", &address, &files.credentials().await).unwrap();
    assert_eq!(call(&by_tls).await.unwrap_err().code(), Code::Unavailable);
    shutdown.cancel();
    tasks.join().await.unwrap();
}

#[tokio::test]
async fn t1_who_says_nothing_holds_up_nobody() {
    let ca = Authority::new();
    let files = Files::new(&ca.sign(HERE), &ca);
    let served = Served::by(&files).await;
    let silent = join_all((0..50).map(|_| TcpStream::connect(&served.address))).await;
    served.answer(&files.credentials().await).await.unwrap();
    drop(silent);
}

/// Servers, callers and the CA itself are replaced, while each call has a connection of its own.
#[tokio::test(flavor = "multi_thread")]
async fn t1_certificates_of_both_sides_are_replaced_under_load_without_an_error() {
    let ca = Authority::new();
    let server = Files::new(&ca.sign(HERE), &ca);
    let client = Files::new(&ca.sign(&["caller"]), &ca);
    let (served, caller) = (Served::by(&server).await, client.credentials().await);
    let (done, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = join_all((0..4).map(async |_| {
        while !done.load(Ordering::Relaxed) {
            served.answer(&caller).await.unwrap();
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }));
    // What was trusted before is trusted until nobody shows it any more.
    let new = Authority::new();
    let replacing = async {
        let both = format!("{}{}", ca.pem(), new.pem());
        for files in [&server, &client] {
            fs::write(files.path("ca.crt"), &both).unwrap();
        }
        let witness = Files::new(&new.sign(&["caller"]), &ca).credentials().await;
        let knows = async || served.answer(&witness).await.is_ok();
        eventually("the server trusts the new CA", SOON, knows).await;
        new.sign(&["caller"]).write(client.0.path());
        let strict = Files::new(&ca.sign(&["caller"]), &new).credentials().await;
        let another = Served::by(&Files::new(&new.sign(HERE), &new)).await;
        let trusts = async || another.answer(&caller).await.is_ok();
        eventually("the client trusts the new CA and shows the new certificate", SOON, trusts).await;
        new.sign(HERE).write(server.0.path());
        let shown = async || served.answer(&strict).await.is_ok();
        eventually("the new certificate is shown", SOON, shown).await;
        done.store(true, Ordering::Relaxed);
    };
    tokio::select! {
        _ = async { tokio::join!(load, replacing) } => {}
        never = caller.follow(SHORT) => match never {},
    }
    assert!(answered.into_inner() > 10);
}

#[tokio::test]
async fn t1_who_is_no_longer_trusted_gets_no_new_connection() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::new(&old.sign(HERE), &old);
    let served = Served::by(&files).await;
    let caller = Files::new(&old.sign(&["caller"]), &old).credentials().await;
    served.answer(&caller).await.unwrap();
    fs::write(files.path("ca.crt"), new.pem()).unwrap();
    eventually("the old CA is forgotten", SOON, async || served.answer(&caller).await.is_err()).await;
}

#[tokio::test]
async fn t1_files_that_can_not_be_used_stop_the_start() {
    let ca = Authority::new();
    let files = Files::new(&ca.sign(HERE), &ca);
    let refused = async |settings: Tls| format!("{:#}", settings.open().await.unwrap_err());
    let whole = || files.settings();
    let both = "wanted: both, or none for no TLS";
    for (settings, said) in [
        (Tls { tls_key: None, ..whole() }, format!("TLS_CERT is set and TLS_KEY is not; {both}")),
        (Tls { tls_cert: None, ..whole() }, format!("TLS_KEY is set and TLS_CERT is not; {both}")),
        (
            Tls { tls_cert: None, tls_key: None, ..whole() },
            "TLS_CLIENT_CA is set and TLS_CERT is not; wanted: TLS_CERT and TLS_KEY too, or none for no TLS"
                .into(),
        ),
    ] {
        assert_eq!(refused(settings).await, said);
    }
    assert!(matches!(Tls::default().open().await.unwrap(), Security::Plain));

    let roots = files.path("ca.crt");
    let wanted = "wanted: a PEM file with the certificates of those who sign the others'";
    for text in ["", "nonsense", &ca.sign(HERE).key] {
        fs::write(&roots, text).unwrap();
        assert_eq!(
            refused(whole()).await,
            format!("TLS_CLIENT_CA={} can't be used; {wanted}", roots.display())
        );
    }
    fs::remove_file(&roots).unwrap();
    let missing = refused(whole()).await;
    assert!(missing.starts_with(&format!("TLS_CLIENT_CA={} can't be read", roots.display())), "{missing}");
    fs::write(&roots, ca.pem()).unwrap();
    fs::write(files.path("tls.key"), ca.sign(HERE).key).unwrap();
    let mismatched = refused(whole()).await;
    assert!(mismatched.starts_with("TLS_KEY=") && mismatched.contains("private key"), "{mismatched}");
}

#[tokio::test]
async fn t1_who_calls_others_needs_to_tell_them_apart() {
    let ca = Authority::new();
    let files = Files::new(&ca.sign(HERE), &ca);
    let open = Security::Tls(credentials(&Tls { tls_client_ca: None, ..files.settings() }).await);
    let refused = open.connect("tiny", "localhost:1", &Metrics::default()).unwrap_err().to_string();
    assert_eq!(
        refused,
        "TLS_CERT is set and TLS_CLIENT_CA is not, so that tiny can't be told from others; wanted: a PEM file"
    );
}
