//! What every log of events does: the same cases for each adapter.
//!
//! An adapter's tests run [`all`] on a [`Place`] of its own, with one partition to a topic: what is told here is
//! what consumers rely on within a partition.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::select_all;
use tokio::time::timeout;
use types::Timestamp;
use uuid::Uuid;

use crate::{Delivery, Error, Event, EventLog, Subscription, dead_letter_topic};

/// Longer than any step takes on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// Long enough to see an event that must not come.
const MOMENT: Duration = Duration::from_millis(200);

/// Where an adapter keeps its log.
#[async_trait]
pub trait Place: Send + Sync {
    /// Opens the log as one more process would. What was published before is there.
    async fn open(&self) -> anyhow::Result<Arc<dyn EventLog>>;

    /// The name of a topic or a group, made different from that of any earlier run where the log outlives it.
    fn name(&self, name: &str) -> String {
        name.to_owned()
    }
}

/// Runs all cases, one after the other.
///
/// # Errors
/// Names the first case that fails, and how.
pub async fn all(place: &dyn Place) -> anyhow::Result<()> {
    order_of_a_key(place).await.context("order_of_a_key")?;
    everything_about_an_event_is_kept(place).await.context("everything_about_an_event_is_kept")?;
    redelivery_until_committed(place).await.context("redelivery_until_committed")?;
    groups_are_independent(place).await.context("groups_are_independent")?;
    one_member_at_a_time(place).await.context("one_member_at_a_time")?;
    members_that_start_at_once(place).await.context("members_that_start_at_once")?;
    topics_of_one_subscription(place).await.context("topics_of_one_subscription")?;
    dead_letters(place).await.context("dead_letters")?;
    how_far_a_group_is_behind(place).await.context("how_far_a_group_is_behind")?;
    restart(place).await.context("restart")?;
    wake_up_across_processes(place).await.context("wake_up_across_processes")
}

/// Events of a key come in the order in which they were published, in one call or in several.
async fn order_of_a_key(place: &dyn Place) -> anyhow::Result<()> {
    let (log, topic, group) = (place.open().await?, &place.name("order"), &place.name("order-group"));
    log.publish(topic, &[]).await?;
    for first in (1..=250).step_by(10) {
        let events: Vec<Event> = (first..first + 10).map(event).collect();
        log.publish(topic, &events).await?;
    }
    let mut subscription = log.subscribe(group, &[topic]).await?;
    let seen = take(subscription.as_mut(), 250).await?;
    ensure!(numbers(&seen) == (1..=250).collect::<Vec<_>>(), "out of order: {:?}", numbers(&seen));
    ensure!(seen.iter().map(|delivery| delivery.offset).is_sorted_by(|one, next| one < next), "offsets");
    Ok(())
}

async fn everything_about_an_event_is_kept(place: &dyn Place) -> anyhow::Result<()> {
    let (log, topic, group) = (place.open().await?, &place.name("kept"), &place.name("kept-group"));
    let plain = event(1);
    let traced = Event {
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        request_id: Some("request-1".to_owned()),
        data: Bytes::from_static("{\"größe\":\"\\u0000\"}".as_bytes()),
        ..event(2)
    };
    // Nothing is taken for a repetition here: that is for consumers to tell.
    log.publish(topic, &[plain.clone(), traced.clone(), plain.clone()]).await?;
    let mut subscription = log.subscribe(group, &[topic]).await?;
    let seen = take(subscription.as_mut(), 3).await?;
    ensure!(seen.iter().all(|delivery| delivery.topic == *topic));
    let events: Vec<Event> = seen.into_iter().map(|delivery| delivery.event).collect();
    ensure!(events == [plain.clone(), traced, plain], "changed: {events:?}");
    Ok(())
}

/// What is not committed comes again: to the same member, and to the next one.
async fn redelivery_until_committed(place: &dyn Place) -> anyhow::Result<()> {
    let (log, topic, group) = (place.open().await?, &place.name("again"), &place.name("again-group"));
    log.publish(topic, &[event(1), event(2), event(3)]).await?;
    let mut member = log.subscribe(group, &[topic]).await?;
    for _ in 0..2 {
        ensure!(numbers(&gather(member.as_mut(), 3).await?) == [1, 2, 3]);
    }
    let first = next(member.as_mut()).await?.into_iter().next().context("nothing")?;
    member.commit(&first).await?;
    let all = gather(member.as_mut(), 2).await?;
    ensure!(numbers(&all) == [2, 3]);
    // A commit that comes late does not lead back.
    member.commit(all.last().context("nothing")?).await?;
    member.commit(&first).await?;
    log.publish(topic, &[event(4)]).await?;
    ensure!(numbers(&next(member.as_mut()).await?) == [4]);
    drop(member);
    let mut member = log.subscribe(group, &[topic]).await?;
    ensure!(numbers(&take(member.as_mut(), 1).await?) == [4]);
    Ok(())
}

