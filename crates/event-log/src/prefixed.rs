//! A log whose topics and groups have a prefix, so that several shops can share one set of brokers.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Archive, DeadLetter, Delivery, End, Error, Event, EventLog, Progress, Subscription};

/// A log, or what reads one, under names that begin with a prefix. Whoever uses it sees the names without.
pub(crate) struct Prefixed<L: ?Sized> {
    names: Names,
    log: Arc<L>,
}

#[derive(Clone)]
struct Names(Arc<str>);

impl Names {
    fn with(&self, name: &str) -> String {
        format!("{}{name}", self.0)
    }

    fn all(&self, names: &[&str]) -> Vec<String> {
        names.iter().map(|name| self.with(name)).collect()
    }

    fn without(&self, name: String) -> String {
        name.strip_prefix(&*self.0).map(str::to_owned).unwrap_or(name)
    }

    fn inside(&self, delivery: Delivery) -> Delivery {
        Delivery { topic: self.without(delivery.topic), ..delivery }
    }

    fn outside(&self, delivery: &Delivery) -> Delivery {
        Delivery { topic: self.with(&delivery.topic), ..delivery.clone() }
    }
}

fn texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

impl<L: ?Sized> Prefixed<L> {
    pub(crate) fn new(log: Arc<L>, prefix: &str) -> Self {
        Self { names: Names(prefix.into()), log }
    }
}

#[async_trait]
impl EventLog for Prefixed<dyn EventLog> {
    async fn publish(&self, topic: &str, events: &[Event]) -> Result<(), Error> {
        self.log.publish(&self.names.with(topic), events).await
    }

    async fn subscribe(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Subscription>, Error> {
        let (group, topics) = (self.names.with(group), self.names.all(topics));
        let member = self.log.subscribe(&group, &texts(&topics)).await?;
        Ok(Box::new(Member { names: self.names.clone(), member }))
    }

    async fn behind(&self, group: &str, topics: &[&str]) -> Result<u64, Error> {
        self.log.behind(&self.names.with(group), &texts(&self.names.all(topics))).await
    }

    fn system(&self) -> &'static str {
        self.log.system()
    }

    async fn ping(&self) -> Result<(), Error> {
        self.log.ping().await
    }

    async fn close(&self) {
        self.log.close().await;
    }
}

struct Member {
    names: Names,
    member: Box<dyn Subscription>,
}

#[async_trait]
impl Subscription for Member {
    async fn next(&mut self) -> Result<Vec<Delivery>, Error> {
        let deliveries = self.member.next().await?;
        Ok(deliveries.into_iter().map(|delivery| self.names.inside(delivery)).collect())
    }

    async fn commit(&mut self, delivery: &Delivery) -> Result<(), Error> {
        self.member.commit(&self.names.outside(delivery)).await
    }

    async fn dead_letter(&mut self, delivery: &Delivery, reason: &str) -> Result<(), Error> {
        self.member.dead_letter(&self.names.outside(delivery), reason).await
    }
}

#[async_trait]
impl Archive for Prefixed<dyn Archive> {
    async fn events(&self, topic: &str) -> Result<Vec<Delivery>, Error> {
        let events = self.log.events(&self.names.with(topic)).await?;
        Ok(events.into_iter().map(|delivery| self.names.inside(delivery)).collect())
    }

    async fn latest(&self, topic: &str, count: u32) -> Result<Vec<Delivery>, Error> {
        let events = self.log.latest(&self.names.with(topic), count).await?;
        Ok(events.into_iter().map(|delivery| self.names.inside(delivery)).collect())
    }

    async fn dead_letters(&self, topics: &[&str]) -> Result<Vec<DeadLetter>, Error> {
        let letters = self.log.dead_letters(&texts(&self.names.all(topics))).await?;
        let inside = |letter: DeadLetter| DeadLetter {
            delivery: self.names.inside(letter.delivery),
            origin: self.names.without(letter.origin),
            group: self.names.without(letter.group),
            ..letter
        };
        Ok(letters.into_iter().map(inside).collect())
    }

    async fn progress(&self, groups: &[&str], topics: &[&str]) -> Result<Vec<Progress>, Error> {
        let (groups, topics) = (self.names.all(groups), self.names.all(topics));
        let progress = self.log.progress(&texts(&groups), &texts(&topics)).await?;
        let inside = |it: Progress| Progress {
            group: self.names.without(it.group),
            topic: self.names.without(it.topic),
            ..it
        };
        Ok(progress.into_iter().map(inside).collect())
    }

    async fn ends(&self, topics: &[&str]) -> Result<Vec<End>, Error> {
        let ends = self.log.ends(&texts(&self.names.all(topics))).await?;
        Ok(ends.into_iter().map(|end| End { topic: self.names.without(end.topic), ..end }).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use platform::World;
    use sql::sqlite::Sharing;
    use testkit::TempDir;

    use super::*;
    use crate::conformance::{self, Place};
    use crate::sqlite;

    struct File(PathBuf);

    #[async_trait]
    impl Place for File {
        async fn open(&self) -> anyhow::Result<Arc<dyn EventLog>> {
            let log: Arc<dyn EventLog> =
                Arc::new(sqlite::Log::open(&self.0, Sharing::Shared, World::real()).await?);
            Ok(Arc::new(Prefixed::new(log, "shop-")))
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn does_what_every_log_does_under_names_of_its_own() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("events.db");
        conformance::all(&File(path.clone())).await.unwrap();
        let plain = sqlite::Archive::open(&path).await.unwrap();
        assert_eq!(plain.events("poison").await.unwrap(), []);
        assert!(!plain.events("shop-poison").await.unwrap().is_empty());
        let plain: Arc<dyn Archive> = Arc::new(plain);
        let prefixed = Prefixed::new(plain, "shop-");
        let dead = prefixed.dead_letters(&["poison"]).await.unwrap();
        let names = (dead[0].delivery.topic.as_str(), dead[0].origin.as_str(), dead[0].group.as_str());
        assert_eq!(names, ("poison.dlq", "poison", "poison-group"));
        let progress = prefixed.progress(&["poison-group"], &["poison"]).await.unwrap();
        assert_eq!((progress[0].group.as_str(), progress[0].topic.as_str()), ("poison-group", "poison"));
        assert_eq!(prefixed.ends(&["poison"]).await.unwrap()[0].topic, "poison");
    }
}
