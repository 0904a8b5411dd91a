//! The event log, and what relays ask of outboxes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use event_log::{Delivery, Error, Event, EventLog, Outbox, OutboxRow, Subscription, Waiting};

use super::{Port, Quiet, outcome};
use crate::simulation::process::Process;
use crate::simulation::weather::Fault;
use crate::simulation::zoo::Bug;

#[async_trait]
impl<S: Outbox + ?Sized> Outbox for Port<S> {
    async fn unpublished(&self, limit: usize) -> Result<Vec<OutboxRow>, sql::Error> {
        let quiet = &self.quiet;
        if quiet.has_none(&quiet.nothing_unpublished) {
            return self.read("unpublished", async { Ok(Vec::new()) }).await;
        }
        let asked = async {
            let mut rows = self.inner.unpublished(limit).await?;
            if self.has(Bug::MarkedBeforePublished) {
                let ids: Vec<i64> = rows.iter().map(|row| row.seq).collect();
                self.inner.mark_published(&ids).await?;
            }
            if self.has(Bug::RelayByPosition) {
                let come = self.quiet.come.load(Ordering::Relaxed);
                rows.retain(|row| row.seq > come);
                self.quiet.come.fetch_max(rows.last().map_or(0, |row| row.seq), Ordering::Relaxed);
            }
            if rows.is_empty() {
                quiet.found_none(&quiet.nothing_unpublished);
            }
            Ok(rows)
        };
        self.read("unpublished", asked).await
    }

    async fn mark_published(&self, ids: &[i64]) -> Result<(), sql::Error> {
        self.write("mark published", self.inner.mark_published(ids)).await
    }

    /// For who watches, of whom there is nobody.
    async fn waiting(&self) -> Result<Waiting, sql::Error> {
        Ok(Waiting::default())
    }
}

#[async_trait]
impl EventLog for Port<dyn EventLog> {
    async fn publish(&self, topic: &str, events: &[Event]) -> Result<(), Error> {
        let published = self.write("publish", self.inner.publish(topic, events)).await;
        if self.has(Bug::PublishedAnyway) { Ok(()) } else { published }
    }

    async fn subscribe(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Subscription>, Error> {
        let inner = self.read("subscribe", self.inner.subscribe(group, topics)).await?;
        Ok(Box::new(Member { inner, quiet: self.quiet.clone(), process: self.process.clone() }))
    }

    /// For who watches, of whom there is nobody.
    async fn behind(&self, _group: &str, _topics: &[&str]) -> Result<u64, Error> {
        Ok(0)
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// A member of a group as its program has it.
struct Member {
    inner: Box<dyn Subscription>,
    quiet: Arc<Quiet>,
    process: Process,
}

/// Before something is settled with the log.
async fn reaches(process: &Process, quiet: &Quiet, what: &'static str) -> Result<(), Error> {
    process.step(what, "").await;
    Ok(quiet.answers(&process.nature)?)
}

/// After it was.
async fn hears<T>(process: &Process, what: &'static str, done: Result<T, Error>) -> Result<T, Error> {
    process.step(what, outcome(&done)).await;
    match process.nature.strikes(Fault::StoreUnknownWritten) {
        true => Err(sql::Error::unknown("the connection broke").into()),
        false => done,
    }
}

#[async_trait]
impl Subscription for Member {
    async fn next(&mut self) -> Result<Vec<Delivery>, Error> {
        self.process.step("next", "").await;
        let delivered = self.inner.next().await;
        self.process.step("next", outcome(&delivered)).await;
        if self.process.nature.strikes(Fault::Redelivered) {
            // What was not committed comes with the next call.
            return Err(sql::Error::unavailable("the log is away").into());
        }
        if self.process.nature.bug == Some(Bug::OffsetBeforeEffect) {
            for delivery in delivered.iter().flatten() {
                self.inner.commit(delivery).await?;
            }
        }
        delivered
    }

    async fn commit(&mut self, delivery: &Delivery) -> Result<(), Error> {
        let too_far = i64::from(self.process.nature.bug == Some(Bug::OffsetTooFar));
        let delivery = &Delivery { offset: delivery.offset + too_far, ..delivery.clone() };
        reaches(&self.process, &self.quiet, "commit").await?;
        let done = self.inner.commit(delivery).await;
        hears(&self.process, "commit", done).await
    }

    async fn dead_letter(&mut self, delivery: &Delivery, reason: &str) -> Result<(), Error> {
        reaches(&self.process, &self.quiet, "dead letter").await?;
        let done = self.inner.dead_letter(delivery, reason).await;
        hears(&self.process, "dead letter", done).await
    }
}
