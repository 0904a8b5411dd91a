//! Connections by TLS.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncBufReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::transport::{Channel, Endpoint};
use tower::{BoxError, ServiceExt as _, service_fn};

use super::{Error, KEEPALIVE_EVERY, endpoint};
use crate::tls::{Credentials, GRPC, Roots, connect_to_anybody};

/// What a destination is shown, and whom it must prove to be.
#[derive(Clone)]
pub(crate) enum Hands {
    /// Our certificate; the host of its address, by a certificate that is trusted.
    Ours(Credentials),
    /// Our certificate; nobody in particular.
    ToAnybody(Credentials),
    /// Nothing; the host of its address, by a certificate of these roots.
    Empty(Roots),
}

/// Connects when first called, and again when the connection is lost, with the certificates as they are then.
pub(super) fn channel(peer: &'static str, address: &str, hands: Hands) -> Result<Channel, Error> {
    let bad = || Error::BadAddress { peer, address: address.to_owned() };
    connect(peer, &endpoint(peer, "https", address)?, hands).ok_or_else(bad)
}

/// The same to any endpoint; `None` where its host is nothing that a certificate could be for.
pub(crate) fn connect(peer: &'static str, endpoint: &Endpoint, hands: Hands) -> Option<Channel> {
    let host = endpoint.uri().host()?.trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE_EVERY));
    let failing = Arc::new(AtomicBool::new(false));
    let connector = service_fn(move |uri: Uri| {
        let (tcp, hands, name, failing) = (tcp.clone(), hands.clone(), name.clone(), failing.clone());
        async move {
            let destination = uri.to_string();
            let stream = tcp.oneshot(uri).await?.into_inner();
            let shaken = hands.shake(name, stream).await;
            // Said once, not at every attempt.
            let was_failing = failing.swap(shaken.is_err(), Ordering::Relaxed);
            if let (Err(error), false) = (&shaken, was_failing) {
                tracing::warn!(peer, destination, %error, "no TLS, or a certificate that is not trusted");
            }
            Ok::<_, BoxError>(TokioIo::new(shaken?))
        }
    });
    Some(endpoint.connect_with_connector_lazy(connector))
}

impl Hands {
    async fn shake(self, name: ServerName<'static>, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let mut stream = match self {
            Self::Ours(credentials) => credentials.connect(name, stream).await?,
            Self::ToAnybody(credentials) => {
                connect_to_anybody(Some(&credentials), name, GRPC, stream).await?
            }
            // Nothing was shown that could be refused. And a proxy may speak only when it was spoken to.
            Self::Empty(roots) => return roots.connect(name, stream).await,
        };
        // In TLS 1.3 a client has shaken hands before the server has looked at its certificate. What tells is the first
        // word of the server, its settings, for which no gRPC server waits; nothing has been asked of it yet.
        match stream.fill_buf().await? {
            [] => Err(io::ErrorKind::UnexpectedEof.into()),
            [..] => Ok(stream),
        }
    }
}
