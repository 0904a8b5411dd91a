//! What is under way on a connection.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::refusal::Refusal;

/// The method of the request that stands for one that was refused: no client can send it, for a method must begin
/// with a letter.
pub(super) const REFUSED: &str = "-";

/// What the parts of a connection know of each other: the bytes, the requests, and the house that may be full.
pub(super) struct Exchange {
    state: Mutex<State>,
    refusal: OnceLock<Refusal>,
    farewell: Notify,
}

struct State {
    /// Requests that are not answered to the last byte.
    open: usize,
    /// When the last of them was, or the peer was heard of.
    since: Instant,
}

impl Exchange {
    pub(super) fn new() -> Arc<Self> {
        let state = Mutex::new(State { open: 0, since: Instant::now() });
        Arc::new(Self { state, refusal: OnceLock::new(), farewell: Notify::new() })
    }

    /// Something of a request has arrived.
    pub(super) fn heard(&self) {
        self.state().since = Instant::now();
    }

    /// A request, until what is returned is dropped.
    pub(super) fn request(self: &Arc<Self>) -> Open {
        self.state().open += 1;
        Open(self.clone())
    }

    /// Since when no request has been under way.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.open == 0).then_some(state.since)
    }

    /// Resolves once no request has been under way for so long.
    pub(super) async fn silence(&self, lasting: Duration) {
        loop {
            let enough = self.silent_since().unwrap_or_else(Instant::now) + lasting;
            sleep_until(enough).await;
            if self.silent_since().is_some_and(|since| since + lasting <= enough) {
                return;
            }
        }
    }

    /// The next request is not the client's, but stands for one that was refused.
    pub(super) fn refuse(&self, refusal: Refusal) {
        let _ = self.refusal.set(refusal);
    }

    /// Why the request was refused, if it stands for such a one.
    pub(super) fn refusal<B>(&self, request: &Request<B>) -> Option<Refusal> {
        self.refusal.get().copied().filter(|_| request.method() == REFUSED)
    }

    /// Asks the connection to make room.
    pub(super) fn send_away(&self) {
        self.farewell.notify_one();
    }

    /// Resolves when room is needed and no request is under way.
    pub(super) async fn sent_away(&self) {
        loop {
            self.farewell.notified().await;
            if self.silent_since().is_some() {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is under way.
pub(super) struct Open(Arc<Exchange>);

impl Open {
    /// The body, with which the request ends.
    pub(super) fn until_sent(self, body: Body) -> Sent {
        Sent { body, _open: self }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.open -= 1;
        state.since = Instant::now();
    }
}

/// The body of an answer, until it is sent or given up.
pub(super) struct Sent {
    body: Body,
    _open: Open,
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
