//! From a URI to carts that can be used, at once or once the server is there.

use std::sync::Arc;
use std::time::Duration;

use bson::doc;
use mongodb::error::{Error as Driver, ErrorKind};
use mongodb::options::{
    ClientOptions, CollectionOptions, IndexOptions, ReadConcern, ReadPreference, SelectionCriteria,
    WriteConcern,
};
use mongodb::{Client, Collection, Database, IndexModel};
use platform::config::{self, Server};
use platform::metrics::{Connections, Metrics};
use platform::retry::Backoff;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Mongo, Reached, SCHEMA, Stored, errors, pool};
use crate::cart::LIFETIME;

/// For finding a server, and for connecting to it.
const REACH_WITHIN: Duration = Duration::from_secs(1);
/// For everything that a first contact consists of.
const PREPARE_WITHIN: Duration = Duration::from_secs(5);
/// How long the server may wait for its majority.
const MAJORITY_WITHIN: Duration = Duration::from_millis(1500);
/// What metrics call the driver's connections.
const POOL: &str = "cart";
/// Connections: of a cart's calls each has at most one operation under way.
const CONNECTIONS: u32 = 16;

const AGAIN: Backoff = Backoff { base: Duration::from_millis(200), cap: Duration::from_secs(5) };

/// What `MONGO_URI` is to be.
const WANTED: &str = "mongodb://USER:PASSWORD@HOST:PORT or mongodb+srv://USER:PASSWORD@HOST";

/// Why carts in MongoDB can't be opened. Each names the setting, none shows its value.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The setting is no URI of a MongoDB.
    #[error(transparent)]
    Unusable(#[from] config::Error),
    /// The server is there and says no, as to wrong credentials.
    #[error("{variable}: the server refuses: {said}")]
    Refused {
        /// The setting.
        variable: String,
        /// What the server said.
        said: String,
    },
    /// The carts were written by a newer version of this program, which this one would not understand.
    #[error("{variable}: the carts have schema {found}, this version knows up to {SCHEMA}: run a newer one")]
    Newer {
        /// The setting.
        variable: String,
        /// The schema of the carts.
        found: i32,
    },
    /// The server can't be reached. Only who came to look at carts is told so.
    #[error("{variable}: the server is out of reach")]
    Unreachable {
        /// The setting.
        variable: String,
        /// What the driver says.
        #[source]
        cause: Driver,
    },
}

/// What is known of the carts as a whole.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    #[serde(rename = "_id")]
    id: String,
    schema: i32,
}

const MARKER: &str = "carts";

/// Why a first contact failed.
enum Failure {
    /// Before anything was sent: the URI can't be used, unless its host is looked up in DNS.
    Uri(Driver),
    Newer(i32),
    Driver(Driver),
}

impl From<Driver> for Failure {
    fn from(error: Driver) -> Self {
        Self::Driver(error)
    }
}

impl Mongo {
    /// Opens the carts in this database. A server that is out of reach is no error: it is tried again and again,
    /// and until then carts are unavailable. `metrics` are told how its connections are used.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(server: &Server, database: &str, metrics: &Metrics) -> Result<Self, OpenError> {
        let mongo = Self::unreached();
        match reach(server, database, metrics, prepare).await {
            Ok(reached) => mongo.ready(reached),
            Err(error @ OpenError::Unreachable { .. }) => {
                let OpenError::Unreachable { cause, .. } = &error else { return Err(error) };
                tracing::warn!(%cause, "{error}, carts are not available until it is there");
                let (server, database) = (server.clone(), database.to_owned());
                let attempts = mongo.clone().reach_later(server, database, metrics.clone());
                let stop = mongo.stop.clone();
                mongo.tasks.spawn(async move { stop.run_until_cancelled(attempts).await });
            }
            Err(error) => return Err(error),
        }
        Ok(mongo)
    }

    /// Opens the carts in this database to look at them: makes nothing, and does not wait for a server.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_read_only(server: &Server, database: &str) -> Result<Self, OpenError> {
        let mongo = Self::unreached();
        mongo.ready(reach(server, database, &Metrics::none(), check).await?);
        Ok(mongo)
    }

    fn unreached() -> Self {
        let places = Arc::new(Semaphore::new(CONNECTIONS as usize));
        Self { reached: Arc::default(), places, stop: CancellationToken::new(), tasks: TaskTracker::new() }
    }

    fn ready(&self, reached: Reached) {
        // Not set before: a value is opened by one task.
        let _ = self.reached.set(reached);
    }

    /// Tries until the server is there.
    async fn reach_later(self, server: Server, database: String, metrics: Metrics) {
        let mut told = String::new();
        for attempt in 0.. {
            sleep(AGAIN.delay(attempt, rand::random())).await;
            match reach(&server, &database, &metrics, prepare).await {
                Ok(reached) => {
                    tracing::info!("{}: the server is there, carts are available", server.variable);
                    return self.ready(reached);
                }
                // Known already.
                Err(OpenError::Unreachable { .. }) => {}
                Err(error) if error.to_string() == told => {}
                Err(error) => {
                    told = error.to_string();
                    tracing::error!("{told}");
                }
            }
        }
    }
}

