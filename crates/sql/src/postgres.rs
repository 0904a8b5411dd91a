//! PostgreSQL databases: a pool, a schema for each service, and transactions whose outcome is known or said to
//! be unknown.
//!
//! A server that can't be reached is no reason not to start: until it is there every call is answered with
//! [`Error::Unavailable`]. Every wait has an end, so that a caller learns of an outage within two seconds.

mod connection;
mod open;
mod scratch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platform::config::Server;
use platform::metrics::{Counted, Metrics};
use platform::trace::store;
use sqlx::migrate::Migrator;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::Error;
use connection::Pool;
pub use connection::{Connection, Transaction};
pub use open::OpenError;
#[doc(hidden)]
pub use scratch::Scratch;

/// A distance in time as it is bound to `$1 * interval '1 microsecond'`.
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// How long a call may take as a whole before its caller is told that nobody knows. Longer than any statement
/// may run ([`open::STATEMENT_WITHIN`]): only a server that is silent is cut off here.
const CALL_WITHIN: Duration = Duration::from_millis(1900);

/// How long a caller waits for a connection.
const CONNECTION_WITHIN: Duration = Duration::from_millis(1500);

/// How long a call waits for its turn while the server is busy with others.
const QUEUE_WITHIN: Duration = Duration::from_secs(5);

/// How long nobody waits for a server after somebody did so in vain: whoever tries again at once, as callers do
/// on the word that it is unavailable, is not to wait as long a second time.
const SHUT_FOR: Duration = Duration::from_millis(300);

/// An open database, or one that will be once its server is there. Clones share it.
#[derive(Debug, Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: Arc<Pool>,
    schema: &'static str,
    /// Whether the schema is up to date.
    prepared: watch::Sender<bool>,
    /// As many as there are connections: who has one finds a connection, unless the server is not there.
    places: Semaphore,
    /// Permits to make a connection in a task of its own.
    making: Arc<Semaphore>,
    /// Until when nobody waits for the server.
    shut_until: Mutex<Option<Instant>>,
    closing: CancellationToken,
}

/// Who waits for the server of a database that nobody has any more waits in vain.
impl Drop for Inner {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl Database {
    /// Opens a service's schema of a database and brings it up to date, made if it is not there. All missing
    /// migrations are applied in one transaction under a lock, so that several instances may start at once.
    ///
    /// Where the server can't be reached this is tried again, with growing pauses, until it works; a line of
    /// the log names the variable that says where the server should be. `metrics` are told how the connections are used,
    /// under the name of the schema.
    ///
    /// # Errors
    /// What trying again would not mend, see [`OpenError`].
    pub async fn open(
        server: &Server,
        schema: &'static str,
        migrations: &'static Migrator,
        metrics: &Metrics,
    ) -> Result<Self, OpenError> {
        let pool = open::pool(server, schema, open::Access::ReadWrite)?;
        let database = Self::new(Pool::new(pool, schema, metrics), schema);
        let pool = &database.inner.pool;
        let opening = open::Opening { server: server.clone(), schema, migrations };
        match opening.prepare(&pool.connections).await {
            Ok(()) => {
                database.inner.prepared.send_replace(true);
            }
            Err(error) if error.may_pass() => {
                opening.report(&error);
                let (prepared, closing) = (database.inner.prepared.clone(), database.inner.closing.clone());
                pool.tasks.spawn(opening.keep_trying(pool.connections.clone(), prepared, closing));
            }
            Err(error) => return Err(error),
        }
        Ok(database)
    }

    /// Opens a schema that exists for reading only, whether or not a shop is running on it: applies no migration.
    ///
    /// # Errors
    /// See [`OpenError`]; a server that can't be reached is one here.
    pub async fn open_read_only(server: &Server, schema: &'static str) -> Result<Self, OpenError> {
        let pool = open::pool(server, schema, open::Access::ReadOnly)?;
        let database = Self::new(Pool::new(pool, schema, &Metrics::none()), schema);
        open::probe(&database.inner.pool.connections, server, schema).await?;
        database.inner.prepared.send_replace(true);
        Ok(database)
    }

    fn new(pool: Pool, schema: &'static str) -> Self {
        let (pool, closing) = (Arc::new(pool), CancellationToken::new());
        let (prepared, _) = watch::channel(false);
        let connections = open::CONNECTIONS as usize;
        let (places, making) = (Semaphore::new(connections), Arc::new(Semaphore::new(connections)));
        let shut_until = Mutex::new(None);
        let inner = Inner { pool, schema, prepared, places, making, shut_until, closing };
        Self { inner: Arc::new(inner) }
    }

