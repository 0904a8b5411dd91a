//! The log in Kafka.

mod archive;
mod members;
mod outage;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event_log::conformance::{self, Place};
use event_log::kafka::{Archive, Log};
use event_log::{Delivery, Event, EventLog, Subscription};
use platform::World;
use platform::config::Server;
use testkit::Engine;
use tokio::time::timeout;

use crate::{SOON, event};

/// The brokers, and names that no other run has.
pub(crate) struct Kafka {
    server: Server,
    run: String,
}

impl Kafka {
    /// None where no engines were started.
    fn there() -> Option<Self> {
        Some(Self::at(Engine::Kafka.url()?))
    }

    fn at(url: String) -> Self {
        let server = Server { url, variable: "KAFKA_BROKERS".to_owned() };
        Self { server, run: World::real().ids.next().to_string() }
    }

    /// As one more process would.
    fn open(&self, partitions: u16) -> Log {
        Log::open(&self.server, partitions, World::real()).unwrap()
    }

    fn archive(&self) -> Archive {
        Archive::open(&self.server).unwrap()
    }

    fn name(&self, name: &str) -> String {
        format!("test-{}-{name}", self.run)
    }
}

#[async_trait]
impl Place for Kafka {
    async fn open(&self) -> anyhow::Result<Arc<dyn EventLog>> {
        Ok(Arc::new(self.open(1)))
    }

    fn name(&self, name: &str) -> String {
        self.name(name)
    }
}

/// An event of this key.
fn keyed(key: &str, number: u32) -> Event {
    Event { key: key.to_owned(), ..event(number) }
}

async fn next(member: &mut Box<dyn Subscription>) -> Vec<Delivery> {
    timeout(SOON, member.next()).await.expect("waited in vain").unwrap()
}

/// Takes and commits so many deliveries.
async fn take(member: &mut Box<dyn Subscription>, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        for delivery in next(member).await {
            member.commit(&delivery).await.unwrap();
            taken.push(delivery);
        }
    }
    assert_eq!(taken.len(), count);
    taken
}

/// Long enough to see what must not come.
const MOMENT: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn does_what_every_log_does() {
    let Some(kafka) = Kafka::there() else { return };
    conformance::all(&kafka).await.unwrap();
}
