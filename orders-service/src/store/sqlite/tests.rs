//! What is particular to a file.

use std::sync::Arc;

use platform::Origin;
use platform::metrics::Metrics;
use testkit::TempDir;

use super::*;
use crate::cancellation::Cancellation;
use crate::store::Cancellations as _;
use crate::store::conformance::{make, order};

/// What an earlier version of the program wrote is read by this one, and can be cancelled.
#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("orders.db");
    let first = MIGRATIONS.iter().filter(|migration| migration.version == 1).cloned().collect();
    let first: &'static _ = Box::leak(Box::new(Migrator { migrations: first, ..Migrator::DEFAULT }));
    let database = Database::open(&path, first, Sharing::Exclusive, &Metrics::default()).await.unwrap();
    let old: Arc<dyn Store> = Arc::new(Sqlite { database: database.clone() });
    // This version's statements write more than the first one's.
    alter(&database, "ALTER TABLE outbox ADD COLUMN request_id TEXT").await;
    for number in 1..=3 {
        make(&old, &order(number, 7, 100)).await;
    }
    alter(&database, "ALTER TABLE outbox DROP COLUMN request_id").await;
    database.close().await;
    drop((old, database));

    let new = Sqlite::open(&path, &Metrics::default()).await.unwrap();
    let snapshot = new.snapshot().await.unwrap();
    assert_eq!((snapshot.orders.len(), snapshot.inbox.len(), snapshot.outbox.len()), (3, 3, 3));
    for number in 1..=3 {
        let order = order(number, 7, 100);
        assert_eq!(new.order(order.id).await.unwrap().as_ref(), Some(&order));
    }
    let cancellation =
        Cancellation::of(&snapshot.orders[0], Origin::default(), snapshot.orders[0].created_at);
    assert!(new.cancel(Status::Confirmed, &cancellation).await.unwrap());
    // Lines and inbox still refer to orders that must be there, and a status is still one of those known.
    for wrong in ["DELETE FROM orders", "UPDATE orders SET status = 'LOST'"] {
        let tampered = new.database.write("SELECT tests", move |connection| {
            Box::pin(async move { Ok::<_, Error>(sqlx::query(wrong).execute(connection).await.map(drop)?) })
        });
        let refused = tampered.await.unwrap_err();
        assert!(matches!(refused, Error::Conflict(_)), "{wrong}: {refused:?}");
    }
}

async fn alter(database: &Database, statement: &'static str) {
    let altered = database.write("ALTER outbox", move |connection| {
        Box::pin(async move { Ok::<_, Error>(sqlx::query(statement).execute(connection).await.map(drop)?) })
    });
    altered.await.unwrap();
}
