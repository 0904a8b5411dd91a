//! The outbox in a PostgreSQL database that several instances carry at once.

mod hammer;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use event_log::postgres::outbox;
use event_log::{Event, Outbox, OutboxRow, Waiting, Written};
use platform::metrics::Metrics;
use sql::postgres::{Database, Scratch};
use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection};
use testkit::Engine;
use uuid::Uuid;

use crate::{event, number};

/// What an instance needs at once: two writers, the relay, and who looks.
const CONNECTIONS: usize = 4;

static TABLE: Migrator = sqlx::migrate!("./tests/migrations/outbox");

/// Runs a case on a database of its own, where there is a server.
async fn on_postgres(case: impl AsyncFnOnce(&Shared)) {
    let Some(url) = Engine::Postgres.url() else { return };
    let shared = Shared { scratch: Scratch::new(&url).await.unwrap() };
    case(&shared).await;
    shared.scratch.drop().await.unwrap();
}

/// The database of several instances.
struct Shared {
    scratch: Scratch,
}

impl Shared {
    /// One more instance, with a pool of its own that is connected already: many connections made at once take
    /// longer than a caller waits.
    async fn instance(&self, number: u128) -> Instance {
        let database =
            Database::open(self.scratch.server(), "outbox", &TABLE, &Metrics::default()).await.unwrap();
        let mut connected = Vec::new();
        while connected.len() < CONNECTIONS {
            connected.extend(database.connection().await.ok());
        }
        Instance { database, carrier: Uuid::from_u128(number), failures: AtomicUsize::new(0) }
    }

    async fn connect(&self) -> PgConnection {
        self.scratch.connect("outbox").await.unwrap()
    }
}

struct Instance {
    database: Database,
    carrier: Uuid,
    /// Marks that failed: what they were for is carried again.
    failures: AtomicUsize,
}

#[async_trait]
impl Outbox for Instance {
    async fn unpublished(&self, limit: usize) -> Result<Vec<OutboxRow>, sql::Error> {
        outbox::unpublished(&self.database, self.carrier, limit).await
    }

    async fn mark_published(&self, ids: &[i64]) -> Result<(), sql::Error> {
        let marked = outbox::mark_published(&self.database, ids).await;
        self.failures.fetch_add(marked.is_err().into(), Ordering::Relaxed);
        marked
    }

    async fn waiting(&self) -> Result<Waiting, sql::Error> {
        outbox::waiting(&self.database).await
    }
}

impl Instance {
    /// Writes events, each in a transaction of its own.
    async fn write(&self, events: impl IntoIterator<Item = (&str, u32)>) {
        for (key, number) in events {
            let mut transaction = self.database.begin().await.unwrap();
            outbox::write(&mut transaction, "t", &event_of(key, number)).await.unwrap();
            transaction.commit().await.unwrap();
        }
    }

    /// Every row there is.
    async fn all(&self) -> Vec<Written> {
        outbox::all(&mut self.database.connection().await.unwrap()).await.unwrap()
    }

    /// Claims rows; the numbers of their events.
    async fn claim(&self, limit: usize) -> Vec<u32> {
        self.unpublished(limit).await.unwrap().iter().map(|row| number(&row.event)).collect()
    }

    /// Claims rows and marks them; the numbers of their events.
    async fn carry(&self, limit: usize) -> Vec<u32> {
        let rows = self.unpublished(limit).await.unwrap();
        let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
        self.mark_published(&seqs).await.unwrap();
        rows.iter().map(|row| number(&row.event)).collect()
    }
}

fn event_of(key: &str, number: u32) -> Event {
    Event { key: key.to_owned(), ..event(number) }
}

/// The numbers of each key, in their order.
fn by_key<'a>(events: impl IntoIterator<Item = &'a Event>) -> BTreeMap<&'a str, Vec<u32>> {
    let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in events {
        keys.entry(event.key.as_str()).or_default().push(number(event));
    }
    keys
}

#[test]
fn the_table_tested_is_the_one_that_services_are_told_to_make() {
    let source = include_str!("../../src/postgres/outbox.rs");
    let documented = source.lines().skip_while(|line| *line != "//! ```sql").skip(1);
    let documented = documented.take_while(|line| *line != "//! ```");
    let documented: Vec<&str> = documented.map(|line| line.trim_start_matches("//!").trim_end()).collect();
    let tested = include_str!("../migrations/outbox/0001_outbox.sql").lines();
    let tested: Vec<String> =
        tested.map(|line| if line.is_empty() { String::new() } else { format!(" {line}") }).collect();
    assert_eq!(documented, tested);
}

