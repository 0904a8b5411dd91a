use std::sync::Arc;

use platform::metrics::Metrics;
use sql::postgres::Scratch;
use testkit::Engine;

use super::*;
use crate::store::conformance::{self, all, id, moment, named};

async fn scratch() -> Option<Scratch> {
    Some(Scratch::new(&Engine::Postgres.url()?).await.unwrap())
}

#[tokio::test]
async fn conforms() {
    if let Some(url) = Engine::Postgres.url() {
        conformance::run(async || {
            let scratch = Scratch::new(&url).await.unwrap();
            let store = Postgres::open(scratch.server(), &Metrics::default()).await.unwrap();
            (Arc::new(store) as Arc<dyn Store>, scratch)
        })
        .await;
    }
}

/// Products are only added here, so that a listing with a later revision has as many more of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_has_every_change_up_to_its_revision_and_no_other() {
    let Some(scratch) = scratch().await else { return };
    let store = Postgres::open(scratch.server(), &Metrics::default()).await.unwrap();
    let writers = (0..4).map(|_| async {
        for number in 0..10 {
            store.add(&named(&format!("Tablet {number}")), moment(0)).await.unwrap();
        }
    });
    let reader = async {
        loop {
            let listing = store.all().await.unwrap();
            assert_eq!(listing.revision, Revision(listing.products.len() as u64 - 5));
            if listing.products.len() == 45 {
                return;
            }
        }
    };
    tokio::join!(reader, all(writers));
    store.close().await;
    scratch.drop().await.unwrap();
}

#[tokio::test]
async fn what_another_instance_did_is_an_answer_and_not_an_error() {
    let Some(scratch) = scratch().await else { return };
    let one = Postgres::open(scratch.server(), &Metrics::default()).await.unwrap();
    let other = Postgres::open(scratch.server(), &Metrics::default()).await.unwrap();
    let replaced = one.replace(id(1), &named("Netbook"), Some(1), moment(0)).await.unwrap();
    assert!(matches!(replaced, Changed::Done(..)));
    let stale = other.replace(id(1), &named("Notebook"), Some(1), moment(0)).await.unwrap();
    assert_eq!(stale, Changed::Stale { current: 2 });
    assert_eq!(one.revision().await.unwrap(), Revision(1), "a refusal is no change");
    assert_eq!(other.remove(id(1), None).await.unwrap(), Changed::Done((), Revision(2)));
    assert_eq!(one.remove(id(1), None).await.unwrap(), Changed::Absent);
    assert_eq!(other.add(&named("Tablet"), moment(0)).await.unwrap().0.id, id(6));
    assert_eq!(one.add(&named("Phone"), moment(0)).await.unwrap().0.id, id(7));
    assert_eq!(one.all().await.unwrap(), other.all().await.unwrap());
    one.close().await;
    other.close().await;
    assert!(matches!(one.all().await, Err(sql::Error::Unavailable(_))));
    scratch.drop().await.unwrap();
}

#[tokio::test]
async fn the_schema_itself_refuses_what_must_not_be() {
    let Some(scratch) = scratch().await else { return };
    let store = Postgres::open(scratch.server(), &Metrics::default()).await.unwrap();
    let mut connection = scratch.connect(SCHEMA).await.unwrap();
    for statement in [
        "UPDATE products SET name = ''",
        "UPDATE products SET name = repeat('é', 201)",
        "UPDATE products SET description = repeat('é', 4001)",
        "UPDATE products SET category = ''",
        "UPDATE products SET price_minor = 0",
        "UPDATE products SET price_minor = 1000000000001",
        "UPDATE products SET currency = ''",
        "UPDATE products SET image_url = repeat('x', 2001)",
        "UPDATE products SET version = 0",
        "UPDATE products SET updated_at = created_at - interval '1 second'",
        "INSERT INTO catalogue (revision) VALUES (7)",
        "INSERT INTO catalogue (one, revision) VALUES (FALSE, 7)",
        "UPDATE catalogue SET revision = -1",
    ] {
        let error = sqlx::query(statement).execute(&mut connection).await.map_err(sql::Error::from);
        assert!(matches!(error, Err(sql::Error::Conflict(_))), "{statement}: {error:?}");
    }
    store.close().await;
    scratch.drop().await.unwrap();
}
