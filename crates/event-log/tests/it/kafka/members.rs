//! Members that come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use event_log::{Delivery, Error, EventLog as _, Subscription};
use futures::future::select_all;
use tokio::time::timeout;

use super::{Kafka, MOMENT, keyed, next, take};
use crate::{SOON, event, number, numbers};

/// Takes and commits so many deliveries, whichever of the members gets them.
async fn take_of(members: &mut [Box<dyn Subscription>], count: usize) -> Vec<(usize, Delivery)> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let nexts = members.iter_mut().map(|member| member.next());
        let (delivered, index, _) = timeout(SOON, select_all(nexts)).await.expect("waited in vain");
        for delivery in delivered.unwrap() {
            match members[index].commit(&delivery).await {
                Ok(()) => taken.push((index, delivery)),
                // Partitions change hands. It comes again, but not once one behind it in its partition is committed.
                Err(Error::Lost { .. }) => break,
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    taken
}

#[tokio::test]
async fn members_share_the_partitions_and_keys_keep_their_order() {
    let Some(kafka) = Kafka::there() else { return };
    let (log, other, topic, group) = (kafka.open(6), kafka.open(6), kafka.name("shared"), kafka.name("g"));
    let mut members =
        [log.subscribe(&group, &[&topic]).await.unwrap(), other.subscribe(&group, &[&topic]).await.unwrap()];
    let keys: Vec<String> = (0..40).map(|key| format!("k{key}")).collect();
    let round =
        |first: u32| -> Vec<_> { keys.iter().zip(first..).map(|(key, number)| keyed(key, number)).collect() };
    // Until both have a share.
    let mut busy = BTreeSet::new();
    while busy.len() < 2 {
        log.publish(&topic, &round(0)).await.unwrap();
        busy = take_of(&mut members, 40).await.into_iter().map(|(index, _)| index).collect();
    }
    for first in (1000..6000).step_by(1000) {
        log.publish(&topic, &round(first)).await.unwrap();
    }
    let taken = take_of(&mut members, 200).await;
    let mut of_keys: BTreeMap<String, Vec<(i32, u32)>> = BTreeMap::new();
    for (_, Delivery { partition, event, .. }) in &taken {
        of_keys.entry(event.key.clone()).or_default().push((*partition, number(event)));
    }
    assert_eq!(of_keys.len(), 40);
    for (key, seen) in of_keys {
        assert!(seen.iter().all(|(partition, _)| *partition == seen[0].0), "{key} moved: {seen:?}");
        assert!(seen.is_sorted_by(|one, next| one.1 < next.1), "{key} out of order: {seen:?}");
        assert_eq!(seen.len(), 5, "{key}: {seen:?}");
    }
    let partitions: BTreeSet<(usize, i32)> = taken.iter().map(|(index, it)| (*index, it.partition)).collect();
    assert_eq!(partitions.len(), 6, "a partition with two members: {partitions:?}");
    assert!(timeout(MOMENT, select_all(members.iter_mut().map(|it| it.next()))).await.is_err());
    log.close().await;
    other.close().await;
}

#[tokio::test]
async fn a_partition_that_goes_to_another_member_is_lost() {
    let Some(kafka) = Kafka::there() else { return };
    let (log, topic, group) = (kafka.open(2), kafka.name("handover"), kafka.name("g"));
    let events: Vec<_> = (1..=40).map(|number| keyed(&format!("k{number}"), number)).collect();
    log.publish(&topic, &events).await.unwrap();
    let mut first = log.subscribe(&group, &[&topic]).await.unwrap();
    let mut seen = Vec::new();
    testkit::eventually("both partitions", SOON, async || {
        seen = next(&mut first).await;
        seen.len() == 40
    })
    .await;
    let mut second = log.subscribe(&group, &[&topic]).await.unwrap();
    let taken_over = next(&mut second).await;
    let theirs = seen.iter().find(|it| it.partition == taken_over[0].partition).unwrap();
    let ours = seen.iter().find(|it| it.partition != taken_over[0].partition).unwrap();
    let refused = first.commit(theirs).await;
    assert!(matches!(&refused, Err(Error::Lost { topic: lost }) if *lost == topic), "{refused:?}");
    let refused = first.dead_letter(theirs, "why").await;
    assert!(matches!(refused, Err(Error::Lost { .. })), "{refused:?}");
    first.commit(ours).await.unwrap();
    let left = next(&mut first).await;
    assert!(left.iter().all(|it| it.partition == ours.partition && it.offset > ours.offset));
    second.commit(&taken_over[0]).await.unwrap();
    log.close().await;
}

#[tokio::test]
async fn a_handler_that_is_slow_keeps_its_partitions_and_gets_everything() {
    let Some(kafka) = Kafka::there() else { return };
    let (log, topic, group) = (kafka.open(1), kafka.name("many"), kafka.name("g"));
    // More than is fetched ahead.
    for first in (0..3000).step_by(500) {
        let events: Vec<_> = (first..first + 500).map(event).collect();
        log.publish(&topic, &events).await.unwrap();
    }
    let mut member = log.subscribe(&group, &[&topic]).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3000 {
        let delivered = next(&mut member).await;
        member.commit(delivered.last().unwrap()).await.unwrap();
        seen.extend(numbers(&delivered));
    }
    assert_eq!(seen, (0..3000).collect::<Vec<_>>());
    log.close().await;
}

/// Tells the process that is to die what its member is to do.
const DOOMED: &str = "EVENT_LOG_DOOMED_MEMBER";

#[tokio::test]
async fn a_member_that_is_killed_loses_its_partitions() {
    if let Ok(told) = std::env::var(DOOMED) {
        return doomed(&told).await;
    }
    let Some(kafka) = Kafka::there() else { return };
    let (log, topic, group) = (kafka.open(1), kafka.name("killed"), kafka.name("g"));
    log.publish(&topic, &[event(1), event(2)]).await.unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "kafka::members::a_member_that_is_killed_loses_its_partitions"])
        .env(DOOMED, [kafka.server.url.as_str(), &group, &topic].join(" "))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.ends_with("delivered")));
    let mut heir = log.subscribe(&group, &[&topic]).await.unwrap();
    assert!(timeout(MOMENT, heir.next()).await.is_err());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(numbers(&take(&mut heir, 1).await), [2]);
    log.close().await;
}

