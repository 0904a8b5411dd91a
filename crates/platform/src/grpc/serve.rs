//! A server over TCP.

use std::io;
use std::time::Duration;

use anyhow::Context as _;
use futures::stream::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Connected, TcpIncoming};

use super::Server;
use super::handshakes::handshakes;
use crate::tls::Credentials;

/// How long calls under way may take to finish once the server is told to stop.
const FINISH_WITHIN: Duration = Duration::from_secs(25);
/// A connection silent for so long is asked whether it still lives,
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);
/// and cut if it does not say so within this time.
const KEEPALIVE_WITHIN: Duration = Duration::from_secs(10);
/// Calls at once on one connection: above the limit of the server, so that it is the server that refuses.
const MAX_STREAMS: u32 = 1024;
/// Bytes of metadata in a request, as HTTP/2 counts them.
const MAX_HEADERS: u32 = 16 * 1024;

impl Server {
    /// Serves over TCP until the shutdown. Then it says NOT_SERVING, ends streamed answers, accepts nothing more,
    /// and waits up to 25 s for the calls under way.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
        let incoming = self.incoming(listener)?;
        self.serve_incoming(incoming, shutdown).await
    }

    /// The same by TLS: to whom these credentials trust, as far as they ask for certificates.
    pub async fn serve_secured(
        self,
        listener: TcpListener,
        credentials: &Credentials,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let incoming = handshakes(self.shared.name, self.incoming(listener)?, credentials.clone());
        self.serve_incoming(incoming, shutdown).await
    }

    fn incoming(&self, listener: TcpListener) -> anyhow::Result<TcpIncoming> {
        tracing::info!(program = self.shared.name, address = %listener.local_addr()?, "listening");
        Ok(TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(KEEPALIVE_EVERY)))
    }

    async fn serve_incoming<S>(
        self,
        incoming: impl Stream<Item = io::Result<S>>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()>
    where
        S: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    {
        let name = self.shared.name;
        let health = self.health();
        let told = shutdown.clone();
        let serving = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
            .http2_keepalive_timeout(Some(KEEPALIVE_WITHIN))
            .max_concurrent_streams(Some(MAX_STREAMS))
            .http2_max_header_list_size(Some(MAX_HEADERS))
            .serve_with_incoming_shutdown(self, incoming, async move {
                told.cancelled().await;
                health.stop();
            });
        let overdue = async {
            shutdown.cancelled().await;
            tokio::time::sleep(FINISH_WITHIN).await;
        };
        tokio::select! {
            served = serving => served.with_context(|| format!("the {name} server failed")),
            () = overdue => {
                tracing::warn!(program = name, "calls did not finish in time, dropped");
                Ok(())
            }
        }
    }
}
