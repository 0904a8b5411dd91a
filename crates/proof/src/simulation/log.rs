//! An event log in memory, whose time can be decided. It behaves as [`event_log::conformance`] wants it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use event_log::{
    Archive, DeadLetter, Delivery, End, Error, Event, EventLog, Progress, Subscription, dead_letter_topic,
};
use platform::clock::Clock;
use tokio::sync::Notify;
use types::Timestamp;

/// How long a member that is silent keeps its topics from the others.
const LEASE: Duration = Duration::from_secs(5);

/// Events delivered at once.
const BATCH: usize = 100;

/// A log. Clones share it.
#[derive(Clone)]
pub struct Log {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    topics: BTreeMap<String, Vec<Delivery>>,
    dead: Vec<DeadLetter>,
    /// How far each group has come in each topic.
    groups: BTreeMap<(String, String), Position>,
    /// Members that there ever were.
    members: u64,
}

#[derive(Default)]
struct Position {
    next: i64,
    /// Whose it is, and until when.
    member: Option<(u64, Timestamp)>,
}

impl Log {
    /// An empty log by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { state: Arc::default(), changed: Arc::default(), clock }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, topic: &str, events: &[Event]) {
        let mut state = self.state();
        let deliveries = state.topics.entry(topic.to_owned()).or_default();
        for event in events {
            let offset = i64::try_from(deliveries.len()).unwrap_or(i64::MAX);
            let (topic, event) = (topic.to_owned(), event.clone());
            deliveries.push(Delivery { topic, partition: 0, offset, event });
        }
        drop(state);
        self.changed.notify_waiters();
    }
}

#[async_trait]
impl EventLog for Log {
    async fn publish(&self, topic: &str, events: &[Event]) -> Result<(), Error> {
        self.append(topic, events);
        Ok(())
    }

    async fn subscribe(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Subscription>, Error> {
        let mut state = self.state();
        state.members += 1;
        let places = topics.iter().map(|topic| (group.to_owned(), (*topic).to_owned()));
        let member = Member { id: state.members, places: places.collect(), log: self.clone() };
        drop(state);
        Ok(Box::new(member))
    }

    async fn behind(&self, group: &str, topics: &[&str]) -> Result<u64, Error> {
        let state = self.state();
        let behind = topics.iter().map(|topic| {
            let next = state.groups.get(&(group.to_owned(), (*topic).to_owned())).map_or(0, |it| it.next);
            let events = state.topics.get(*topic).into_iter().flatten();
            events.filter(|delivery| delivery.offset >= next).count() as u64
        });
        Ok(behind.sum())
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }
}

struct Member {
    id: u64,
    /// Group and topic.
    places: Vec<(String, String)>,
    log: Log,
}

impl Member {
    /// Takes what is free, keeps what it has, and says what is to be consumed there.
    fn look(&self) -> Vec<Delivery> {
        let now = self.log.clock.now();
        let mut state = self.log.state();
        let State { topics, groups, .. } = &mut *state;
        let mut deliveries = Vec::new();
        for place in &self.places {
            let position = groups.entry(place.clone()).or_default();
            let is_taken = position
                .member
                .is_some_and(|(member, until)| member != self.id && until > now && until <= now.after(LEASE));
            if is_taken {
                continue;
            }
            position.member = Some((self.id, now.after(LEASE)));
            let waiting = topics.get(&place.1).into_iter().flatten();
            let waiting = waiting.filter(|delivery| delivery.offset >= position.next);
            deliveries.extend(waiting.take(BATCH - deliveries.len()).cloned());
        }
        deliveries
    }

    fn done(&self, delivery: &Delivery) -> Result<(), Error> {
        let now = self.log.clock.now();
        let mut state = self.log.state();
        let mut positions = state.groups.iter_mut();
        let mine = positions.find(|(place, _)| self.places.contains(place) && place.1 == delivery.topic);
        match mine {
            Some((_, position)) if position.member.is_some_and(|(member, _)| member == self.id) => {
                position.next = position.next.max(delivery.offset + 1);
                position.member = Some((self.id, now.after(LEASE)));
                Ok(())
            }
            _ => Err(Error::Lost { topic: delivery.topic.clone() }),
        }
    }
}

#[async_trait]
impl Subscription for Member {
    async fn next(&mut self) -> Result<Vec<Delivery>, Error> {
        loop {
            let changed = self.log.changed.notified();
            let deliveries = self.look();
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
            tokio::select! {
                biased;
                () = changed => {}
                () = self.log.clock.sleep(LEASE / 3) => {}
            }
        }
    }

    async fn commit(&mut self, delivery: &Delivery) -> Result<(), Error> {
        self.done(delivery)
    }

    async fn dead_letter(&mut self, delivery: &Delivery, reason: &str) -> Result<(), Error> {
        self.done(delivery)?;
        let topic = dead_letter_topic(&delivery.topic);
        self.log.append(&topic, std::slice::from_ref(&delivery.event));
        let at = self.log.clock.now();
        let mut state = self.log.state();
        let group =
            self.places.iter().find(|(_, topic)| *topic == delivery.topic).map(|(group, _)| group.clone());
        let last = state.topics.get(&topic).and_then(|dead| dead.last()).cloned();
        let letter = last.zip(group).map(|(delivery_of_it, group)| DeadLetter {
            delivery: delivery_of_it,
            origin: delivery.topic.clone(),
            group,
            reason: reason.to_owned(),
            at,
        });
        state.dead.extend(letter);
        Ok(())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.log.state();
        for position in state.groups.values_mut() {
            position.member = position.member.filter(|(member, _)| *member != self.id);
        }
        drop(state);
        self.log.changed.notify_waiters();
    }
}

#[async_trait]
impl Archive for Log {
    async fn events(&self, topic: &str) -> Result<Vec<Delivery>, Error> {
        Ok(self.state().topics.get(topic).cloned().unwrap_or_default())
    }

    async fn latest(&self, topic: &str, count: u32) -> Result<Vec<Delivery>, Error> {
        let mut events = self.events(topic).await?;
        Ok(events.split_off(events.len().saturating_sub(count as usize)))
    }

    async fn dead_letters(&self, topics: &[&str]) -> Result<Vec<DeadLetter>, Error> {
        let state = self.state();
        Ok(state.dead.iter().filter(|it| topics.contains(&it.origin.as_str())).cloned().collect())
    }

    async fn progress(&self, groups: &[&str], topics: &[&str]) -> Result<Vec<Progress>, Error> {
        let state = self.state();
        let asked = |(group, topic): &(String, String)| {
            groups.contains(&group.as_str()) && topics.contains(&topic.as_str())
        };
        let positions = state.groups.iter().filter(|(place, _)| asked(place));
        let progress = positions.map(|((group, topic), position)| Progress {
            group: group.clone(),
            topic: topic.clone(),
            partition: 0,
            next: position.next,
        });
        Ok(progress.collect())
    }

    async fn ends(&self, topics: &[&str]) -> Result<Vec<End>, Error> {
        let state = self.state();
        let topics = state.topics.iter().filter(|(topic, _)| topics.contains(&topic.as_str()));
        let end = |(topic, deliveries): (&String, &Vec<Delivery>)| End {
            topic: topic.clone(),
            partition: 0,
            first: 0,
            next: i64::try_from(deliveries.len()).unwrap_or(i64::MAX),
        };
        Ok(topics.map(end).collect())
    }
}
