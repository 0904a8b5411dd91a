//! Connections.
//!
//! Our own accept loop, since axum's sets no timeout for half-sent heads and no bound for their size.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::config::Timeouts;

/// Connections at a time; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 4096;
/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// Bytes that the head of a request may have.
const MAX_HEAD: usize = 16 * 1024;
/// A silent HTTP/2 connection is asked so often whether it still lives.
const PING_EVERY: Duration = Duration::from_secs(30);
/// The pause when the process has no file descriptor left for a new connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// Serves the router until the shutdown, then finishes what runs, within the drain timeout.
pub(crate) async fn serve(
    router: Router,
    timeouts: Timeouts,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let http = Arc::new(http(timeouts));
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let connection = Connection { http: http.clone(), router: router.clone(), peer, permit };
                connections.spawn(connection.serve(stream, timeouts.header, graceful.watcher()));
            }
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                sleep(OUT_OF_DESCRIPTORS).await;
            }
        }
    }
    drop(listener);
    if timeout(timeouts.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests cut off at shutdown");
    }
    connections.shutdown().await;
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

fn http(timeouts: Timeouts) -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(timeouts.header).max_buf_size(MAX_HEAD);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD as u32)
        .keep_alive_interval(PING_EVERY);
    http
}

/// One connection, and its place among all of them.
struct Connection {
    http: Arc<Builder<TokioExecutor>>,
    router: Router,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self, stream: TcpStream, first_within: Duration, watcher: Watcher) {
        let Self { http, router, peer, permit } = self;
        let asked = Arc::new(AtomicBool::new(false));
        let service = service_fn({
            let asked = asked.clone();
            move |mut request: Request<Incoming>| {
                asked.store(true, Ordering::Relaxed);
                request.extensions_mut().insert(ConnectInfo(peer));
                router.clone().oneshot(request.map(Body::new))
            }
        });
        let connection = http.serve_connection(TokioIo::new(stream), service).into_owned();
        let served = watcher.watch(connection);
        tokio::pin!(served);
        // hyper's header timeout begins once it knows which HTTP is spoken; a peer that does not even say that much
        // is ours to send away.
        let ended = tokio::select! {
            ended = &mut served => ended,
            () = silence(&asked, first_within) => return,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, %peer, "connection broken");
        }
        drop(permit);
    }
}

/// Resolves if nothing was asked within the time, else never.
async fn silence(asked: &AtomicBool, first_within: Duration) {
    sleep(first_within).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}
