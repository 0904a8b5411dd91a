//! The connections that only read.

use std::ops::{Deref, DerefMut};
use std::path::Path;

use platform::metrics::{Connections, Counted, Gauge, Metrics};
use platform::trace::Span;
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, SqlitePool};

use super::{name, open};

/// The pool of a file's readers, which says how they are used.
#[derive(Debug)]
pub(super) struct Readers {
    pool: SqlitePool,
    counts: Connections,
}

impl Readers {
    /// Those of this file, none of which is there yet.
    pub(super) fn new(path: &Path, metrics: &Metrics) -> Self {
        let options = open::readers();
        let counts = Connections::new(metrics, name(path), options.get_max_connections());
        let idle = counts.idle.clone();
        // Once made they stay, so that one is idle from here until the pool is closed, whenever it is not in use.
        let options = options.after_connect(move |_, _| {
            idle.increment(1.0);
            Box::pin(async { Ok(()) })
        });
        Self { pool: options.connect_lazy_with(open::reader(path)), counts }
    }

    /// One for who waits for his turn; `span` is for as long as he has it.
    pub(super) async fn take(&self, span: Option<Span>) -> Result<Reading, sqlx::Error> {
        let taken = self.counts.wait(self.pool.acquire()).await;
        if matches!(taken, Err(sqlx::Error::PoolTimedOut)) {
            self.counts.timeouts.increment(1);
        }
        let connection = taken?;
        self.counts.idle.decrement(1.0);
        let _use = Use { _used: Counted::by(&self.counts.used), idle: self.counts.idle.clone() };
        Ok(Reading { _use, connection, _span: span })
    }

    /// Waits for those in use, then closes all.
    pub(super) async fn close(&self) {
        self.pool.close().await;
        self.counts.idle.set(0.0);
    }
}

/// A connection that can only read, until it is dropped.
pub struct Reading {
    /// Before the connection: once the pool is closed, nothing is idle.
    _use: Use,
    connection: PoolConnection<Sqlite>,
    _span: Option<Span>,
}

impl Deref for Reading {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Reading {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// The time from when a reader is taken until it is given back.
struct Use {
    _used: Counted,
    idle: Gauge,
}

impl Drop for Use {
    fn drop(&mut self) {
        self.idle.increment(1.0);
    }
}
