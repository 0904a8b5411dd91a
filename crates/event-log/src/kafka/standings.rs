//! How far groups have come, asked of the brokers without being a member.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{Client, unavailable};
use super::reach::Ear;
use crate::Error;

/// An answer of the brokers that is not there by then is not waited for.
const WITHIN: Duration = Duration::from_secs(2);

type Consumer = BaseConsumer<Ear>;

/// Consumers that consume nothing, by their groups: brokers say how far a group is to who names it. Each is made when
/// it is first needed and kept, since who asks asks again and again, and connections cost more than questions.
pub(super) struct Standings {
    client: Arc<Client>,
    /// Gone once the log is closed.
    consumers: Mutex<Option<BTreeMap<String, Arc<Consumer>>>>,
}

impl Standings {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self { client, consumers: Mutex::new(Some(BTreeMap::new())) }
    }

    /// How many events of these topics a group is not done with.
    pub(super) async fn behind(&self, group: &str, topics: &[&str]) -> Result<u64, Error> {
        let consumer = self.consumer(group)?;
        let topics: Vec<String> = topics.iter().map(ToString::to_string).collect();
        let asked = self.client.blocking(move || behind(&consumer, &topics)).await?;
        asked.map_err(unavailable)
    }

    fn consumer(&self, group: &str) -> Result<Arc<Consumer>, Error> {
        let mut consumers = self.consumers.lock().unwrap_or_else(PoisonError::into_inner);
        let consumers = consumers.as_mut().ok_or_else(|| Error::Unavailable("it was closed".into()))?;
        if let Some(consumer) = consumers.get(group) {
            return Ok(Arc::clone(consumer));
        }
        let ear = Ear(Arc::clone(self.client.complaints()));
        let consumer = self.client.config().set("group.id", group).create_with_context(ear);
        let consumer = Arc::new(consumer.map_err(unavailable)?);
        consumers.insert(group.to_owned(), Arc::clone(&consumer));
        Ok(consumer)
    }

    /// Lets go of the brokers.
    pub(super) async fn close(&self) {
        let consumers = self.consumers.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Each waits for its thread, which is nothing to do here.
        let _ = self.client.blocking(move || drop(consumers)).await;
    }
}

/// A question for each topic and three for all partitions, however many there are.
fn behind(consumer: &Consumer, topics: &[String]) -> KafkaResult<u64> {
    // What there is to say of its connections, which is all that it receives.
    while consumer.poll(Duration::ZERO).is_some() {}
    let mut partitions = TopicPartitionList::new();
    for topic in topics {
        let found = consumer.fetch_metadata(Some(topic), WITHIN)?;
        for partition in found.topics().iter().flat_map(|found| found.partitions()) {
            partitions.add_partition(topic, partition.id());
        }
    }
    if partitions.count() == 0 {
        return Ok(0);
    }
    let done = offsets(&consumer.committed_offsets(partitions.clone(), WITHIN)?)?;
    let firsts = bounds(consumer, partitions.clone(), Offset::Beginning)?;
    let ends = bounds(consumer, partitions, Offset::End)?;
    let waiting = ends.iter().map(|(place, end)| {
        let next = [&done, &firsts].into_iter().filter_map(|offsets| offsets.get(place)).max();
        u64::try_from(end - next.unwrap_or(end)).unwrap_or(0)
    });
    Ok(waiting.sum())
}

/// The first offsets that are there, or the first that are not. The brokers take either for a moment in time.
fn bounds(consumer: &Consumer, mut of: TopicPartitionList, bound: Offset) -> KafkaResult<Offsets> {
    of.set_all_offsets(bound)?;
    offsets(&consumer.offsets_for_times(of, WITHIN)?)
}

type Offsets = BTreeMap<(String, i32), i64>;

/// By topic and partition; of those that have one.
fn offsets(list: &TopicPartitionList) -> KafkaResult<Offsets> {
    let mut offsets = Offsets::new();
    for element in list.elements() {
        element.error()?;
        if let Offset::Offset(offset) = element.offset() {
            offsets.insert((element.topic().to_owned(), element.partition()), offset);
        }
    }
    Ok(offsets)
}