/// Each group sees everything, from the beginning, whatever the others have committed.
async fn groups_are_independent(place: &dyn Place) -> anyhow::Result<()> {
    let (log, topic) = (place.open().await?, &place.name("groups"));
    log.publish(topic, &[event(1), event(2)]).await?;
    for group in ["one", "other"].map(|group| place.name(group)) {
        let mut member = log.subscribe(&group, &[topic]).await?;
        ensure!(numbers(&take(member.as_mut(), 2).await?) == [1, 2], "group {group}");
    }
    Ok(())
}

/// Of two members only one gets events, and when it goes the other goes on where it stopped.
async fn one_member_at_a_time(place: &dyn Place) -> anyhow::Result<()> {
    let (log, topic, group) = (place.open().await?, &place.name("members"), &place.name("members-group"));
    log.publish(topic, &[event(1), event(2)]).await?;
    let mut first = log.subscribe(group, &[topic]).await?;
    let delivered = next(first.as_mut()).await?;
    let mut second = log.subscribe(group, &[topic]).await?;
    nothing(second.as_mut()).await?;
    first.commit(delivered.first().context("nothing")?).await?;
    nothing(second.as_mut()).await?;
    drop(first);
    ensure!(numbers(&take(second.as_mut(), 1).await?) == [2]);
    // And who has nothing to say any more is not heard.
    let mut third = log.subscribe(group, &[topic]).await?;
    let refused = third.commit(delivered.first().context("nothing")?).await;
    ensure!(matches!(refused, Err(Error::Lost { .. })), "committed without the topic: {refused:?}");
    Ok(())
}

/// A race of processes for a topic has one winner.
async fn members_that_start_at_once(place: &dyn Place) -> anyhow::Result<()> {
    let (log, topic, group) = (place.open().await?, &place.name("race"), &place.name("race-group"));
    log.publish(topic, &[event(1)]).await?;
    let mut members = Vec::new();
    for _ in 0..4 {
        members.push(place.open().await?.subscribe(group, &[topic]).await?);
    }
    let (won, _, others) = timeout(SOON, select_all(members.iter_mut().map(|member| member.next()))).await?;
    ensure!(numbers(&won?) == [1]);
    ensure!(timeout(MOMENT, select_all(others)).await.is_err(), "a second winner");
    Ok(())
}

async fn topics_of_one_subscription(place: &dyn Place) -> anyhow::Result<()> {
    let log = place.open().await?;
    let [red, blue, green] = ["red", "blue", "green"].map(|topic| place.name(topic));
    log.publish(&red, &[event(1), event(2)]).await?;
    log.publish(&blue, &[event(3)]).await?;
    log.publish(&green, &[event(4)]).await?;
    let mut member = log.subscribe(&place.name("colours"), &[&red, &blue]).await?;
    let mut seen = numbers(&take(member.as_mut(), 3).await?);
    seen.sort_unstable();
    ensure!(seen == [1, 2, 3]);
    nothing(member.as_mut()).await
}

/// An event that is given up lies in a topic of its own, and the group is done with it.
async fn dead_letters(place: &dyn Place) -> anyhow::Result<()> {
    let (log, topic, group) = (place.open().await?, &place.name("poison"), &place.name("poison-group"));
    log.publish(topic, &[event(1), event(2), event(3)]).await?;
    let mut member = log.subscribe(group, &[topic]).await?;
    let delivered = gather(member.as_mut(), 2).await?;
    member.commit(delivered.first().context("nothing")?).await?;
    member.dead_letter(delivered.get(1).context("one only")?, "no such field").await?;
    ensure!(numbers(&take(member.as_mut(), 1).await?) == [3]);
    let dead = dead_letter_topic(topic);
    ensure!(dead == format!("{topic}.dlq"));
    let mut undertaker = log.subscribe(&place.name("undertaker"), &[&dead]).await?;
    let given_up = take(undertaker.as_mut(), 1).await?;
    ensure!(numbers(&given_up) == [2]);
    nothing(undertaker.as_mut()).await
}