/// Commits the first event and does nothing more.
async fn doomed(told: &str) {
    let told: Vec<&str> = told.split(' ').collect();
    let log = Kafka::at(told[0].to_owned()).open(1);
    let mut member = log.subscribe(told[1], &[told[2]]).await.unwrap();
    let first = next(&mut member).await.remove(0);
    member.commit(&first).await.unwrap();
    println!("delivered");
    std::future::pending().await
}

#[tokio::test]
async fn closing_leaves_the_groups_at_once() {
    let Some(kafka) = Kafka::there() else { return };
    let (log, other, topic, group) = (kafka.open(1), kafka.open(1), kafka.name("closed"), kafka.name("g"));
    let mut left = log.subscribe(&group, &[&topic]).await.unwrap();
    log.publish(&topic, &[event(1)]).await.unwrap();
    let delivered = next(&mut left).await;
    log.close().await;
    assert!(matches!(left.next().await, Err(Error::Unavailable(_))));
    assert!(matches!(left.commit(&delivered[0]).await, Err(Error::Unavailable(_))));
    assert!(matches!(log.publish(&topic, &[event(2)]).await, Err(Error::Unavailable(_))));
    assert!(matches!(log.ping().await, Err(Error::Unavailable(_))));
    let mut member = other.subscribe(&group, &[&topic]).await.unwrap();
    assert_eq!(numbers(&take(&mut member, 1).await), [1]);
    other.close().await;
}
