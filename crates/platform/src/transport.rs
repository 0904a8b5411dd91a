//! The way to another service: over TCP or in this process, the same to whoever calls.

mod attempt;
pub(crate) mod secured;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use http::{HeaderValue, Request, Response, Uri};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::Service;
use tower::util::BoxCloneSyncService;

use crate::breaker::Breaker;
use crate::context::{TRACEPARENT, grpc_timeout};
use crate::grpc;
use crate::grpc::call::{is_health, too_late};
use crate::metrics::{Gauge, Metrics};
use crate::tls::Credentials;
use crate::trace::{Span, rpc};
use attempt::Attempt;
use secured::Hands;

/// A peer that does not take the connection by then can't be reached.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// A connection silent for so long is asked whether it still lives,
const KEEPALIVE_EVERY: Duration = Duration::from_secs(2);
/// and is given up if it does not say so within this time: together less than the time-outs of calls, so that what is
/// repeated goes over a new connection, and not to a machine that has gone away without a word.
const KEEPALIVE_WITHIN: Duration = Duration::from_secs(5);

/// Why a transport can't be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The list of addresses is empty.
    #[error("no address of {peer} is given; wanted: host:port, several separated by commas")]
    NoAddress {
        /// The service to be called.
        peer: &'static str,
    },
    /// One of the addresses is none.
    #[error("address {address:?} of {peer} can't be used; wanted: host:port, several separated by commas")]
    BadAddress {
        /// The service to be called.
        peer: &'static str,
        /// The address.
        address: String,
    },
    /// There is a certificate to show, and nothing that tells a server from an impostor.
    #[error(
        "TLS_CERT is set and TLS_CLIENT_CA is not, so that {peer} can't be told from others; wanted: a PEM file"
    )]
    NoRoots {
        /// The service to be called.
        peer: &'static str,
    },
}

/// The way to one service, for its generated client: `XxxClient::new(transport.clone())`. Clones share connections
/// and breakers.
///
/// A call fails with DEADLINE_EXCEEDED once its `grpc-timeout` has passed (a streamed answer must have begun by
/// then), with UNAVAILABLE at once while the breaker of every destination is open. A breaker counts only what says
/// that its destination is broken: a connection that fails, UNAVAILABLE and DEADLINE_EXCEEDED without details; never
/// an answer that the service meant. Calls of the health service pass by the breakers.
#[derive(Clone)]
pub struct Transport {
    peer: &'static str,
    destinations: Arc<[Arc<Destination>]>,
    turn: Arc<AtomicUsize>,
}

/// One address of a peer.
struct Destination {
    name: String,
    route: Route,
    breaker: Mutex<Breaker>,
    /// Where it is told whether the breaker is open.
    told: OnceLock<Gauge>,
}

#[derive(Clone)]
enum Route {
    Tcp(Channel),
    InProcess(grpc::Server),
    Over(Wire),
}

/// Anything that carries calls, as [`Transport::over`] takes it.
pub type Wire = BoxCloneSyncService<Request<Body>, Response<Body>, Status>;

impl Transport {
    /// To `host:port`, or to several, comma-separated, which take turns; one that is broken is left out. Connects
    /// when first called, and again when the connection is lost. Must be called inside a tokio runtime.
    pub fn connect(peer: &'static str, addresses: &str) -> Result<Self, Error> {
        Self::to_each(peer, addresses, |address| Ok(endpoint(peer, "http", address)?.connect_lazy()))
    }

    /// The same by TLS: a destination must show a certificate that these credentials trust, for the host of its
    /// address, and is shown theirs.
    pub fn secured(peer: &'static str, addresses: &str, credentials: &Credentials) -> Result<Self, Error> {
        if !credentials.can_connect() {
            return Err(Error::NoRoots { peer });
        }
        Self::to_each(peer, addresses, |address| {
            secured::channel(peer, address, Hands::Ours(credentials.clone()))
        })
    }

    /// The same to whoever answers, who is shown these credentials: for a program that asks itself.
    pub(crate) fn unchecked(
        peer: &'static str,
        address: &str,
        credentials: &Credentials,
    ) -> Result<Self, Error> {
        Self::to_each(peer, address, |address| {
            secured::channel(peer, address, Hands::ToAnybody(credentials.clone()))
        })
    }

    fn to_each(
        peer: &'static str,
        addresses: &str,
        channel: impl Fn(&str) -> Result<Channel, Error>,
    ) -> Result<Self, Error> {
        let destinations: Vec<Arc<Destination>> = addresses
            .split(',')
            .map(str::trim)
            .filter(|address| !address.is_empty())
            .map(|address| Ok(Destination::new(address, Route::Tcp(channel(address)?))))
            .collect::<Result<_, Error>>()?;
        if destinations.is_empty() {
            return Err(Error::NoAddress { peer });
        }
        Ok(Self { peer, destinations: destinations.into(), turn: Arc::default() })
    }

