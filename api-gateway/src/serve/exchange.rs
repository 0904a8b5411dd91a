//! What is under way on a connection.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::Request;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::refusal::Refusal;

/// The method of the request that stands for one that was refused: no client can send it, for a method must begin
/// with a letter.
pub(super) const REFUSED: &str = "-";

/// Requests that a client may take back before they are answered, and one more for each answer.
const MAX_TAKEN_BACK: u32 = 100;

/// What the parts of a connection know of each other: the bytes, the requests, and the house that may be full.
pub(super) struct Exchange {
    state: Mutex<State>,
    refusal: OnceLock<Refusal>,
    farewell: Notify,
    enough: Notify,
}

struct State {
    /// Requests that are not answered to the last byte.
    open: usize,
    /// When the last of them was, or the peer was heard of.
    since: Instant,
    /// Requests that the client took back before they were answered, less those that it took the answer of.
    taken_back: u32,
}

impl Exchange {
    pub(super) fn new() -> Arc<Self> {
        let state = Mutex::new(State { open: 0, since: Instant::now(), taken_back: 0 });
        Arc::new(Self { state, refusal: OnceLock::new(), farewell: Notify::new(), enough: Notify::new() })
    }

    /// Something of a request has arrived.
    pub(super) fn heard(&self) {
        self.state().since = Instant::now();
    }

    /// A request, until what is returned is dropped.
    pub(super) fn request(self: &Arc<Self>) -> Open {
        self.state().open += 1;
        Open { exchange: self.clone(), delivered: false }
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

    /// Resolves when the client has taken back more requests than anybody has reason to: each costs us more than it.
    pub(super) async fn abused(&self) {
        self.enough.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is under way.
pub(super) struct Open {
    exchange: Arc<Exchange>,
    delivered: bool,
}

impl Open {
    /// Its answer has been handed over to the last byte.
    pub(super) fn delivered(&mut self) {
        self.delivered = true;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.exchange.state();
        state.open -= 1;
        state.since = Instant::now();
        state.taken_back =
            if self.delivered { state.taken_back.saturating_sub(1) } else { state.taken_back + 1 };
        if state.taken_back > MAX_TAKEN_BACK {
            self.exchange.enough.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn b3_silence_begins_anew_with_each_word_and_each_answer() {
        const LASTING: Duration = Duration::from_secs(30);
        let exchange = Exchange::new();
        let began = Instant::now();
        let talk = async {
            sleep_until(began + Duration::from_secs(20)).await;
            exchange.heard();
            sleep_until(began + Duration::from_secs(40)).await;
            let _open = exchange.request();
            sleep_until(began + Duration::from_secs(100)).await;
        };
        tokio::join!(exchange.silence(LASTING), talk);
        assert_eq!(began.elapsed().as_secs(), 130);
    }

    #[tokio::test]
    async fn b3_who_has_a_request_under_way_is_not_sent_away() {
        let exchange = Exchange::new();
        let open = exchange.request();
        exchange.send_away();
        let sent_away = tokio::time::timeout(Duration::ZERO, exchange.sent_away());
        assert!(sent_away.await.is_err());
        drop(open);
        exchange.send_away();
        exchange.sent_away().await;
    }
}
