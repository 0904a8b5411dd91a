//! The real engines, where `deployments/engines.sh up` has started them.
//!
//! A test asks for the address of its engine and returns at once where there is none:
//!
//! ```
//! use testkit::Engine;
//!
//! fn a_test() {
//!     let Some(_url) = Engine::Redis.url() else { return };
//! }
//! ```

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// The variable that names the directory of the engines.
pub const DIRECTORY: &str = "OXCART_ENGINES";

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// MongoDB, or a server that speaks its protocol.
    Mongo,
    /// Redis.
    Redis,
    /// Kafka.
    Kafka,
}

/// Engines whose absence was told already: once in a process is enough.
static TOLD: Mutex<BTreeSet<Engine>> = Mutex::new(BTreeSet::new());

impl Engine {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Postgres, Self::Mongo, Self::Redis, Self::Kafka];

    /// As `deployments/engines.sh` calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mongo => "mongo",
            Self::Redis => "redis",
            Self::Kafka => "kafka",
        }
    }

    /// The variable of the programs that says where it is.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "DATABASE_URL",
            Self::Mongo => "MONGO_URI",
            Self::Redis => "REDIS_URL",
            Self::Kafka => "KAFKA_BROKERS",
        }
    }

    /// Where the engine is, and a note that the calling test ran on it. `None` where no engines were started,
    /// which is said once, past the test harness that would swallow it.
    ///
    /// # Panics
    /// Where a continuous integration (`CI` is set) has started none: there, what is left out is missing.
    #[expect(clippy::panic, reason = "a test that may not be left out has failed")]
    pub fn url(self) -> Option<String> {
        let Some(directory) =
            std::env::var_os(DIRECTORY).filter(|value| !value.is_empty()).map(PathBuf::from)
        else {
            let how = format!("run deployments/engines.sh up and set {DIRECTORY}=target/engines");
            assert!(std::env::var_os("CI").is_none(), "{} is not there: {how}", self.name());
            let first = TOLD.lock().is_ok_and(|mut told| told.insert(self));
            if first {
                // In one piece: other tests write too.
                let line = format!("left out: what needs {}; to include it, {how}\n", self.name());
                let _ = std::io::stderr().write_all(line.as_bytes());
            }
            return None;
        };
        self.note(&directory);
        let text = fs::read_to_string(repository(&directory).join("env"));
        let text = text.unwrap_or_else(|error| panic!("{}/env: {error}", directory.display()));
        let line = format!("export {}=", self.variable());
        let found = text.lines().find_map(|text| text.strip_prefix(line.as_str()));
        Some(
            found.unwrap_or_else(|| panic!("no {} in {text}", self.variable())).trim_matches('\'').to_owned(),
        )
    }

    /// Kills it with SIGKILL.
    ///
    /// # Panics
    /// When that does not work.
    pub fn kill(self) {
        self.script("kill");
    }

    /// Freezes it with SIGSTOP.
    ///
    /// # Panics
    /// When that does not work.
    pub fn freeze(self) {
        self.script("freeze");
    }

    /// Lets it go on after [`Engine::freeze`].
    ///
    /// # Panics
    /// When that does not work.
    pub fn thaw(self) {
        self.script("thaw");
    }

    /// Starts it again on its data, and waits until it answers.
    ///
    /// # Panics
    /// When that does not work.
    pub fn start(self) {
        self.script("start");
    }

    fn script(self, verb: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deployments/engines.sh");
        let directory = std::env::var_os(DIRECTORY).unwrap_or_default();
        let status = Command::new(script)
            .args([verb, self.name()])
            .env("ENGINES_DIR", repository(Path::new(&directory)))
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.is_ok_and(|status| status.success()), "engines.sh {verb} {} failed", self.name());
    }

    /// Tests run at once and in many processes: a line in one write is not torn apart.
    fn note(self, directory: &Path) {
        let directory = repository(directory).join("ran");
        let test = std::thread::current().name().unwrap_or("main").to_owned();
        let crate_name = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
        let file = fs::create_dir_all(&directory)
            .and_then(|()| OpenOptions::new().create(true).append(true).open(directory.join(self.name())));
        let noted = file.and_then(|mut file| file.write_all(format!("{crate_name} {test}\n").as_bytes()));
        assert!(noted.is_ok(), "{} can't be written", directory.display());
    }
}

/// A relative directory is one of the repository: each crate's tests run in a directory of their own.
fn repository(directory: &Path) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(directory)
}
