//! Opening a database: the URL, the pool, the schema.

use std::str::FromStr as _;
use std::time::Duration;

use platform::config::Server;
use platform::retry::Backoff;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgPool};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Connections of one instance: what two cores keep busy, by measurement; more only wait inside of the server.
pub(super) const CONNECTIONS: u32 = 8;

/// How long the making of a connection may take: longer than any caller waits for one.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How long a statement may run. The server ends it then, certainly without an effect.
pub(super) const STATEMENT_WITHIN: &str = "1500ms";

/// How long a statement waits for a row that another transaction changes.
const LOCK_WITHIN: &str = "1000ms";

/// How long the server keeps a transaction whose client is silent, with the rows it has locked.
const IDLE_WITHIN: &str = "5s";

/// A connection that nobody used for so long is asked whether it still lives before it is used.
const ASK_AFTER: Duration = Duration::from_secs(5);

/// How long the preparation of a schema may take, other instances' included.
const PREPARE_WITHIN: Duration = Duration::from_secs(60);

/// How long the start of a program waits for the server before it goes on without.
const FIRST_TRY_WITHIN: Duration = Duration::from_secs(3);

/// Between two attempts to reach a server.
const BACKOFF: Backoff = Backoff { base: Duration::from_millis(250), cap: Duration::from_secs(2) };

const WANTED: &str = "postgres://USER:PASSWORD@HOST:PORT/NAME";

/// Why a database can't be opened. Each is told in one line that a user can act on, without the password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is none, or has options that can't be used.
    #[error(transparent)]
    Url(#[from] platform::config::Error),
    /// The server was reached and says no: a wrong password, no such database, not allowed to.
    #[error("{variable}: the PostgreSQL server refuses: {says}")]
    Refused {
        /// The variable of the URL.
        variable: String,
        /// What the server says, without where in its source it says so.
        says: String,
    },
    /// The server can't be reached, or is not ready. Trying again may help.
    #[error("{variable}: the PostgreSQL server can't be reached")]
    Unreachable {
        /// The variable of the URL.
        variable: String,
        /// Why not.
        source: sqlx::Error,
    },
    /// The schema has migrations that this program does not know.
    #[error(
        "{variable}: the schema {schema} was written by a newer version of this program (it is {found}, the newest known here is {known})"
    )]
    Newer {
        /// The variable of the URL.
        variable: String,
        /// The schema.
        schema: &'static str,
        /// The unknown migration.
        found: i64,
        /// The newest migration of this program.
        known: i64,
    },
    /// The schema can't be brought up to date.
    #[error("{variable}: the schema {schema} can't be brought up to date")]
    Schema {
        /// The variable of the URL.
        variable: String,
        /// The schema.
        schema: &'static str,
        /// The migration that fails, and why.
        source: MigrateError,
    },
    /// There is no such schema: no shop ever used this database.
    #[error("{variable}: no shop was ever started on this database, there is no schema {schema}")]
    NoSchema {
        /// The variable of the URL.
        variable: String,
        /// The schema.
        schema: &'static str,
    },
}

impl OpenError {
    /// Whether trying again may help.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Url(_)
            | Self::Refused { .. }
            | Self::Newer { .. }
            | Self::Schema { .. }
            | Self::NoSchema { .. } => false,
        }
    }

    fn of(server: &Server, source: sqlx::Error) -> Self {
        let variable = server.variable.clone();
        if is_refusal(&source) {
            let says = match source.as_database_error() {
                Some(database) => database.message().to_owned(),
                None => source.to_string(),
            };
            Self::Refused { variable, says }
        } else {
            Self::Unreachable { variable, source }
        }
    }
}

/// Whether the server has said no for good. <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn is_refusal(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.try_downcast_ref::<PgDatabaseError>().map_or("", PgDatabaseError::code);
            // Invalid authorisation, no such database, insufficient privilege.
            code.starts_with("28") || code == "3D000" || code == "42501"
        }
        sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => true,
        _ => false,
    }
}

/// What a pool's connections may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    ReadWrite,
    ReadOnly,
}

