//! What a link's callers and its keeper have in common: whether there is a connection.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use tokio::sync::watch;
use tokio::time::Instant;

/// A connection that works.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) connection: MultiplexedConnection,
    /// Which process answers at the other end.
    pub(crate) server: Arc<str>,
    pub(crate) since: Instant,
    /// Tells connections apart, so that a call on an old one says nothing of the next.
    era: u64,
}

#[derive(Clone)]
pub(crate) enum State {
    Open(Open),
    Shut { since: Instant },
}

/// Open while Redis answers. Clones are the same gate.
#[derive(Clone)]
pub(crate) struct Gate {
    state: watch::Sender<State>,
}

impl Gate {
    pub(crate) fn shut() -> Self {
        Self { state: watch::Sender::new(State::Shut { since: Instant::now() }) }
    }

    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    pub(crate) fn open(&self, connection: MultiplexedConnection, server: Arc<str>, era: u64) {
        let open = Open { connection, server, since: Instant::now(), era };
        self.state.send_replace(State::Open(open));
    }

    /// Lets nobody pass any more, unless the connection that failed is gone already.
    pub(crate) fn shut_after(&self, failed: &Open) {
        self.state.send_if_modified(|state| match state {
            State::Open(open) if open.era == failed.era => {
                *state = State::Shut { since: Instant::now() };
                true
            }
            State::Open(_) | State::Shut { .. } => false,
        });
    }

    /// Resolves when it is open.
    pub(crate) async fn opened(&self) {
        self.wait_for(|state| matches!(state, State::Open(_))).await;
    }

    /// Resolves when it is shut.
    pub(crate) async fn closed(&self) {
        self.wait_for(|state| matches!(state, State::Shut { .. })).await;
    }

    async fn wait_for(&self, wanted: impl FnMut(&State) -> bool) {
        // The sender is here, so the channel can't close.
        let _ = self.state.subscribe().wait_for(wanted).await;
    }
}