/// Connects, and does what `contact` does before carts are used.
async fn reach(
    server: &Server,
    database: &str,
    metrics: &Metrics,
    contact: impl AsyncFnOnce(&Database) -> Result<(), Failure>,
) -> Result<Reached, OpenError> {
    let reached = async {
        let mut options = ClientOptions::parse(&server.url).await.map_err(Failure::Uri)?;
        options.app_name.get_or_insert_with(|| "cart-service".to_owned());
        options.connect_timeout.get_or_insert(REACH_WITHIN);
        options.server_selection_timeout.get_or_insert(REACH_WITHIN);
        let counts = Connections::new(metrics, POOL, *options.max_pool_size.get_or_insert(CONNECTIONS));
        options.cmap_event_handler = Some(pool::told(counts.clone()));
        let client = Client::with_options(options).map_err(Failure::Uri)?;
        let database = client.database(database);
        contact(&database).await?;
        Ok(Reached { client, carts: carts(&database), counts })
    };
    let late = |_| Failure::Driver(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
    let reached = timeout(PREPARE_WITHIN, reached).await.map_err(late).and_then(|reached| reached);
    reached.map_err(|failure| failure.into_error(server))
}

impl Failure {
    fn into_error(self, server: &Server) -> OpenError {
        let variable = server.variable.clone();
        match self {
            Self::Newer(found) => OpenError::Newer { variable, found },
            Self::Uri(error) if !matches!(error.kind.as_ref(), ErrorKind::DnsResolve { .. }) => {
                // What the driver says may repeat a part of the URI.
                server.unusable("it is no URI of a MongoDB", WANTED).into()
            }
            Self::Driver(error) if errors::is_refusal(&error) => {
                OpenError::Refused { variable, said: errors::said(&error) }
            }
            Self::Uri(cause) | Self::Driver(cause) => OpenError::Unreachable { variable, cause },
        }
    }
}

/// Makes the database what the store needs. Several instances may do so at once.
async fn prepare(database: &Database) -> Result<(), Failure> {
    check(database).await?;
    warn_of_races(database).await;
    let carts = carts(database);
    let one_per_user = IndexOptions::builder().unique(true).build();
    let by_user = IndexModel::builder().keys(doc! { "user_id": 1 }).options(one_per_user).build();
    carts.create_index(by_user).await?;
    let expiring = IndexOptions::builder().expire_after(LIFETIME).build();
    let by_age = IndexModel::builder().keys(doc! { "updated_at": 1 }).options(expiring).build();
    match carts.create_index(by_age).await {
        Ok(_) => {}
        Err(error) if errors::is_not_implemented(&error) => {
            tracing::info!("the server does not remove expired carts by itself, so they are swept");
        }
        Err(error) => return Err(error.into()),
    }
    let (marker, schema) = (doc! { "_id": MARKER }, doc! { "$max": { "schema": SCHEMA } });
    match marks(database).update_one(marker, schema).upsert(true).await {
        // Another instance has just marked it.
        Err(error) if !errors::is_duplicate_key(&error) => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// FerretDB 1 finds and changes a document in two steps. Within a process changes of one cart queue, so one instance
/// is safe; of several, one may overwrite what another has just stored.
async fn warn_of_races(database: &Database) {
    // Who may not ask is not told.
    let Ok(about) = database.run_command(doc! { "buildInfo": 1 }).await else { return };
    if let Ok(version) = about.get_str("ferretdbVersion")
        && version.starts_with("v1.")
        && !version.ends_with("-atomic")
    {
        tracing::warn!(version, "FerretDB 1 has no atomic updates: run no more than one cart-service on it");
    }
}

/// That this version understands what is there.
async fn check(database: &Database) -> Result<(), Failure> {
    let marker = marks(database).find_one(doc! { "_id": MARKER }).await?;
    match marker {
        Some(marker) if marker.schema > SCHEMA => Err(Failure::Newer(marker.schema)),
        Some(_) | None => Ok(()),
    }
}

fn marks(database: &Database) -> Collection<Marker> {
    database.collection_with_options("meta", safe())
}

fn carts(database: &Database) -> Collection<Stored> {
    database.collection_with_options("carts", safe())
}

/// What a majority has can't be lost when another server takes over. Whatever the URI says.
fn safe() -> CollectionOptions {
    let mut majority = WriteConcern::majority();
    majority.w_timeout = Some(MAJORITY_WITHIN);
    CollectionOptions::builder()
        .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
        .read_concern(ReadConcern::majority())
        .write_concern(majority)
        .build()
}
