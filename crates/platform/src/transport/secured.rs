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
use tonic::transport::Channel;
use tower::{BoxError, ServiceExt as _, service_fn};

use super::{Error, KEEPALIVE_EVERY, endpoint};
use crate::tls::{Credentials, GRPC, connect_to_anybody};

/// Whom a destination must prove to be.
#[derive(Clone, Copy)]
pub(super) enum Whom {
    /// The host of its address, by a certificate that is trusted.
    Trusted,
    /// Nobody in particular.
    Anybody,
}

/// Connects when first called, and again when the connection is lost, with the certificates as they are then.
pub(super) fn channel(
    peer: &'static str,
    address: &str,
    credentials: &Credentials,
    whom: Whom,
) -> Result<Channel, Error> {
    let endpoint = endpoint(peer, "https", address)?;
    let bad = || Error::BadAddress { peer, address: address.to_owned() };
    let host = endpoint.uri().host().ok_or_else(bad)?.trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(|_| bad())?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE_EVERY));
    let hands = Hands { name, credentials: credentials.clone(), whom };
    let failing = Arc::new(AtomicBool::new(false));
    let connector = service_fn(move |uri: Uri| {
        let (tcp, hands, failing) = (tcp.clone(), hands.clone(), failing.clone());
        async move {
            let destination = uri.to_string();
            let stream = tcp.oneshot(uri).await?.into_inner();
            let shaken = hands.shake(stream).await;
            // Said once, not at every attempt.
            let was_failing = failing.swap(shaken.is_err(), Ordering::Relaxed);
            if let (Err(error), false) = (&shaken, was_failing) {
                tracing::warn!(peer, destination, %error, "no TLS, or a certificate that is not trusted");
            }
            Ok::<_, BoxError>(TokioIo::new(shaken?))
        }
    });
    Ok(endpoint.connect_with_connector_lazy(connector))
}

#[derive(Clone)]
struct Hands {
    name: ServerName<'static>,
    credentials: Credentials,
    whom: Whom,
}

impl Hands {
    async fn shake(self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let mut stream = match self.whom {
            Whom::Trusted => self.credentials.connect(self.name, stream).await?,
            Whom::Anybody => connect_to_anybody(Some(&self.credentials), self.name, GRPC, stream).await?,
        };
        // In TLS 1.3 a client has shaken hands before the server has looked at its certificate. What tells is the first
        // word of the server, its settings, for which no gRPC server waits; nothing has been asked of it yet.
        match stream.fill_buf().await? {
            [] => Err(io::ErrorKind::UnexpectedEof.into()),
            [..] => Ok(stream),
        }
    }
}
