//! `<program> healthcheck`: asks the program that runs with the same settings on this machine whether it serves.
//!
//! It is for whoever starts containers: an image needs neither a shell nor `curl` for it.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::config::{Listen, Tls};
use crate::tls::Security;
use crate::transport::Transport;

/// Whoever has not answered by then does not serve.
const WITHIN: Duration = Duration::from_secs(3);

/// Whether the gRPC server that runs with these settings says that it serves: exit code 0, or 1 and one line on stderr.
/// Whoever answers at the port is believed, with TLS as without: nothing is told to them.
pub fn grpc(program: &str, listen: &Listen, tls: &Tls) -> ExitCode {
    let asked = ask(listen.bind_addr, listen.grpc_port, async |address| ask_grpc(address, tls).await);
    exit_code(program, asked)
}

/// Whether an HTTP server answers `GET /health/ready` with 200: exit code 0, or 1 and one line on stderr. `secure` makes
/// of a connection what HTTP is spoken on; `Ok` for plain HTTP.
pub fn http<S>(
    program: &str,
    address: IpAddr,
    port: u16,
    secure: impl AsyncFnOnce(TcpStream) -> io::Result<S>,
) -> ExitCode
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    exit_code(program, ask(address, port, async |address| ask_http(address, secure).await))
}

fn exit_code(program: &str, outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{program} healthcheck: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn ask(
    address: IpAddr,
    port: u16,
    how: impl AsyncFnOnce(SocketAddr) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if port == 0 {
        bail!("which port was taken for port 0 is not known here; wanted: a fixed one");
    }
    let address = SocketAddr::new(reachable(address), port);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let answer = tokio::time::timeout(WITHIN, how(address)).await;
        answer.unwrap_or_else(|_| bail!("no answer in time")).with_context(|| address.to_string())
    })
}

/// An address to call, for one to listen on.
const fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        own => own,
    }
}

async fn ask_grpc(address: SocketAddr, tls: &Tls) -> anyhow::Result<()> {
    let address = address.to_string();
    let transport = match tls.open().await? {
        Security::Plain => Transport::connect("program", &address)?,
        Security::Tls(credentials) => Transport::unchecked("program", &address, &credentials)?,
    };
    let mut client = HealthClient::new(transport);
    // The empty name is the server as a whole.
    match client.check(HealthCheckRequest::default()).await {
        Ok(answer) if answer.get_ref().status() == ServingStatus::Serving => Ok(()),
        Ok(answer) => bail!("says {}", answer.get_ref().status().as_str_name()),
        Err(status) => bail!("{}", status.message()),
    }
}

/// One request and the first line of the answer: not worth a client.
async fn ask_http<S>(
    address: SocketAddr,
    secure: impl AsyncFnOnce(TcpStream) -> io::Result<S>,
) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = secure(TcpStream::connect(address).await?).await?;
    let request = format!("GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    connection.take(64 * 1024).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let line = answer.lines().next().unwrap_or_default();
    match line.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => bail!("says {line:?}"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_for_all_is_asked_on_this_machine() {
        for (listens, asked) in
            [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("::1", "::1"), ("10.1.2.3", "10.1.2.3")]
        {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), asked);
        }
    }

    #[test]
    fn port_0_tells_nothing() {
        let error = ask(Ipv4Addr::LOCALHOST.into(), 0, async |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("port 0"), "{error}");
    }

    #[tokio::test]
    async fn only_200_is_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for (answer, says) in [
            ("HTTP/1.1 200 OK\r\n\r\nready", None),
            (
                "HTTP/1.1 503 Service Unavailable\r\n\r\n200 ",
                Some("says \"HTTP/1.1 503 Service Unavailable\""),
            ),
            ("", Some("says \"\"")),
        ] {
            let served = async {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let read = connection.read(&mut request).await.unwrap();
                assert!(request[..read].starts_with(b"GET /health/ready HTTP/1.1\r\n"));
                connection.write_all(answer.as_bytes()).await.unwrap();
            };
            let (outcome, ()) = tokio::join!(ask_http(address, async |plain| Ok(plain)), served);
            assert_eq!(outcome.err().map(|error| error.to_string()).as_deref(), says);
        }
    }
}
