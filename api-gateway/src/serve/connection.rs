//! One connection, from the handshake to the end.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use platform::tls::Credentials;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::delivery::{Deliveries, Sent};
use super::exchange::Exchange;
use super::wire::Wire;
use super::{head, refusal};
use crate::config::Timeouts;
use crate::gateway::Shop;

/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// Bytes of bodies that may wait in one HTTP/2 connection, and in one of its requests.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const STREAM_WINDOW: u32 = 64 * 1024;
/// Requests that an HTTP/2 client may take back before they are looked at.
const MAX_RESETS: usize = 20;
/// Mistakes on the level of frames that an HTTP/2 client may make.
const MAX_MISTAKES: usize = 100;

/// What all connections are served with.
pub(super) struct Door {
    http: Builder<Deliveries>,
    router: Router,
    refusals: Router,
    timeouts: Timeouts,
    tls: Option<Credentials>,
}

impl Door {
    pub(super) fn new(shop: &Shop, router: Router, tls: Option<Credentials>) -> Self {
        Self {
            http: http(shop.timeouts),
            router,
            refusals: refusal::refusals(shop),
            timeouts: shop.timeouts,
            tls,
        }
    }

    /// Serves the connection until it ends, is silent for too long, or makes room for another.
    pub(super) async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        exchange: Arc<Exchange>,
        shutdown: CancellationToken,
    ) {
        let served = async {
            let Some(tls) = &self.tls else { return self.converse(stream, peer, &exchange, shutdown).await };
            match timeout(self.timeouts.header, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.converse(stream, peer, &exchange, shutdown).await,
                Ok(Err(error)) => tracing::debug!(%error, %peer, "no TLS"),
                Err(_elapsed) => tracing::debug!(%peer, "no TLS in time"),
            }
        };
        tokio::select! {
            () = served => {}
            () = exchange.abused() => tracing::info!(%peer, "connection closed: too many requests taken back"),
            () = exchange.sent_away() => tracing::debug!(%peer, "connection made room for another"),
        }
    }

    async fn converse<S>(
        &self,
        stream: S,
        peer: SocketAddr,
        exchange: &Arc<Exchange>,
        shutdown: CancellationToken,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|mut request: Request<Incoming>| {
            let open = exchange.request();
            let router = match exchange.refusal(&request) {
                Some(refusal) => {
                    request.extensions_mut().insert(refusal);
                    &self.refusals
                }
                None => &self.router,
            };
            request.extensions_mut().insert(ConnectInfo(peer));
            let answer = router.clone().oneshot(request.map(Body::new));
            async move { answer.await.map(|answer| answer.map(|body| Sent::new(body, open))) }
        });
        let wire = Wire::new(stream, self.timeouts, exchange.clone());
        let connection = self.http.serve_connection(TokioIo::new(wire), service);
        tokio::pin!(connection);

        // Who was asked to end is given a moment more for it.
        let (mut patience, mut asked_to_end) = (self.timeouts.idle, false);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(error, %peer, "connection broken");
                    }
                    return;
                }
                () = exchange.silence(patience) => {
                    if asked_to_end && patience > self.timeouts.idle {
                        return;
                    }
                    patience += self.timeouts.write;
                }
                () = shutdown.cancelled(), if !asked_to_end => {}
            }
            asked_to_end = true;
            connection.as_mut().graceful_shutdown();
        }
    }
}

fn http(timeouts: Timeouts) -> Builder<Deliveries> {
    let mut http = Builder::new(Deliveries { limit: timeouts.write });
    // Heads reach hyper whole, see `Wire`: neither their times nor their sizes are left to it.
    http.http1().header_read_timeout(None).max_headers(head::MAX_FIELDS).max_buf_size(2 * head::MAX_BYTES);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(head::MAX_BYTES as u32)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(STREAM_WINDOW)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_MISTAKES)
        // A connection with requests may be silent, but must live.
        .keep_alive_interval(timeouts.idle)
        .keep_alive_timeout(timeouts.write);
    http
}