#[tokio::test]
async fn events_come_back_as_they_were_written_until_they_are_marked() {
    on_postgres(async |shared| {
        let one = shared.instance(1).await;
        let written = Event {
            traceparent: Some("trace".into()),
            request_id: Some("request".into()),
            ..event_of("a", 1)
        };
        for (topic, event) in [("x", &written), ("y", &event_of("a", 2))] {
            outbox::write(&mut one.database.connection().await.unwrap(), topic, event).await.unwrap();
        }
        let rows = one.unpublished(10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.topic.as_str()).collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(rows[0].event, written);
        assert_eq!(one.unpublished(10).await.unwrap(), rows, "its own claims are found again");
        for _ in 0..2 {
            one.mark_published(&[rows[0].seq]).await.unwrap();
            assert_eq!(one.unpublished(10).await.unwrap(), rows[1..]);
        }
        let all = one.all().await;
        assert_eq!(all.iter().map(|written| written.published).collect::<Vec<_>>(), [true, false]);
        assert_eq!(all.into_iter().map(|written| written.row).collect::<Vec<_>>(), rows);

        let again = outbox::write(&mut one.database.connection().await.unwrap(), "x", &written).await;
        assert!(again.unwrap_err().is_unique_violation());
    })
    .await;
}

#[tokio::test]
async fn a_key_is_carried_by_one_instance_at_a_time() {
    on_postgres(async |shared| {
        let (one, two) = (shared.instance(1).await, shared.instance(2).await);
        one.write([("a", 1), ("a", 2), ("b", 3)]).await;
        assert_eq!(one.claim(1).await, [1]);
        assert_eq!(two.claim(10).await, [3], "2 has to wait for 1");
        assert_eq!(one.carry(1).await, [1]);
        assert_eq!(two.claim(10).await, [2, 3]);
        assert_eq!(one.claim(10).await, [] as [u32; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_long_queue_of_one_key_keeps_no_other_waiting() {
    on_postgres(async |shared| {
        let (one, two) = (shared.instance(1).await, shared.instance(2).await);
        one.write((1..=20).map(|number| ("hot", number))).await;
        one.write([("cold", 21)]).await;
        assert_eq!(one.claim(3).await, [1, 2, 3]);
        assert_eq!(two.claim(3).await, [21]);
    })
    .await;
}

#[tokio::test]
async fn an_instance_that_died_is_replaced_once_its_claim_has_run_out() {
    on_postgres(async |shared| {
        let (dead, other) = (shared.instance(1).await, shared.instance(2).await);
        other.write([("a", 1), ("a", 2)]).await;
        assert_eq!(dead.claim(10).await, [1, 2]);
        other.write([("a", 3), ("b", 4)]).await;
        assert_eq!(other.carry(10).await, [4]);

        let mut connection = shared.connect().await;
        let left = "SELECT min(extract(epoch FROM claimed_until - now()))::float8 FROM outbox
                    WHERE published_at IS NULL AND claimed_by IS NOT NULL";
        let left: f64 = sqlx::query_scalar(left).fetch_one(&mut connection).await.unwrap();
        assert!((20.0..=30.0).contains(&left), "{left} s");
        let run_out = "UPDATE outbox SET claimed_until = now() - interval '1 ms' WHERE claimed_by = $1";
        sqlx::query(run_out).bind(dead.carrier).execute(&mut connection).await.unwrap();
        assert_eq!(other.carry(10).await, [1, 2, 3]);
        assert_eq!(dead.claim(10).await, [] as [u32; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_row_that_is_committed_late_is_not_lost() {
    on_postgres(async |shared| {
        let one = shared.instance(1).await;
        let mut slow = one.database.begin().await.unwrap();
        outbox::write(&mut slow, "t", &event_of("a", 1)).await.unwrap();
        one.write([("a", 2), ("b", 3)]).await;
        let rows = one.unpublished(10).await.unwrap();
        assert_eq!(one.carry(10).await, [2, 3]);
        slow.commit().await.unwrap();
        let late = one.unpublished(10).await.unwrap();
        assert_eq!(late.iter().map(|row| number(&row.event)).collect::<Vec<_>>(), [1]);
        assert!(late[0].seq < rows[0].seq);
    })
    .await;
}

#[tokio::test]
async fn what_another_is_just_claiming_is_left_with_all_that_follows() {
    on_postgres(async |shared| {
        let one = shared.instance(1).await;
        one.write([("a", 1), ("a", 2), ("b", 3)]).await;
        let mut connection = shared.connect().await;
        let mut claiming = connection.begin().await.unwrap();
        let lock =
            "UPDATE outbox SET claimed_by = $1, claimed_until = now() + interval '30 s' WHERE event_id = $2";
        sqlx::query(lock).bind(Uuid::from_u128(2)).bind(event(1).id).execute(&mut *claiming).await.unwrap();
        assert_eq!(one.claim(10).await, [3]);
        claiming.rollback().await.unwrap();
        assert_eq!(one.claim(10).await, [1, 2, 3]);
    })
    .await;
}
