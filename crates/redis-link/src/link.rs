//! The link as its users see it.

use std::sync::Arc;
use std::time::Duration;

use platform::config::{self, Server};
use platform::trace::store;
use redis::{
    Client, ErrorKind, FromRedisValue, IntoConnectionInfo as _, RedisError, ScriptInvocation,
    ServerErrorKind, io::tcp::TcpSettings,
};
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::gate::{Gate, Open, State};
use crate::keeper::Keeper;

/// How long an answer is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);

/// Why Redis did not do as asked. Whether it did nevertheless is not known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is gone or hangs.
    #[error("redis does not answer")]
    Down,
    /// It refuses this one call, as for a lack of memory or of rights.
    #[error("redis refuses")]
    Refused(#[source] RedisError),
}

/// Whether Redis answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does, since then.
    Up(Instant),
    /// It does not, since then.
    Down(Instant),
}

/// The way to one Redis. Clones share one connection, and a keeper that looks after it until
/// [`Link::close`], or until the last clone is gone.
#[derive(Clone)]
pub struct Link {
    gate: Gate,
    keeping: Arc<Keeping>,
}

struct Keeping {
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Stops the keeper of a link that was not closed.
    _stop: DropGuard,
}

impl Link {
    /// Makes a link, which begins to connect. A Redis that is not there is no error. Must be called inside of a
    /// tokio runtime.
    ///
    /// # Errors
    /// A URL that can't be used.
    pub fn open(server: &Server) -> Result<Self, config::Error> {
        let unusable =
            |_| server.unusable("it is no URL of a Redis", "redis://HOST:PORT or rediss://HOST:PORT");
        let nodelay = TcpSettings::default().set_nodelay(true);
        let address = server.url.as_str().into_connection_info().map_err(unusable)?.set_tcp_settings(nodelay);
        let client = Client::open(address).map_err(unusable)?;
        let (gate, stop, tasks) = (Gate::shut(), CancellationToken::new(), TaskTracker::new());
        tasks.spawn(Keeper::new(client, gate.clone(), server.variable.clone()).keep(stop.clone()));
        tasks.close();
        let _stop = stop.clone().drop_guard();
        Ok(Self { gate, keeping: Arc::new(Keeping { stop, tasks, _stop }) })
    }

    /// Runs a script. `call` is told which server process will run it, by a name that no other has, not even the same
    /// server once it was started again.
    ///
    /// # Errors
    /// See [`Error`]; within 100 ms, and at once while Redis is known not to answer.
    pub async fn run<'a, A: FromRedisValue>(
        &self,
        call: impl FnOnce(&str) -> ScriptInvocation<'a>,
    ) -> Result<A, Error> {
        let State::Open(mut open) = self.gate.state() else { return Err(Error::Down) };
        let span = store::asked("redis", "", "EVALSHA");
        let answer = self.invoke(call(&open.server), &mut open).await;
        store::answered(span, &answer);
        answer
    }

    async fn invoke<A: FromRedisValue>(
        &self,
        call: ScriptInvocation<'_>,
        open: &mut Open,
    ) -> Result<A, Error> {
        match timeout(PATIENCE, call.invoke_async(&mut open.connection)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if concerns_the_call(&error) => Err(Error::Refused(error)),
            Ok(Err(_)) | Err(_) => {
                self.gate.shut_after(open);
                Err(Error::Down)
            }
        }
    }

    /// Whether Redis answers, as far as is known.
    pub fn standing(&self) -> Standing {
        match self.gate.state() {
            State::Open(open) => Standing::Up(open.since),
            State::Shut { since } => Standing::Down(since),
        }
    }

    /// Resolves when Redis answers.
    pub async fn up(&self) {
        self.gate.opened().await;
    }

    /// Ends the keeper, and with it the link.
    pub async fn close(&self) {
        self.keeping.stop.cancel();
        self.keeping.tasks.wait().await;
    }
}

/// Whether an error is the answer to one call, and no reason to doubt the connection or the server.
fn concerns_the_call(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::ResponseError | ServerErrorKind::NoPerm)
        | ErrorKind::UnexpectedReturnType
        | ErrorKind::Client => true,
        // What the library does not know by name: these two are of the server as a whole.
        ErrorKind::Extension => !matches!(error.code(), Some("NOAUTH" | "MISCONF")),
        // Gone, loading, a replica now: another connection may lead to a better one.
        _ => false,
    }
}
