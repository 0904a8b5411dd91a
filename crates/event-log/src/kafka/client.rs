//! What all that a log does has in common: one producer, and the topics that are known to exist.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _};
use tokio_util::task::TaskTracker;

use super::brokers::Brokers;
use super::reach::{Complaints, Ear};
use super::record;
use crate::{Error, Event};

/// A publication that the brokers have not confirmed by then has failed.
const PUBLISH_WITHIN: Duration = Duration::from_secs(8);

/// How long more may come together to be sent as one: it delays what comes alone. The events of one call come
/// within microseconds.
const LINGER: Duration = Duration::from_millis(1);

/// Records on their way at once, of all who publish. The relays of a process have a few hundred.
const QUEUE: usize = 10_000;

/// Brokers that don't answer by then are out of reach.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// Topics are made by then, or not at all.
const MAKE_WITHIN: Duration = Duration::from_secs(5);

/// What is left unsent when a log is closed gets so long.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

type Producer = FutureProducer<Ear>;

pub(super) struct Client {
    brokers: Brokers,
    partitions: u16,
    complaints: Arc<Complaints>,
    /// Gone once the log is closed.
    producer: Mutex<Option<Producer>>,
    /// Topics that exist.
    topics: Mutex<BTreeSet<String>>,
    /// Owns what must not be done on an asynchronous thread.
    tasks: TaskTracker,
}

/// What is to be published.
pub(super) struct Record<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) payload: Option<&'a [u8]>,
    pub(super) headers: OwnedHeaders,
}

impl<'a> Record<'a> {
    pub(super) fn of(event: &'a Event) -> Self {
        let (key, payload) = (Some(event.key.as_bytes()), Some(event.data.as_ref()));
        Self { key, payload, headers: record::headers(event) }
    }
}

impl Client {
    /// Brokers that are out of reach are no error.
    pub(super) fn new(brokers: Brokers, partitions: u16, tasks: TaskTracker) -> Result<Self, KafkaError> {
        let complaints = Arc::<Complaints>::default();
        let producer: Producer = brokers
            .client()
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // By the key, as the clients in Java do it.
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", PUBLISH_WITHIN.as_millis().to_string())
            .set("request.timeout.ms", MAKE_WITHIN.as_millis().to_string())
            .set("linger.ms", LINGER.as_millis().to_string())
            .set("queue.buffering.max.messages", QUEUE.to_string())
            .create_with_context(Ear(Arc::clone(&complaints)))?;
        let producer = Mutex::new(Some(producer));
        Ok(Self { brokers, partitions, complaints, producer, topics: Mutex::default(), tasks })
    }

    /// The settings of one more client.
    pub(super) fn config(&self) -> ClientConfig {
        self.brokers.client()
    }

    /// The variable that names the brokers.
    pub(super) fn variable(&self) -> &str {
        &self.brokers.variable
    }

    pub(super) fn complaints(&self) -> &Arc<Complaints> {
        &self.complaints
    }

    /// Runs what blocks.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.tasks.spawn_blocking(work).await.map_err(|error| Error::Defect(error.into()))
    }

    /// Whether the brokers answer at this moment.
    pub(super) async fn look(&self) -> Result<(), Error> {
        self.existing(LOOK_WITHIN).await.map(drop)
    }

    /// Sends all records to a topic, in this order, and waits until the brokers have them.
    pub(super) async fn publish(&self, topic: &str, records: Vec<Record<'_>>) -> Result<(), Error> {
        self.make(&[topic]).await?;
        let producer = self.producer()?;
        let sent: Result<Vec<DeliveryFuture>, KafkaError> = records
            .into_iter()
            .map(|Record { key, payload, headers }| {
                let (partition, timestamp) = (None, None);
                let headers = Some(headers);
                let record = FutureRecord { topic, partition, payload, key, timestamp, headers };
                producer.send_result(record).map_err(|(error, _)| error)
            })
            .collect();
        // Those that were sent before one failed are not waited for: all will be published again.
        for confirmed in join_all(sent.map_err(|error| self.failed(topic, error))?).await {
            match confirmed {
                Ok(Ok(_)) => {}
                Ok(Err((error, _))) => return Err(self.failed(topic, error)),
                Err(dropped) => return Err(Error::Unavailable(dropped.into())),
            }
        }
        Ok(())
    }

    /// Makes those of the topics that are not there.
    pub(super) async fn make(&self, topics: &[&str]) -> Result<(), Error> {
        let unknown: Vec<&str> = {
            let known = self.known();
            topics.iter().copied().filter(|topic| !known.contains(*topic)).collect()
        };
        if unknown.is_empty() {
            return Ok(());
        }
        // Whoever may not make topics may still use those that are there.
        let existing = self.existing(MAKE_WITHIN).await?;
        let missing: Vec<&str> = unknown.iter().copied().filter(|topic| !existing.contains(*topic)).collect();
        if !missing.is_empty() {
            self.create(&missing).await?;
        }
        self.known().extend(unknown.into_iter().map(str::to_owned));
        Ok(())
    }

    async fn create(&self, topics: &[&str]) -> Result<(), Error> {
        let ear = Ear(Arc::clone(&self.complaints));
        let admin: AdminClient<Ear> = self.config().create_with_context(ear).map_err(unavailable)?;
        let new = topics.iter().map(|topic| {
            // How many replicas there are is a matter of the brokers.
            NewTopic::new(topic, self.partitions.into(), TopicReplication::Fixed(-1))
        });
        let new: Vec<NewTopic<'_>> = new.collect();
        let within =
            AdminOptions::new().request_timeout(Some(MAKE_WITHIN)).operation_timeout(Some(MAKE_WITHIN));
        let made = admin.create_topics(&new, &within).await;
        // It waits for its thread.
        self.blocking(move || drop(admin)).await?;
        for topic in made.map_err(unavailable)? {
            match topic {
                Ok(topic) => tracing::info!(topic, partitions = self.partitions, "topic made"),
                // Another process was faster.
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    let why = KafkaError::AdminOp(code);
                    return Err(unavailable(anyhow::anyhow!(why).context(format!("no topic {topic}"))));
                }
            }
        }
        Ok(())
    }

    /// The topics that are there. Asks the brokers: the answer is never an old one.
    async fn existing(&self, within: Duration) -> Result<BTreeSet<String>, Error> {
        let producer = self.producer()?;
        let asked = self.blocking(move || producer.client().fetch_metadata(None, within)).await?;
        let metadata = asked.map_err(unavailable)?;
        Ok(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect())
    }

    /// Sends what is left and lets go of the brokers.
    pub(super) async fn close(&self) {
        let producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(producer) = producer else { return };
        let flushed = self.blocking(move || producer.flush(FLUSH_WITHIN)).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "events not flushed");
        }
    }

    fn producer(&self) -> Result<Producer, Error> {
        let producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        producer.ok_or_else(|| Error::Unavailable("it was closed".into()))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, topic: &str, error: KafkaError) -> Error {
        // It was there once: made again with the next publication.
        if let Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition) =
            error.rdkafka_error_code()
        {
            self.known().remove(topic);
        }
        unavailable(error)
    }
}

pub(super) fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Unavailable(error.into())
}
