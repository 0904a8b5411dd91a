//! A connection on loan from the pool, and its way back.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Executor as _, PgConnection, Postgres};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::{Error, error};

/// How long a connection may take to answer what its last user did not wait for. Longer than any statement may
/// run: one that is not through by then belongs to a server that is gone without a word.
const BACK_WITHIN: Duration = Duration::from_secs(2);

/// A connection on loan: given back when it is dropped, whatever it was doing.
#[derive(Debug)]
pub struct Connection {
    /// Absent only while it is dropped.
    loan: Option<PoolConnection<Postgres>>,
    returns: TaskTracker,
    /// Whether a transaction is to be undone first.
    in_transaction: bool,
}

impl Connection {
    pub(super) fn new(loan: PoolConnection<Postgres>, returns: TaskTracker) -> Self {
        Self { loan: Some(loan), returns, in_transaction: false }
    }
}

impl Deref for Connection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.loan.as_ref().expect("it is there until it is dropped")
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.loan.as_mut().expect("it is there until it is dropped")
    }
}

/// The pool's own way back waits for the server for as long as the operating system keeps trying, a quarter of
/// an hour, and holds the place in the pool meanwhile: sixteen calls to a server that fell silent would use it up.
impl Drop for Connection {
    fn drop(&mut self) {
        let (Some(mut loan), Ok(runtime)) = (self.loan.take(), Handle::try_current()) else { return };
        let in_transaction = self.in_transaction;
        let back = async move {
            if in_transaction && loan.execute("ROLLBACK").await.is_err() {
                loan.close_on_drop();
                return;
            }
            loan.return_to_pool().await;
        };
        // One that is late is dropped, which closes it and frees its place.
        self.returns.spawn_on(async move { drop(timeout(BACK_WITHIN, back).await) }, &runtime);
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
