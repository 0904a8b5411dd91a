//! A member of a group of consumers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{self, Either};
use platform::clock::Clock;
use sql::sqlite::{Changes, Database};
use sqlx::SqliteConnection;
use tokio_util::sync::{CancellationToken, DropGuard};
use types::Timestamp;

use super::Log;
use super::rows::{self, GivenUp, Row};
use crate::{Delivery, Error, dead_letter_topic};

/// Events delivered at once.
const BATCH: i64 = 100;

pub(super) struct Subscription {
    member: Member,
    topics: Vec<String>,
    changes: Changes,
    /// Ends the task that keeps the leases, which then gives them back.
    _gone: DropGuard,
}

/// How it stands with the topics of a subscription that are not its own.
enum Others {
    /// There are none, it has all.
    None,
    /// These have no living member.
    Free(Vec<String>),
    /// Other members have them, the first until this moment.
    Taken(Timestamp),
}

impl Subscription {
    pub(super) fn start(log: &Log, group: &str, topics: &[&str]) -> Self {
        let member = Member {
            database: log.database.clone(),
            clock: Arc::clone(&log.world.clock),
            lease: log.lease,
            group: group.to_owned(),
            id: log.world.ids.next().to_string(),
            active: Arc::new(AtomicBool::new(false)),
        };
        let gone = log.closing.child_token();
        log.tasks.spawn(member.clone().keep(gone.clone()));
        Self {
            changes: log.database.changes(),
            topics: topics.iter().map(ToString::to_string).collect(),
            _gone: gone.drop_guard(),
            member,
        }
    }

    async fn others(&self) -> Result<Others, Error> {
        let rows: Vec<(String, Option<String>, i64)> =
            sqlx::query_as("SELECT topic, member, leased_until FROM progress WHERE consumers = ?")
                .bind(&self.member.group)
                .fetch_all(&mut *self.member.database.read("SELECT events").await?)
                .await?;
        let progress: HashMap<String, (Option<String>, Timestamp)> = rows
            .into_iter()
            .map(|(topic, member, until)| (topic, (member, Timestamp::from_micros(until))))
            .collect();
        let now = self.member.clock.now();
        let (mut free, mut taken) = (Vec::new(), None);
        for topic in &self.topics {
            match progress.get(topic) {
                Some((Some(member), _)) if *member == self.member.id => {}
                Some((Some(_), until)) if *until > now && *until <= self.member.horizon(now) => {
                    taken = Some(taken.map_or(*until, |first: Timestamp| first.min(*until)));
                }
                Some(_) | None => free.push(topic.clone()),
            }
        }
        Ok(match (free.is_empty(), taken) {
            (false, _) => Others::Free(free),
            (true, Some(until)) => Others::Taken(until),
            (true, None) => Others::None,
        })
    }

    async fn deliveries(&self) -> Result<Vec<Delivery>, Error> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT events.* FROM progress
             JOIN events ON events.topic = progress.topic AND events.position >= progress.next
             WHERE progress.consumers = ? AND progress.member = ?
             ORDER BY events.position LIMIT ?",
        )
        .bind(&self.member.group)
        .bind(&self.member.id)
        .bind(BATCH)
        .fetch_all(&mut *self.member.database.read("SELECT events").await?)
        .await?;
        rows.into_iter().map(Delivery::try_from).collect()
    }

    /// Waits for a commit, or for another member's lease to be over.
    async fn wait(&mut self, others: Others) -> Result<(), Error> {
        let over = match others {
            Others::Taken(until) => {
                Either::Left(self.member.clock.sleep(until.since(self.member.clock.now())))
            }
            Others::None | Others::Free(_) => Either::Right(future::pending()),
        };
        tokio::select! {
            changed = self.changes.changed() => Ok(changed?),
            () = over => Ok(()),
        }
    }
}

#[async_trait]
impl crate::Subscription for Subscription {
    async fn next(&mut self) -> Result<Vec<Delivery>, Error> {
        loop {
            self.changes.mark_seen();
            let others = self.others().await?;
            if let Others::Free(topics) = others {
                self.member.claim(topics).await?;
                continue;
            }
            let deliveries = self.deliveries().await?;
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
            self.wait(others).await?;
        }
    }

