//! Connections.
//!
//! Our own accept loop, since axum's sets no timeout for half-sent heads and no bound for their size or for
//! connections. What a client may do before there is a request is decided here and below: how many connections there
//! are (`places`), what bytes are a request and how long they are waited for (`wire`), how long an answer waits to be taken
//! (`patience`, `delivery`), and how a connection ends (`connection`).

mod connection;
mod delivery;
mod exchange;
mod framing;
#[cfg(test)]
mod fuzz;
mod head;
mod linger;
mod patience;
mod places;
mod probe;
mod refusal;
mod settings;
mod tls;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use platform::tls::Credentials;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::gateway::Shop;
use connection::Door;
use exchange::Exchange;
use places::Places;

pub use probe::healthcheck;
pub use settings::Port;

/// The pause when the process has no file descriptor left for a new connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);
/// Between two words on addresses with too many connections.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// A peer that is gone without a word is found out by the system: asked after this silence, so often.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

/// What the settings say of the port, ready to be served on.
pub(crate) struct Opened {
    port: Port,
    tls: Option<Credentials>,
}

/// Reads the certificate, if there is one.
///
/// # Errors
/// A certificate that can't be used.
pub(crate) async fn open(port: Port) -> anyhow::Result<Opened> {
    let tls = tls::open(&port).await?;
    Ok(Opened { port, tls })
}

impl Opened {
    /// Serves the router until the shutdown, then finishes what runs, within the drain timeout.
    pub(crate) async fn serve(
        self,
        shop: &Shop,
        router: Router,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        watch_for_dead_peers(&listener).context("the listener takes no options")?;
        let mut connections = Connections {
            door: Arc::new(Door::new(shop, router, self.tls.clone())),
            places: Places::new(&self.port, &shop.trusted_proxies, &shop.world.metrics),
            running: JoinSet::new(),
            shutdown,
            told_of_crowd: None,
        };
        let following = async {
            match &self.tls {
                Some(credentials) => credentials.follow(shop.timeouts.certificate).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = connections.accept(&listener) => {}
            never = following => match never {},
        }
        drop(listener);
        connections.drain(shop.timeouts.drain).await;
        Ok(())
    }
}

/// Accepted sockets have the options of their listener.
fn watch_for_dead_peers(listener: &TcpListener) -> io::Result<()> {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    SockRef::from(listener).set_tcp_keepalive(&keepalive)
}

struct Connections {
    door: Arc<Door>,
    places: Places,
    running: JoinSet<()>,
    shutdown: CancellationToken,
    told_of_crowd: Option<Instant>,
}

impl Connections {
    /// Lets clients in, until the shutdown.
    async fn accept(&mut self, listener: &TcpListener) {
        let shutdown = self.shutdown.clone();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(ended) = self.running.join_next_with_id() => self.forget(ended),
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.admit(stream, peer),
                    Err(error) => {
                        tracing::warn!(%error, "connection not accepted");
                        self.places.make_room();
                        sleep(OUT_OF_DESCRIPTORS).await;
                    }
                },
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.until_there_is_room() => {}
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        if !self.places.admits(peer.ip()) {
            // Not even a word: what it would cost is what is to be saved.
            self.tell_of_crowd(peer);
            return;
        }
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %peer, "connection broken");
            return;
        }
        let exchange = Exchange::new();
        let serving = self.door.clone().serve(stream, peer, exchange.clone(), self.shutdown.clone());
        let connection = self.running.spawn(serving).id();
        self.places.take(connection, peer.ip(), exchange);
    }

    /// Whoever runs this must hear of it, since a proxy may have been left out of the settings; but not of each.
    fn tell_of_crowd(&mut self, peer: SocketAddr) {
        if self.told_of_crowd.is_none_or(|told| told.elapsed() > TELL_EVERY) {
            self.told_of_crowd = Some(Instant::now());
            tracing::warn!(%peer, "connections refused: an address has MAX_CONNECTIONS_PER_ADDRESS of them");
        }
    }

    /// When the house is full, who has been silent for longest gives way to the one who has just come. Where nobody is
    /// silent, the next one waits at the door until a request has ended: none is cut off for another.
    async fn until_there_is_room(&mut self) {
        while self.places.are_exceeded() {
            self.places.make_room();
            match timeout(OUT_OF_DESCRIPTORS, self.running.join_next_with_id()).await {
                Ok(Some(ended)) => self.forget(ended),
                Ok(None) => return,
                // Somebody may be silent by now.
                Err(_elapsed) => {}
            }
        }
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let connection = match ended {
            Ok((connection, ())) => connection,
            Err(error) => {
                tracing::error!(%error, "connection failed");
                error.id()
            }
        };
        self.places.give_back(connection);
    }

    /// Every connection has heard of the shutdown, and ends with the requests that it has.
    async fn drain(mut self, within: Duration) {
        let all = async { while self.running.join_next().await.is_some() {} };
        if timeout(within, all).await.is_err() {
            tracing::warn!(connections = self.running.len(), "requests cut off at shutdown");
        }
        self.running.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn b3_a_peer_that_is_gone_is_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        watch_for_dead_peers(&listener).unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let socket = SockRef::from(&accepted);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_AFTER);
    }
}
