//! Which log it is: chosen by what is set.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use platform::World;
use platform::config::Server;
use sql::sqlite::Sharing;

use crate::prefixed::Prefixed;
use crate::{Archive, EventLog, kafka, sqlite};

/// The variable of the brokers.
const BROKERS: &str = "KAFKA_BROKERS";

/// Where the event log is.
#[derive(clap::Args, Debug, Clone)]
pub struct Settings {
    /// Brokers of the event log, host:port, several separated by commas; unset: a file in the data directory
    #[arg(long, env = BROKERS)]
    pub kafka_brokers: Option<String>,
    /// Partitions of the topics that the shop makes
    #[arg(long, env = "KAFKA_PARTITIONS", default_value = "6", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub kafka_partitions: u16,
    /// What the names of topics and groups in Kafka begin with, so that several shops can share the brokers
    #[arg(long, env = "KAFKA_PREFIX", default_value = "", hide_default_value = true, value_parser = prefix)]
    pub kafka_prefix: String,
}

/// Names in Kafka have letters, digits, dots, underscores and hyphens, and at most 249 of them.
fn prefix(text: &str) -> Result<String, String> {
    let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match text {
        long if long.len() > 100 => Err("it is longer than 100 characters".to_owned()),
        odd if !odd.chars().all(usable) => {
            Err("it has other characters than letters, digits, . _ -".to_owned())
        }
        good => Ok(good.to_owned()),
    }
}

/// A file in the data directory.
impl Default for Settings {
    fn default() -> Self {
        Self { kafka_brokers: None, kafka_partitions: 6, kafka_prefix: String::new() }
    }
}

impl Settings {
    fn server(&self) -> Option<Server> {
        let url = self.kafka_brokers.clone()?;
        Some(Server { url, variable: BROKERS.to_owned() })
    }
}

/// Opens the log: that of the brokers, which need not answer yet, else the file `events.db` in the data directory,
/// shared with other processes or not. Must be called inside a tokio runtime.
///
/// # Errors
/// As [`kafka::Log::open`] and [`sqlite::Log::open`], in words for the user.
pub async fn open(
    settings: &Settings,
    data_dir: &Path,
    sharing: Sharing,
    world: World,
) -> anyhow::Result<Arc<dyn EventLog>> {
    Ok(match settings.server() {
        Some(server) => {
            let log: Arc<dyn EventLog> =
                Arc::new(kafka::Log::open(&server, settings.kafka_partitions, world)?);
            match settings.kafka_prefix.as_str() {
                "" => log,
                prefix => Arc::new(Prefixed::new(log, prefix)),
            }
        }
        None => Arc::new(sqlite::Log::open(&data_dir.join(sqlite::FILE), sharing, world).await?),
    })
}

/// Opens the log to read all that there is, beside a running shop or without one.
///
/// # Errors
/// As [`kafka::Archive::open`] and [`sqlite::Archive::open`], in words for the user.
pub async fn archive(settings: &Settings, data_dir: &Path) -> anyhow::Result<Arc<dyn Archive>> {
    Ok(match settings.server() {
        Some(server) => {
            let archive: Arc<dyn Archive> = Arc::new(kafka::Archive::open(&server)?);
            match settings.kafka_prefix.as_str() {
                "" => archive,
                prefix => Arc::new(Prefixed::new(archive, prefix)),
            }
        }
        None => Arc::new(sqlite::Archive::open(&data_dir.join(sqlite::FILE)).await?),
    })
}

/// Whether a log has ever answered. A program that never reached its log is not ready; one that did stays ready
/// when the log goes away, since events wait in outboxes meanwhile. Clones speak of the same log.
#[derive(Clone)]
pub struct Reached {
    log: Arc<dyn EventLog>,
    once: Arc<AtomicBool>,
}

impl Reached {
    /// Nothing is known of the log yet.
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        Self { log, once: Arc::default() }
    }

    /// Asks the log, unless it has answered before.
    pub async fn is_reached(&self) -> bool {
        if self.once.load(Ordering::Relaxed) {
            return true;
        }
        let answers = self.log.ping().await.is_ok();
        self.once.fetch_or(answers, Ordering::Relaxed);
        answers
    }
}

#[cfg(test)]
mod tests;
