//! Connections that have shaken hands.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::ready;
use futures::stream::{Stream, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::TcpIncoming;

use crate::tls::Credentials;

/// How long a handshake may take.
const WITHIN: Duration = Duration::from_secs(5);
/// Handshakes at once: who is slow or silent holds up nobody, and a crowd of them costs no more than this.
const AT_ONCE: usize = 256;
/// Between two words on those that failed.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The connections that come in, once the other side has proved who it is. Who can't is told of in the log, once a
/// minute: a program may have been given the wrong certificate.
pub(super) fn handshakes(
    program: &'static str,
    incoming: TcpIncoming,
    credentials: Credentials,
) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> {
    let told = Arc::new(Mutex::new(None));
    incoming
        .map(move |accepted| {
            let (credentials, told) = (credentials.clone(), told.clone());
            async move {
                let stream = match accepted {
                    Ok(stream) => stream,
                    Err(error) => return Some(Err(error)),
                };
                let peer = stream.peer_addr().ok();
                let shaken = timeout(WITHIN, pin!(credentials.accept(stream))).await;
                match shaken.unwrap_or_else(|_| Err(io::Error::other("no handshake in time"))) {
                    Ok(stream) => Some(Ok(stream)),
                    Err(error) => {
                        if is_due(&told) {
                            tracing::warn!(program, ?peer, %error, "a connection without TLS, or with a certificate that is no good, was closed");
                        }
                        None
                    }
                }
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(ready)
}

fn is_due(told: &Mutex<Option<Instant>>) -> bool {
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    let is_due = told.is_none_or(|told| told.elapsed() > TELL_EVERY);
    if is_due {
        *told = Some(Instant::now());
    }
    is_due
}
