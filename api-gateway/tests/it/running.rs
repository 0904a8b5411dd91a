//! A gateway behind a real port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use api_gateway::{Port, Settings, Timeouts};
use platform::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::fake::Fake;
use crate::shop::{gateway, settings};

/// When something must have happened.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) services: Fake,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: JoinHandle<anyhow::Result<()>>,
}

pub(crate) async fn serve() -> Running {
    serve_with(settings()).await
}

/// With other ends in time.
pub(crate) async fn serve_within(timeouts: Timeouts) -> Running {
    serve_with(Settings { timeouts, ..settings() }).await
}

/// With room for so many.
pub(crate) async fn serve_at_most(max_connections: usize, max_connections_per_address: usize) -> Running {
    let port = Port { max_connections, max_connections_per_address, ..Port::default() };
    serve_with(Settings { port, ..settings() }).await
}

#[expect(clippy::disallowed_methods, reason = "the test holds and awaits the handle")]
pub(crate) async fn serve_with(settings: Settings) -> Running {
    let services = Fake::default();
    let gateway = gateway(settings, &services, World::real()).await;
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(gateway.serve(listener, shutdown.clone()));
    Running { address, services, shutdown, serving }
}

/// Its sockets hold little, so that who does not read is soon found out.
fn listener() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(16 * 1024).unwrap();
    socket.bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)).unwrap();
    socket.listen(1024).unwrap()
}

impl Running {
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// From 127.0.0.`last`.
    pub(crate) async fn connect_from(&self, last: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0)).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// Sends these bytes, and reads until the connection closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // A server that has seen enough may close before it has read all.
        let _ = stream.write_all(bytes).await;
        rest(&mut stream).await
    }

    /// Whether a request of somebody else is answered.
    pub(crate) async fn answers(&self) -> bool {
        let head = b"GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        self.raw(head).await.starts_with("HTTP/1.1 200 OK\r\n")
    }
}

/// What comes until the connection closes.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.expect("the connection stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

/// One answer with a length, and the connection is there for the next.
pub(crate) async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let whole = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
        (body.len() >= length.parse().unwrap()).then(|| text.into_owned())
    };
    loop {
        if let Some(text) = whole(&bytes) {
            return text;
        }
        let read = timeout(SOON, stream.read_buf(&mut bytes)).await.expect("there is no answer").unwrap();
        assert!(read > 0, "the connection is closed after {:?}", String::from_utf8_lossy(&bytes));
    }
}
