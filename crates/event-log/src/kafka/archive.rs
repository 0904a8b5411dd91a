//! Reading what is in Kafka without being a member of a group.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use platform::config::{self, Server};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::brokers::Brokers;
use super::client::unavailable;
use super::reach::Ear;
use super::record;
use crate::{DeadLetter, Delivery, End, Error, Progress, dead_letter_topic};

/// Brokers that say nothing for so long are out of reach.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The library wants a group even of a reader that is a member of none. Nothing is ever committed for it.
const NO_GROUP: &str = "oxcart-archive";

type Consumer = BaseConsumer<Ear>;

/// Reads the log on these brokers. Each call has connections of its own.
pub struct Archive {
    brokers: Brokers,
}

impl Archive {
    /// Opens it; the brokers are first called when something is read.
    ///
    /// # Errors
    /// A list of brokers that can't be used, in words for the user.
    pub fn open(server: &Server) -> Result<Self, config::Error> {
        Ok(Self { brokers: Brokers::try_from(server)? })
    }

    /// Reads with a consumer of this group, where that may block.
    async fn read<T: Send + 'static>(
        &self,
        group: &str,
        read: impl FnOnce(&Consumer) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let mut config = self.brokers.client();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true");
        let work = move || {
            let consumer: Consumer = config.create_with_context(Ear::default()).map_err(unavailable)?;
            read(&consumer)
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| Error::Defect(error.into()))?
    }

    /// The records of a topic, the last `count` of each partition, as what `read` makes of them; those of which it makes
    /// nothing are counted in a line.
    async fn last<T: Send + 'static>(
        &self,
        topic: String,
        count: i64,
        read: fn(&BorrowedMessage<'_>) -> Result<T, String>,
    ) -> Result<Vec<T>, Error> {
        self.read(NO_GROUP, move |consumer| {
            let (mut found, mut foreign) = (Vec::new(), 0_usize);
            for mut end in ends(consumer, std::slice::from_ref(&topic))? {
                end.first = end.first.max(end.next.saturating_sub(count));
                scan(consumer, &end, |message| match read(message) {
                    Ok(it) => found.push(it),
                    Err(_) => foreign += 1,
                })?;
            }
            if foreign > 0 {
                tracing::warn!(topic, records = foreign, "records that are no events, left out");
            }
            Ok(found)
        })
        .await
    }
}

#[async_trait]
impl crate::Archive for Archive {
    async fn events(&self, topic: &str) -> Result<Vec<Delivery>, Error> {
        self.last(topic.to_owned(), i64::MAX, |message| record::delivery(message)).await
    }

    async fn latest(&self, topic: &str, count: u32) -> Result<Vec<Delivery>, Error> {
        self.last(topic.to_owned(), count.into(), |message| record::delivery(message)).await
    }

    async fn dead_letters(&self, topics: &[&str]) -> Result<Vec<DeadLetter>, Error> {
        let mut letters = Vec::new();
        for topic in topics {
            let all = self.last(dead_letter_topic(topic), i64::MAX, |message| record::dead_letter(message));
            letters.extend(all.await?);
        }
        letters.sort_by_key(|letter| letter.at);
        Ok(letters)
    }

    async fn progress(&self, groups: &[&str], topics: &[&str]) -> Result<Vec<Progress>, Error> {
        let topics: Vec<String> = topics.iter().map(ToString::to_string).collect();
        let mut progress = Vec::new();
        for group in groups {
            let (topics, name) = (topics.clone(), (*group).to_owned());
            progress.extend(self.read(group, move |consumer| committed(consumer, &name, &topics)).await?);
        }
        Ok(progress)
    }

    async fn ends(&self, topics: &[&str]) -> Result<Vec<End>, Error> {
        let topics: Vec<String> = topics.iter().map(ToString::to_string).collect();
        self.read(NO_GROUP, move |consumer| ends(consumer, &topics)).await
    }
}

/// The partitions of those of the topics that are there.
fn partitions(consumer: &Consumer, topics: &[String]) -> Result<Vec<(String, i32)>, Error> {
    let metadata = consumer.fetch_metadata(None, ANSWER_WITHIN).map_err(unavailable)?;
    let mut found = Vec::new();
    for topic in topics {
        let there = metadata.topics().iter().filter(|it| it.name() == topic);
        found.extend(there.flat_map(|it| it.partitions()).map(|partition| (topic.clone(), partition.id())));
    }
    Ok(found)
}

fn ends(consumer: &Consumer, topics: &[String]) -> Result<Vec<End>, Error> {
    let end = |(topic, partition): (String, i32)| {
        let (first, next) = consumer.fetch_watermarks(&topic, partition, ANSWER_WITHIN)?;
        Ok(End { topic, partition, first, next })
    };
    let ends: KafkaResult<_> = partitions(consumer, topics)?.into_iter().map(end).collect();
    ends.map_err(unavailable)
}

fn committed(consumer: &Consumer, group: &str, topics: &[String]) -> Result<Vec<Progress>, Error> {
    let mut asked = TopicPartitionList::new();
    for (topic, partition) in partitions(consumer, topics)? {
        asked.add_partition(&topic, partition);
    }
    if asked.count() == 0 {
        return Ok(Vec::new());
    }
    let committed = consumer.committed_offsets(asked, ANSWER_WITHIN).map_err(unavailable)?;
    let mut progress = Vec::new();
    for element in committed.elements() {
        element.error().map_err(unavailable)?;
        // Of a partition that the group has never committed there is none.
        if let Offset::Offset(next) = element.offset() {
            let (topic, partition) = (element.topic().to_owned(), element.partition());
            progress.push(Progress { group: group.to_owned(), topic, partition, next });
        }
    }
    Ok(progress)
}

/// Shows every record of a partition, from its first one to its end as it was known before.
fn scan(consumer: &Consumer, end: &End, mut show: impl FnMut(&BorrowedMessage<'_>)) -> Result<(), Error> {
    if end.first >= end.next {
        return Ok(());
    }
    let mut here = TopicPartitionList::with_capacity(1);
    let from = Offset::Offset(end.first);
    here.add_partition_offset(&end.topic, end.partition, from).map_err(unavailable)?;
    consumer.assign(&here).map_err(unavailable)?;
    let mut heard = Instant::now();
    while heard.elapsed() < ANSWER_WITHIN {
        match consumer.poll(ANSWER_WITHIN) {
            // One of the partition before, which was on its way.
            Some(Ok(message)) if message.partition() != end.partition => {}
            Some(Ok(message)) => {
                heard = Instant::now();
                if message.offset() < end.next {
                    show(&message);
                }
                if message.offset() + 1 >= end.next {
                    return Ok(());
                }
            }
            // The last offsets may be of no record.
            Some(Err(KafkaError::PartitionEOF(partition))) if partition == end.partition => return Ok(()),
            Some(Err(error)) => tracing::debug!(%error, "not read"),
            None => {}
        }
    }
    let (topic, partition) = (&end.topic, end.partition);
    Err(unavailable(format_args!("partition {partition} of {topic} can't be read to its end")))
}
