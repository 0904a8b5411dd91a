use async_trait::async_trait;
use clap::Parser as _;
use testkit::TempDir;

use super::*;
use crate::{Error, Event, Subscription};

#[derive(clap::Parser)]
struct Program {
    #[command(flatten)]
    log: Settings,
}

fn settings(flags: &[&str]) -> Result<Settings, clap::Error> {
    let flags = ["program"].iter().chain(flags);
    Program::try_parse_from(flags).map(|program| program.log)
}

#[test]
fn topics_have_six_partitions_unless_another_number_is_set() {
    assert_eq!(settings(&[]).unwrap().kafka_partitions, 6);
    assert_eq!(settings(&["--kafka-partitions", "1000"]).unwrap().kafka_partitions, 1000);
    for bad in ["0", "1001", "many"] {
        assert!(settings(&["--kafka-partitions", bad]).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn without_brokers_the_log_is_a_file_in_the_data_directory() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&[]).unwrap();
    assert!(archive(&settings, directory.path()).await.is_err(), "there is none");
    let log = open(&settings, directory.path(), Sharing::Shared, World::real()).await.unwrap();
    assert!(directory.path().join("events.db").exists());
    log.close().await;
    let ends = archive(&settings, directory.path()).await.unwrap().ends(&["t"]).await.unwrap();
    assert_eq!(ends, []);
}

#[tokio::test]
async fn brokers_that_are_none_are_refused_by_the_name_of_the_variable() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&["--kafka-brokers", "user:secret@host"]).unwrap();
    let wanted = "KAFKA_BROKERS=*** can't be used: broker 1 has a port that is none; \
                  wanted: HOST:PORT, several separated by commas";
    let refused = open(&settings, directory.path(), Sharing::Shared, World::real()).await.err().unwrap();
    assert_eq!(refused.to_string(), wanted);
    assert_eq!(archive(&settings, directory.path()).await.err().unwrap().to_string(), wanted);
    assert!(!directory.path().join("events.db").exists());
}

/// A log that answers or not.
#[derive(Default)]
struct Moody(AtomicBool);

#[async_trait]
impl EventLog for Moody {
    async fn publish(&self, _: &str, _: &[Event]) -> Result<(), Error> {
        self.ping().await
    }

    async fn subscribe(&self, _: &str, _: &[&str]) -> Result<Box<dyn Subscription>, Error> {
        Err(Error::Defect("nobody reads here".into()))
    }

    async fn behind(&self, _: &str, _: &[&str]) -> Result<u64, Error> {
        Err(Error::Defect("nobody reads here".into()))
    }

    async fn ping(&self) -> Result<(), Error> {
        if self.0.load(Ordering::Relaxed) { Ok(()) } else { Err(Error::Unavailable("not now".into())) }
    }
}

#[tokio::test]
async fn a_log_that_was_reached_once_stays_reached() {
    let log = Arc::new(Moody::default());
    let reached = Reached::new(log.clone());
    assert!(!reached.is_reached().await);
    log.0.store(true, Ordering::Relaxed);
    assert!(reached.is_reached().await);
    log.0.store(false, Ordering::Relaxed);
    assert!(reached.is_reached().await);
    assert!(reached.clone().is_reached().await);
}