    async fn commit(&mut self, delivery: &Delivery) -> Result<(), Error> {
        let (member, topic, offset) = (self.member.clone(), delivery.topic.clone(), delivery.offset);
        self.member
            .database
            .write("UPDATE progress", move |connection| {
                Box::pin(async move { member.done(connection, topic, offset).await })
            })
            .await
    }

    async fn dead_letter(&mut self, delivery: &Delivery, reason: &str) -> Result<(), Error> {
        let (member, delivery, reason) = (self.member.clone(), delivery.clone(), reason.to_owned());
        self.member
            .database
            .write("INSERT events", move |connection| {
                Box::pin(async move {
                    let Delivery { topic, partition: _, offset, event } = delivery;
                    let dead = dead_letter_topic(&topic);
                    member.done(connection, topic, offset).await?;
                    let given_up = GivenUp { by: &member.group, at: member.clock.now(), reason: &reason };
                    rows::append(connection, &dead, &event, Some(given_up)).await
                })
            })
            .await
    }
}

#[derive(Clone)]
struct Member {
    database: Database,
    clock: Arc<dyn Clock>,
    lease: Duration,
    group: String,
    id: String,
    /// Whether it ever had a topic; if not, there is nothing to renew or to give back.
    active: Arc<AtomicBool>,
}

impl Member {
    fn leased_until(&self) -> i64 {
        self.clock.now().after(self.lease).micros()
    }

    /// No lease ends later than this. One that seems to was given before the clock was set back, and would
    /// keep a topic for a dead member until the clock is there again.
    fn horizon(&self, now: Timestamp) -> Timestamp {
        now.after(self.lease * 2)
    }

    /// Takes those of the topics that are still free.
    async fn claim(&self, topics: Vec<String>) -> Result<(), Error> {
        self.active.store(true, Ordering::Relaxed);
        let member = self.clone();
        self.database
            .write("UPDATE progress", move |connection| {
                Box::pin(async move {
                    let now = member.clock.now();
                    for topic in topics {
                        sqlx::query(
                            "INSERT INTO progress (consumers, topic, next, member, leased_until)
                             VALUES (?, ?, 0, ?, ?)
                             ON CONFLICT DO UPDATE
                             SET member = excluded.member, leased_until = excluded.leased_until
                             WHERE progress.member IS NULL OR progress.leased_until <= ?
                                OR progress.leased_until > ?",
                        )
                        .bind(&member.group)
                        .bind(topic)
                        .bind(&member.id)
                        .bind(member.leased_until())
                        .bind(now.micros())
                        .bind(member.horizon(now).micros())
                        .execute(&mut *connection)
                        .await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Moves the group behind an offset, if the topic is this member's.
    async fn done(&self, connection: &mut SqliteConnection, topic: String, offset: i64) -> Result<(), Error> {
        let moved = sqlx::query(
            "UPDATE progress SET next = max(next, ?), leased_until = ?
             WHERE consumers = ? AND topic = ? AND member = ?",
        )
        .bind(offset.saturating_add(1))
        .bind(self.leased_until())
        .bind(&self.group)
        .bind(&topic)
        .bind(&self.id)
        .execute(connection)
        .await?;
        if moved.rows_affected() == 1 { Ok(()) } else { Err(Error::Lost { topic }) }
    }

    /// Keeps the leases alive until the subscription is gone, then gives them back.
    async fn keep(self, gone: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = gone.cancelled() => break,
                () = self.clock.sleep(self.lease / 3) => self.set(Some(self.leased_until())).await,
            }
        }
        self.set(None).await;
    }

    /// Renews the leases, or gives them back.
    async fn set(&self, leased_until: Option<i64>) {
        if !self.active.load(Ordering::Relaxed) {
            return;
        }
        let (group, id) = (self.group.clone(), self.id.clone());
        let written: Result<(), Error> = self
            .database
            .write("UPDATE progress", move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE progress
                         SET member = iif(?1 IS NULL, NULL, member), leased_until = coalesce(?1, leased_until)
                         WHERE consumers = ?2 AND member = ?3",
                    )
                    .bind(leased_until)
                    .bind(group)
                    .bind(id)
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await;
        if let Err(error) = written {
            tracing::warn!(
                group = self.group,
                error = format!("{:#}", anyhow::anyhow!(error)),
                "leases not kept"
            );
        }
    }
}
