//! Requests over connections that are kept, one after the other on each.
//!
//! Written by hand so that it is faster than any server here: one that waits for its client pays for falling asleep.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, yield_now};

/// Connections that ask at the same time.
const CONNECTIONS: usize = 32;

/// Asks for `path` at least `requests` times, and says how often.
///
/// # Errors
/// An answer that is not 200.
pub(crate) async fn ask(address: SocketAddr, path: &'static str, requests: usize) -> anyhow::Result<usize> {
    let each = requests.div_ceil(CONNECTIONS);
    let mut connections = JoinSet::new();
    // Who is never asleep need not be woken: else that is what a server pays for, the more often the slower it is.
    let mut awake = JoinSet::new();
    awake.spawn(async {
        loop {
            yield_now().await;
        }
    });
    for _ in 0..CONNECTIONS {
        connections.spawn(async move {
            let mut connection = Connection::open(address).await?;
            for _ in 0..each {
                connection.get(path).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(asked) = connections.join_next().await {
        asked??;
    }
    Ok(each * CONNECTIONS)
}

/// The body of one answer, as text.
///
/// # Errors
/// An answer that is not 200.
pub(crate) async fn answer(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut connection = Connection::open(address).await?;
    connection.get(path).await?;
    Ok(String::from_utf8(connection.body)?)
}

struct Connection {
    stream: BufReader<TcpStream>,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), line: String::new(), body: Vec::new() })
    }

    /// Leaves the answer's body behind.
    async fn get(&mut self, path: &str) -> anyhow::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        let status = self.line().await?;
        anyhow::ensure!(status.starts_with("HTTP/1.1 200 "), "{path} was answered {status:?}");
        let mut length = None;
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.parse().ok();
            }
        }
        self.body.resize(length.context("an answer without its length")?, 0);
        self.stream.read_exact(&mut self.body).await?;
        Ok(())
    }

    async fn line(&mut self) -> anyhow::Result<&str> {
        self.line.clear();
        self.stream.read_line(&mut self.line).await?;
        self.line.strip_suffix("\r\n").context("an answer ended in its head")
    }
}