/// What a group is not done with is counted: whoever asks, and whether or not anybody consumes.
async fn how_far_a_group_is_behind(place: &dyn Place) -> anyhow::Result<()> {
    let (log, other) = (place.open().await?, place.open().await?);
    let (topic, group) = (&place.name("behind"), &place.name("behind-group"));
    ensure!(log.behind(group, &[topic]).await? == 0, "behind in a topic that is not there");
    log.publish(topic, &[event(1), event(2), event(3), event(4)]).await?;
    // Events of no interest.
    log.publish(&place.name("beside"), &[event(5)]).await?;
    ensure!(log.behind(group, &[topic]).await? == 4, "before it begins");
    let mut member = log.subscribe(group, &[topic]).await?;
    let delivered = gather(member.as_mut(), 4).await?;
    ensure!(other.behind(group, &[topic]).await? == 4, "before it has committed");
    member.commit(delivered.get(1).context("one only")?).await?;
    for log in [&log, &other] {
        ensure!(log.behind(group, &[topic]).await? == 2);
    }
    ensure!(log.behind(&place.name("others"), &[topic]).await? == 4, "what another group has done");
    member.dead_letter(delivered.get(2).context("two only")?, "no such field").await?;
    drop(member);
    log.publish(topic, &[event(6)]).await?;
    ensure!(log.behind(group, &[topic]).await? == 2, "without a member");
    let rest = [topic.as_str(), &dead_letter_topic(topic)];
    ensure!(log.behind(group, &rest).await? == 3, "in two topics");
    Ok(())
}

/// A log that is opened again knows its events and how far each group has come.
async fn restart(place: &dyn Place) -> anyhow::Result<()> {
    let (topic, group) = (&place.name("restart"), &place.name("restart-group"));
    {
        let log = place.open().await?;
        log.publish(topic, &[event(1), event(2)]).await?;
        let mut member = log.subscribe(group, &[topic]).await?;
        let delivered = next(member.as_mut()).await?;
        member.commit(delivered.first().context("nothing")?).await?;
    }
    let log = place.open().await?;
    let mut member = log.subscribe(group, &[topic]).await?;
    ensure!(numbers(&take(member.as_mut(), 1).await?) == [2]);
    Ok(())
}

/// A consumer that waits is woken by a publication in its own process and in another.
async fn wake_up_across_processes(place: &dyn Place) -> anyhow::Result<()> {
    let (topic, group) = (&place.name("wake"), &place.name("wake-group"));
    let (consumer, publisher) = (place.open().await?, place.open().await?);
    let mut member = consumer.subscribe(group, &[topic]).await?;
    for (number, log) in [(1, &publisher), (2, &consumer), (3, &publisher)] {
        let wait = take(member.as_mut(), 1);
        let publish = async {
            tokio::task::yield_now().await;
            log.publish(topic, &[event(number)]).await
        };
        let (seen, published) = tokio::join!(wait, publish);
        published?;
        ensure!(numbers(&seen?) == [number]);
    }
    Ok(())
}

fn event(number: u32) -> Event {
    Event {
        id: Uuid::from_u128(number.into()),
        kind: "thing.happened.v1".to_owned(),
        source: "conformance".to_owned(),
        key: "7".to_owned(),
        time: Timestamp::from_micros(1_763_842_530_123_456),
        traceparent: None,
        request_id: None,
        data: Bytes::from(number.to_string()),
    }
}

/// The numbers that [`event`] was called with.
fn numbers(deliveries: &[Delivery]) -> Vec<u32> {
    deliveries.iter().filter_map(|delivery| u32::try_from(delivery.event.id.as_u128()).ok()).collect()
}

async fn next(member: &mut dyn Subscription) -> anyhow::Result<Vec<Delivery>> {
    Ok(timeout(SOON, member.next()).await.context("waited in vain")??)
}

/// The next deliveries as soon as there are so many at once: what was published together may come bit by bit.
async fn gather(member: &mut dyn Subscription, count: usize) -> anyhow::Result<Vec<Delivery>> {
    let gathered = async {
        loop {
            let deliveries = member.next().await?;
            if deliveries.len() >= count {
                return Ok(deliveries);
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, gathered).await.context("waited in vain")?
}

/// Takes and commits so many deliveries, and sees that there are no more of them.
async fn take(member: &mut dyn Subscription, count: usize) -> anyhow::Result<Vec<Delivery>> {
    let mut taken = Vec::new();
    while taken.len() < count {
        for delivery in next(member).await.with_context(|| format!("after {} of {count}", taken.len()))? {
            member.commit(&delivery).await?;
            taken.push(delivery);
        }
    }
    ensure!(taken.len() == count, "too many: {taken:?}");
    Ok(taken)
}

async fn nothing(member: &mut dyn Subscription) -> anyhow::Result<()> {
    let come = timeout(MOMENT, member.next()).await;
    ensure!(come.is_err(), "an event that must not come: {come:?}");
    Ok(())
}
