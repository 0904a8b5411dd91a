//! The real engines under a shop of the tests: each shop has databases, topics and keys of its own there.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, LazyLock};

use sql::postgres::Scratch;
use testkit::Engine;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Who is on the engines at the moment: one test at a time, since ten programs and four engines are as much as a small
/// machine can bear, and some tests kill the engines.
static TURNS: LazyLock<Arc<Mutex<()>>> = LazyLock::new(Arc::default);

/// The engines are this test's.
pub(crate) struct Turn {
    _guard: OwnedMutexGuard<()>,
}

impl Turn {
    /// Waits until nobody else is on the engines.
    pub(crate) async fn take() -> Self {
        Self { _guard: TURNS.clone().lock_owned().await }
    }
}

/// A place of its own on each engine.
pub(crate) struct Place {
    scratch: Scratch,
    variables: BTreeMap<String, String>,
    _turn: Turn,
}

impl Place {
    /// `None` where no engines were started.
    pub(crate) async fn new() -> Option<Self> {
        // All are asked, so that all are told to be left out.
        let [postgres, mongo, redis, kafka] = Engine::ALL.map(Engine::url);
        let turn = Turn::take().await;
        let scratch = Scratch::new(&postgres?).await.unwrap();
        let (id, redis) = (scratch.name().to_owned(), redis?);
        let variables = [
            ("DATABASE_URL", scratch.server().url.clone()),
            ("MONGO_URI", mongo?),
            ("MONGO_DB_NAME", id.clone()),
            ("REDIS_URL", emptied(&redis)),
            ("KAFKA_BROKERS", kafka?),
            ("KAFKA_PREFIX", format!("{id}-")),
            ("KAFKA_PARTITIONS", "4".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        Some(Self { scratch, variables, _turn: turn })
    }

    /// The variables that lead the programs here.
    pub(crate) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Drops what can be dropped; the rest goes with the engines.
    pub(crate) async fn drop(self) {
        self.scratch.drop().await.unwrap();
    }
}

/// One of the fifteen numbered databases of a Redis that nobody else in this process has, without the keys that an
/// earlier run left there.
fn emptied(url: &str) -> String {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let number = TAKEN.fetch_add(1, Ordering::Relaxed) % 15 + 1;
    let address = url.trim_start_matches("redis://").trim_end_matches('/');
    let mut redis = TcpStream::connect(address).unwrap();
    redis.write_all(format!("SELECT {number}\r\nFLUSHDB\r\n").as_bytes()).unwrap();
    let mut answer = [0; 10];
    redis.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+OK\r\n+OK\r\n");
    format!("redis://{address}/{number}")
}
