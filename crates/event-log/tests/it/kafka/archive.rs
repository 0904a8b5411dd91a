//! Looking at everything, and giving dead letters another chance.

use std::collections::BTreeSet;

use event_log::{Archive as _, Delivery, End, EventLog as _, Progress, Replayed, list, replay};

use super::{Kafka, keyed, take};
use crate::{event, number, numbers};

#[tokio::test]
async fn an_archive_reads_everything_and_is_no_member() {
    let Some(kafka) = Kafka::there() else { return };
    let (log, topic, group) = (kafka.open(3), kafka.name("all"), kafka.name("g"));
    let archive = kafka.archive();
    assert_eq!(archive.ends(&[&topic]).await.unwrap(), [], "not there yet");
    assert_eq!(archive.events(&topic).await.unwrap(), []);
    assert_eq!(archive.dead_letters(&[&topic]).await.unwrap(), []);
    assert_eq!(archive.progress(&[&group], &[&topic]).await.unwrap(), []);

    let events: Vec<_> = (1..=300).map(|number| keyed(&format!("k{}", number % 20), number)).collect();
    log.publish(&topic, &events).await.unwrap();
    let mut member = log.subscribe(&group, &[&topic]).await.unwrap();
    let taken = take(&mut member, 300).await;

    let ends = archive.ends(&[&topic]).await.unwrap();
    assert_eq!(
        ends.iter().map(|end| (end.partition, end.first)).collect::<Vec<_>>(),
        [(0, 0), (1, 0), (2, 0)]
    );
    assert_eq!(ends.iter().map(|end| end.next).sum::<i64>(), 300);
    let seen = archive.events(&topic).await.unwrap();
    assert_eq!(seen.len(), 300);
    assert!(seen.iter().all(|delivery| taken.contains(delivery)));
    let mut latest = archive.latest(&topic, 2).await.unwrap();
    let is_late = |delivery: &Delivery| {
        ends.iter().any(|end| end.partition == delivery.partition && end.next - 2 <= delivery.offset)
    };
    assert_eq!(latest, seen.iter().filter(|delivery| is_late(delivery)).cloned().collect::<Vec<_>>());
    latest.dedup_by_key(|delivery| delivery.partition);
    assert_eq!(latest.len(), 3, "of each partition");
    let progress = archive.progress(&[&group, &kafka.name("other")], &[&topic]).await.unwrap();
    let expected = ends.into_iter().map(|End { topic, partition, next, .. }| Progress {
        group: group.clone(),
        topic,
        partition,
        next,
    });
    assert_eq!(progress, expected.filter(|it| it.next > 0).collect::<Vec<_>>());
    log.close().await;
}

#[tokio::test]
async fn a_group_is_behind_in_all_partitions_that_there_are_members_for_or_not() {
    let Some(kafka) = Kafka::there() else { return };
    let (log, topic, group) = (kafka.open(3), kafka.name("behind"), kafka.name("g"));
    let events: Vec<_> = (1..=300).map(|number| keyed(&format!("k{}", number % 20), number)).collect();
    log.publish(&topic, &events).await.unwrap();
    let topics = [topic.as_str(), "never-made"];
    assert_eq!(log.behind(&group, &topics).await.unwrap(), 300);
    let mut member = log.subscribe(&group, &[&topic]).await.unwrap();
    take(&mut member, 300).await;
    assert_eq!(log.behind(&group, &topics).await.unwrap(), 0);
    drop(member);
    log.publish(&topic, &events[..30]).await.unwrap();
    // Who asks is no member, and is told what another one has done.
    let other = kafka.open(3);
    for log in [&log, &other] {
        assert_eq!(log.behind(&group, &topics).await.unwrap(), 30);
        log.close().await;
    }
}

#[tokio::test]
async fn dead_letters_are_replayed_once() {
    let Some(kafka) = Kafka::there() else { return };
    let (log, topic, group) = (kafka.open(2), kafka.name("replay"), kafka.name("g"));
    let archive = kafka.archive();
    let topics = [topic.as_str()];
    // The group of replays is one for all topics, and this topic is ours alone.
    assert_eq!(replay(&log, &archive, &topics).await.unwrap(), Replayed::default());
    let events: Vec<_> = (1..=6).map(|number| keyed(&format!("k{number}"), number)).collect();
    log.publish(&topic, &events).await.unwrap();
    let mut member = log.subscribe(&group, &topics).await.unwrap();
    let mut given_up = BTreeSet::new();
    while given_up.len() < 6 {
        for delivery in super::next(&mut member).await {
            member.dead_letter(&delivery, "not now").await.unwrap();
            given_up.insert(number(&delivery.event));
        }
    }
    let listed = list(&archive, &topics).await.unwrap();
    assert_eq!(listed.len(), 6);
    assert!(listed.iter().all(|it| !it.is_replayed && it.letter.reason == "not now"));

    let all = Replayed { published: 6, unreadable: 0 };
    assert_eq!(replay(&log, &archive, &topics).await.unwrap(), all);
    let mut again = take(&mut member, 6).await;
    again.sort_by_key(|delivery| number(&delivery.event));
    assert_eq!(again.iter().map(|it| it.event.clone()).collect::<Vec<_>>(), events);
    assert!(list(&archive, &topics).await.unwrap().iter().all(|it| it.is_replayed));
    assert_eq!(replay(&log, &archive, &topics).await.unwrap(), Replayed::default());

    // Only what is new.
    log.publish(&topic, &[event(7)]).await.unwrap();
    let new = super::next(&mut member).await.remove(0);
    member.dead_letter(&new, "not now").await.unwrap();
    let one = Replayed { published: 1, unreadable: 0 };
    assert_eq!(replay(&log, &archive, &topics).await.unwrap(), one);
    assert_eq!(numbers(&take(&mut member, 1).await), [7]);
    log.close().await;
}