    /// To a server in this process.
    pub fn in_process(peer: &'static str, server: &grpc::Server) -> Self {
        let here = Destination::new("in process", Route::InProcess(server.clone()));
        Self { peer, destinations: Arc::new([here]), turn: Arc::default() }
    }

    /// Over several destinations that somebody else carries the calls to, one wire each: a simulated network. A status
    /// that a wire fails with counts as a connection that failed.
    ///
    /// # Panics
    /// Without a wire.
    pub fn over(peer: &'static str, wires: Vec<Wire>) -> Self {
        assert!(!wires.is_empty(), "a transport needs a destination");
        let there = wires.into_iter().map(|wire| Destination::new("over a wire", Route::Over(wire)));
        Self { peer, destinations: there.collect(), turn: Arc::default() }
    }

    /// The same, which tells there whether its breakers are open.
    #[must_use]
    pub fn counted(self, metrics: &Metrics) -> Self {
        for destination in &*self.destinations {
            let help = "Whether calls to a destination are refused since it is broken: 1, or 0.";
            let labels = [("peer", self.peer), ("destination", destination.name.as_str())];
            destination.told.get_or_init(|| metrics.gauge("oxcart_breaker_open", help, &labels));
        }
        self
    }

    /// The destination whose turn it is, leaving out those whose breaker is open.
    fn next(&self, path: &str) -> Option<Attempt> {
        let count = self.destinations.len();
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % count;
        let mut in_turn = self.destinations.iter().cycle().skip(first).take(count);
        if is_health(path) {
            in_turn.next().map(|destination| Attempt::unguarded(self.peer, destination.clone()))
        } else {
            in_turn.find_map(|destination| Attempt::begin(self.peer, destination))
        }
    }
}

impl Destination {
    fn new(name: &str, route: Route) -> Arc<Self> {
        let (breaker, told) = (Mutex::default(), OnceLock::new());
        Arc::new(Self { name: name.to_owned(), route, breaker, told })
    }
}

/// `host:port`, to be called with this scheme.
fn endpoint(peer: &'static str, scheme: &str, address: &str) -> Result<Endpoint, Error> {
    let bad = || Error::BadAddress { peer, address: address.to_owned() };
    let uri: Uri =
        format!("{scheme}://{}", address.trim_start_matches("http://")).parse().map_err(|_| bad())?;
    if uri.port_u16().is_none() || uri.path() != "/" || uri.query().is_some() {
        return Err(bad());
    }
    Ok(Endpoint::from(uri)
        .connect_timeout(CONNECT_WITHIN)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(KEEPALIVE_EVERY))
        .http2_keep_alive_interval(KEEPALIVE_EVERY)
        .keep_alive_timeout(KEEPALIVE_WITHIN)
        .keep_alive_while_idle(true))
}

impl Service<Request<Body>> for Transport {
    type Response = Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<Body>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let timeout = grpc_timeout(request.headers());
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return ready(Err(too_late())).boxed();
        }
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let span = traced(&mut request);
        match self.next(request.uri().path()) {
            Some(attempt) => attempt.send(request, deadline, span).boxed(),
            None => ready(Err(Status::unavailable(format!("{} is not available", self.peer)))).boxed(),
        }
    }
}

/// The span of a call that is made within another one. The other side goes on with it.
fn traced(request: &mut Request<Body>) -> Option<Span> {
    let path = request.uri().path();
    let span = if is_health(path) { None } else { rpc::sent(path) }?;
    if let Ok(parent) = HeaderValue::try_from(span.traceparent()) {
        request.headers_mut().insert(TRACEPARENT, parent);
    }
    Some(span)
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.destinations.iter().map(|destination| &destination.name);
        f.debug_struct("Transport").field("peer", &self.peer).field("to", &names.collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_checked_before_the_first_call() {
        for good in ["localhost:50051", "a:1, b:2,", "http://[::1]:50051"] {
            assert!(Transport::connect("cart", good).is_ok(), "{good}");
        }
        let bad = Transport::connect("cart", "localhost").unwrap_err().to_string();
        let wanted = "wanted: host:port, several separated by commas";
        assert_eq!(bad, format!("address \"localhost\" of cart can't be used; {wanted}"));
        let none = Transport::connect("cart", " , ").unwrap_err().to_string();
        assert_eq!(none, format!("no address of cart is given; {wanted}"));
        assert!(Transport::connect("cart", "localhost:50051/path").is_err());
        assert!(Transport::connect("cart", "localhost:99999").is_err());
    }
}
