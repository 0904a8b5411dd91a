//! Giving dead letters another chance.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::event::UNREADABLE;
use crate::{Archive, DeadLetter, Delivery, Error, EventLog, dead_letter_topic, log};

/// The group that replays: what it is done with is replayed.
const GROUP: &str = "dlq-replay";

/// A log that delivers nothing for so long, though there is something, is out of reach. It takes a while until
/// the membership of a replay that was killed just before is over.
const DELIVER_WITHIN: Duration = Duration::from_secs(30);

/// From one look at what is delivered to the next, if nothing of it is for us.
const AGAIN: Duration = Duration::from_millis(50);

/// What became of the dead letters that were not replayed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replayed {
    /// Published again.
    pub published: usize,
    /// Left where they are, as they are no events.
    pub unreadable: usize,
}

/// A dead letter, for a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The dead letter.
    pub letter: DeadLetter,
    /// Whether a replay is done with it.
    pub is_replayed: bool,
}

/// A place up to which there is something to do, by topic and partition.
type Places = HashMap<(String, i32), i64>;

/// Publishes the dead letters of `topics` again, each in the topic of its origin, where every group of consumers
/// sees it once more. Ends with the last that was there at the beginning: what is given up again meanwhile is left for
/// the next replay. A replay that is cut short may publish one event twice.
///
/// # Errors
/// [`Error::Unavailable`] when the log can't be reached.
pub async fn replay(log: &dyn EventLog, archive: &dyn Archive, topics: &[&str]) -> Result<Replayed, Error> {
    let graves: Vec<String> = topics.iter().map(|topic| dead_letter_topic(topic)).collect();
    let graves: Vec<&str> = graves.iter().map(String::as_str).collect();
    let mut open = open(archive, &graves).await?;
    let mut replayed = Replayed::default();
    if open.is_empty() {
        return Ok(replayed);
    }
    let mut member = log.subscribe(GROUP, &graves).await?;
    let mut deadline = Instant::now() + DELIVER_WITHIN;
    while !open.is_empty() {
        let deliveries = timeout_at(deadline, member.next()).await;
        let deliveries = deliveries.map_err(|late| Error::Unavailable(late.into()))??;
        let old = deliveries.iter().filter(|it| open.get(&place(it)).is_some_and(|end| it.offset < *end));
        let old: Vec<&Delivery> = old.collect();
        if old.is_empty() {
            // Another partition was faster, with what is given up again already.
            if Instant::now() >= deadline {
                return Err(Error::Unavailable("dead letters are not delivered".into()));
            }
            sleep(AGAIN).await;
            continue;
        }
        deadline = Instant::now() + DELIVER_WITHIN;
        for delivery in old {
            if delivery.event.kind == UNREADABLE {
                replayed.unreadable += 1;
            } else {
                log.publish(log::origin_of(&delivery.topic), std::slice::from_ref(&delivery.event)).await?;
                replayed.published += 1;
            }
            member.commit(delivery).await?;
            open.retain(|partition, end| *partition != place(delivery) || delivery.offset + 1 < *end);
        }
    }
    Ok(replayed)
}

/// The dead letters of `topics`, in the order in which they were given up.
///
/// # Errors
/// [`Error::Unavailable`] when the log can't be read.
pub async fn list(archive: &dyn Archive, topics: &[&str]) -> Result<Vec<Listed>, Error> {
    let graves: Vec<String> = topics.iter().map(|topic| dead_letter_topic(topic)).collect();
    let done = done(archive, &graves.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let letters = archive.dead_letters(topics).await?.into_iter().map(|letter| {
        let is_replayed =
            done.get(&place(&letter.delivery)).is_some_and(|next| letter.delivery.offset < *next);
        Listed { letter, is_replayed }
    });
    Ok(letters.collect())
}

/// Where the partitions end in which something is not replayed.
async fn open(archive: &dyn Archive, graves: &[&str]) -> Result<Places, Error> {
    let ends = archive.ends(graves).await?;
    let done = done(archive, graves).await?;
    let mut open = Places::new();
    for end in ends {
        let partition = (end.topic, end.partition);
        let next = done.get(&partition).copied().unwrap_or(0);
        if next.max(end.first) < end.next {
            open.insert(partition, end.next);
        }
    }
    Ok(open)
}

/// How far replays have come.
async fn done(archive: &dyn Archive, graves: &[&str]) -> Result<Places, Error> {
    let progress = archive.progress(&[GROUP], graves).await?;
    Ok(progress.into_iter().map(|it| ((it.topic, it.partition), it.next)).collect())
}

fn place(delivery: &Delivery) -> (String, i32) {
    (delivery.topic.clone(), delivery.partition)
}
