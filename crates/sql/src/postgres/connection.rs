//! A connection on loan from the pool, and its way back.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use platform::metrics::{Connections, Counted, Metrics, count};
use sqlx::pool::PoolConnection;
use sqlx::{Executor as _, PgConnection, PgPool, Postgres};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::{Error, error};

/// How long a connection may take to answer what its last user did not wait for. Longer than any statement may
/// run: one that is not through by then belongs to a server that is gone without a word.
const BACK_WITHIN: Duration = Duration::from_secs(2);

/// Where connections come from and go back to.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) connections: PgPool,
    pub(super) counts: Connections,
    /// Owns the task that waits for the server, and the connections on their way here and back.
    pub(super) tasks: TaskTracker,
}

impl Pool {
    pub(super) fn new(connections: PgPool, schema: &str, metrics: &Metrics) -> Self {
        let counts = Connections::new(metrics, schema, connections.options().get_max_connections());
        Self { connections, counts, tasks: TaskTracker::new() }
    }

    /// Waits for a connection, one that is made now if need be.
    pub(super) async fn lend(self: Arc<Self>) -> Result<Connection, sqlx::Error> {
        let loan = self.connections.acquire().await?;
        let used = Counted::by(&self.counts.used);
        self.look();
        Ok(Connection { loan: Some((loan, used)), pool: self, in_transaction: false })
    }

    /// Notes how many are idle. The pool closes such as nobody used for long without a word, which is seen with the next
    /// use: a few seconds later, since the health of a service is asked for all the time.
    pub(super) fn look(&self) {
        self.counts.idle.set(count(self.connections.num_idle() as u64));
    }
}

/// A connection on loan: given back when it is dropped, whatever it was doing.
#[derive(Debug)]
pub struct Connection {
    /// Absent only while it is dropped.
    loan: Option<(PoolConnection<Postgres>, Counted)>,
    pool: Arc<Pool>,
    /// Whether a transaction is to be undone first.
    in_transaction: bool,
}

impl Deref for Connection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        let (connection, _) = self.loan.as_ref().expect("it is there until it is dropped");
        connection
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        let (connection, _) = self.loan.as_mut().expect("it is there until it is dropped");
        connection
    }
}

/// The pool's own way back waits for the server for as long as the operating system keeps trying, a quarter of
/// an hour, and holds the place in the pool meanwhile: sixteen calls to a server that fell silent would use it up.
impl Drop for Connection {
    fn drop(&mut self) {
        let (Some((mut loan, used)), Ok(runtime)) = (self.loan.take(), Handle::try_current()) else { return };
        let in_transaction = self.in_transaction;
        let back = async move {
            if in_transaction && loan.execute("ROLLBACK").await.is_err() {
                loan.close_on_drop();
                return;
            }
            loan.return_to_pool().await;
        };
        let pool = self.pool.clone();
        let returned = async move {
            // One that is late is dropped, which closes it and frees its place.
            drop(timeout(BACK_WITHIN, back).await);
            drop(used);
            pool.look();
        };
        self.pool.tasks.spawn_on(returned, &runtime);
    }
}

/// A transaction under way: a connection for its statements. Dropped, it is undone.
#[derive(Debug)]
pub struct Transaction(Connection);

impl Transaction {
    pub(super) async fn begin(mut connection: Connection) -> Result<Self, Error> {
        connection.in_transaction = true;
        connection.execute("BEGIN").await?;
        Ok(Self(connection))
    }

    /// Makes its changes durable.
    ///
    /// # Errors
    /// [`Error::Conflict`] for a constraint that is checked at the end, [`Error::Unavailable`] when the server
    /// undid it, [`Error::Unknown`] when the connection broke.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.0.execute("COMMIT").await.map_err(error::of_postgres_commit)?;
        self.0.in_transaction = false;
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}