/// A pool that connects when it is first used.
pub(super) fn pool(server: &Server, schema: &'static str, access: Access) -> Result<PgPool, OpenError> {
    let options = PgConnectOptions::from_str(&server.url)
        .map_err(|_| server.unusable("it is no URL of PostgreSQL", WANTED))?;
    let read_only = if access == Access::ReadOnly { "on" } else { "off" };
    let options = options
        .application_name(&format!("oxcart {schema}"))
        .options([
            ("search_path", schema),
            ("statement_timeout", STATEMENT_WITHIN),
            ("lock_timeout", LOCK_WITHIN),
            ("idle_in_transaction_session_timeout", IDLE_WITHIN),
            ("default_transaction_read_only", read_only),
        ])
        .disable_statement_logging();
    Ok(PgPoolOptions::new()
        // Two more: for who reads everything, and for connections that are on their way back.
        .max_connections(CONNECTIONS + 2)
        .acquire_timeout(CONNECT_WITHIN)
        // A ping before each use would cost as much as most statements.
        .test_before_acquire(false)
        .before_acquire(|connection, usage| {
            Box::pin(async move {
                if usage.idle_for > ASK_AFTER {
                    sqlx::Connection::ping(connection).await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options))
}

/// Finds out whether a schema that is only to be read can be read.
pub(super) async fn probe(pool: &PgPool, server: &Server, schema: &'static str) -> Result<(), OpenError> {
    let there: bool = sqlx::query_scalar("SELECT to_regnamespace($1) IS NOT NULL")
        .bind(schema)
        .fetch_one(pool)
        .await
        .map_err(|source| OpenError::of(server, source))?;
    if there { Ok(()) } else { Err(OpenError::NoSchema { variable: server.variable.clone(), schema }) }
}

/// A schema on its way to be up to date.
pub(super) struct Opening {
    pub(super) server: Server,
    pub(super) schema: &'static str,
    pub(super) migrations: &'static Migrator,
}

impl Opening {
    /// Connects and brings the schema up to date, within a short time if the server is silent.
    pub(super) async fn prepare(&self, pool: &PgPool) -> Result<(), OpenError> {
        let failed = |source| OpenError::of(&self.server, source);
        let connected = timeout(FIRST_TRY_WITHIN, self.connect(pool)).await;
        let connected = connected.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(failed)?;
        let prepared = timeout(PREPARE_WITHIN, self.migrate(connected)).await;
        prepared
            .unwrap_or(Err(MigrateError::Execute(sqlx::Error::PoolTimedOut)))
            .map_err(|error| self.unfit(error))
    }

    /// A connection outside of the pool, which would hide why it gets none.
    async fn connect(&self, pool: &PgPool) -> Result<sqlx::PgConnection, sqlx::Error> {
        pool.connect_options().connect().await
    }

    /// Applies what is missing in one transaction, under a lock that the other instances wait for.
    async fn migrate(&self, mut connection: sqlx::PgConnection) -> Result<(), MigrateError> {
        let mut transaction = sqlx::Connection::begin(&mut connection).await?;
        for statement in ["SET LOCAL statement_timeout = 0", "SET LOCAL lock_timeout = 0"] {
            sqlx::query(statement).execute(&mut *transaction).await?;
        }
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('oxcart migrations ' || $1, 0))")
            .bind(self.schema)
            .execute(&mut *transaction)
            .await?;
        // Asked first, since `IF NOT EXISTS` needs the right to make one even where one is there.
        let there: bool = sqlx::query_scalar("SELECT to_regnamespace($1) IS NOT NULL")
            .bind(self.schema)
            .fetch_one(&mut *transaction)
            .await?;
        if !there {
            let create = AssertSqlSafe(format!("CREATE SCHEMA \"{}\"", self.schema));
            sqlx::query(create).execute(&mut *transaction).await?;
        }
        self.migrations.run_direct(None, &mut *transaction, false).await?;
        transaction.commit().await?;
        sqlx::Connection::close(connection).await?;
        Ok(())
    }

    fn unfit(&self, source: MigrateError) -> OpenError {
        let known = self.migrations.iter().map(|migration| migration.version).max().unwrap_or(0);
        let (variable, schema) = (self.server.variable.clone(), self.schema);
        match source {
            MigrateError::VersionMissing(found) | MigrateError::VersionTooNew(found, _) if found > known => {
                OpenError::Newer { variable, schema, found, known }
            }
            MigrateError::Execute(source) => match crate::Error::from(source) {
                crate::Error::Unavailable(cause) => OpenError::Unreachable {
                    variable,
                    source: sqlx::Error::Io(std::io::Error::other(cause.to_string())),
                },
                error => {
                    OpenError::Schema { variable, schema, source: MigrateError::Source(Box::new(error)) }
                }
            },
            source => OpenError::Schema { variable, schema, source },
        }
    }

    /// Says in the log which setting names a server that is not there, or why its schema can't be used.
    pub(super) fn report(&self, error: &OpenError) {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::warn!(schema = self.schema, cause, "{error}, trying again");
    }

    /// Tries until it works.
    pub(super) async fn keep_trying(
        self,
        pool: PgPool,
        prepared: watch::Sender<bool>,
        closing: CancellationToken,
    ) {
        let mut last = String::new();
        for attempt in 0_u32.. {
            tokio::select! {
                () = closing.cancelled() => return,
                // No jitter is needed beyond what starting programs have.
                () = sleep(BACKOFF.delay(attempt, 1.0)) => {}
            }
            match self.prepare(&pool).await {
                Ok(()) => break,
                Err(error) => {
                    // Once for each reason: a server that is away for an hour is one event, not a thousand.
                    let reason = error.to_string();
                    if reason != last {
                        self.report(&error);
                        last = reason;
                    }
                }
            }
        }
        tracing::info!(schema = self.schema, "{}: the PostgreSQL server is there", self.server.variable);
        prepared.send_replace(true);
    }
}