    /// Carries out one call of a store, which answers in the end; traces show it as `summary`, such as
    /// `UPDATE checkouts`: a server that went silent in the middle of it
    /// leaves the outcome [`Error::Unknown`]. Calls queue for the connections: one that waited for 5 s gives up, so
    /// that more callers than the server can serve make each other slow before they make each other fail.
    ///
    /// # Errors
    /// Those of `call`, or any [`Error`], as an `E`.
    pub async fn within<T, E>(
        &self,
        summary: &'static str,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E>
    where
        E: From<Error>,
    {
        let span = store::asked("postgresql", self.inner.schema, summary);
        let answer = self.queue(call).await;
        store::answered(span, &answer);
        answer
    }

    async fn queue<T, E>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, E>
    where
        E: From<Error>,
    {
        let counts = &self.inner.pool.counts;
        let queued = counts.wait_within(QUEUE_WITHIN, self.inner.places.acquire()).await;
        let Ok(Ok(_place)) = queued else {
            return Err(Error::unavailable("too many calls wait for the database").into());
        };
        timeout(CALL_WITHIN, call).await.unwrap_or_else(|_| {
            self.shut();
            Err(Error::unknown(format!("no answer from the database within {CALL_WITHIN:?}")).into())
        })
    }

    /// A connection, for statements that commit by themselves. The errors of one that changes something are
    /// to be made by [`Error::of_autocommit`]: a connection that breaks under it hides whether it was done.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when none can be had in time.
    pub async fn connection(&self) -> Result<Connection, Error> {
        if !*self.inner.prepared.borrow() {
            return Err(Error::unavailable("the database has not been reached yet"));
        }
        if self.lock().is_some_and(|until| Instant::now() < until) {
            return Err(Error::unavailable("the database was not there a moment ago"));
        }
        let counts = &self.inner.pool.counts;
        let _waiting = Counted::by(&counts.pending);
        match timeout(CONNECTION_WITHIN, self.acquire()).await {
            Ok(acquired) => Ok(acquired?),
            Err(late) => {
                self.shut();
                counts.timeouts.increment(1);
                Err(Error::unavailable(late))
            }
        }
    }

    /// A connection that has to be made is made to its end, even if its caller gives up before. Else a server that
    /// takes a little longer than callers wait, since they all want one at once, would make many and we keep none.
    async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        let Inner { pool, making, closing, .. } = &*self.inner;
        let must_make = pool.connections.num_idle() == 0 && pool.connections.size() < open::CONNECTIONS;
        let Some(permit) = must_make.then(|| making.clone().try_acquire_owned().ok()).flatten() else {
            return pool.clone().lend().await;
        };
        let (lent, closing) = (pool.clone().lend(), closing.clone());
        let (hand_over, handed) = oneshot::channel();
        pool.tasks.spawn(async move {
            let _permit = permit;
            tokio::select! {
                () = closing.cancelled() => {}
                // Where nobody takes it any more it goes back to the pool, for the next one.
                made = lent => drop(hand_over.send(made)),
            }
        });
        handed.await.unwrap_or(Err(sqlx::Error::PoolClosed))
    }

    fn shut(&self) {
        *self.lock() = Some(Instant::now() + SHUT_FOR);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.inner.shut_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a transaction (READ COMMITTED). Dropped without [`Transaction::commit`] it is undone.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no connection can be had in time.
    pub async fn begin(&self) -> Result<Transaction, Error> {
        Transaction::begin(self.connection().await?).await
    }

    /// Begins a transaction that sees everything as of one moment and changes nothing, however long it takes:
    /// for audits.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no connection can be had in time.
    pub async fn moment(&self) -> Result<Transaction, Error> {
        let mut transaction = self.begin().await?;
        for statement in
            ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", "SET LOCAL statement_timeout = 0"]
        {
            sqlx::query(statement).execute(&mut *transaction).await?;
        }
        Ok(transaction)
    }

    /// Whether the schema is up to date and the server answers at this moment.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when not.
    pub async fn ping(&self) -> Result<(), Error> {
        let answer = async {
            sqlx::query("SELECT 1").execute(&mut *self.connection().await?).await?;
            Ok(())
        };
        self.queue(answer).await
    }

    /// The service's schema.
    pub fn schema(&self) -> &'static str {
        self.inner.schema
    }

    /// Waits for the connections in use, then closes all. Later calls are answered with [`Error::Unavailable`].
    pub async fn close(&self) {
        let Inner { pool, closing, .. } = &*self.inner;
        closing.cancel();
        pool.tasks.close();
        pool.tasks.wait().await;
        // A server that is silent must not keep us: what it did not answer it will not answer now.
        let _ = timeout(CALL_WITHIN, pool.connections.close()).await;
        pool.look();
    }
}
