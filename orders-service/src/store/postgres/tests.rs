//! What is particular to a database: instances share it, each with a pool of its own, and anyone may look.

use std::collections::BTreeSet;
use std::str::FromStr as _;
use std::sync::Arc;

use platform::Origin;
use platform::config::Location;
use platform::metrics::Metrics;
use sql::Error;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection};
use tokio::task::JoinSet;
use types::{OrderId, Timestamp};
use uuid::Uuid;

use crate::cancellation::Cancellation;
use crate::order::Status;
use crate::places::{Place, in_postgres};
use crate::store::conformance::{created, make, order, take};
use crate::store::{self, Made, Position, Step, Store};

const ORDERS: u128 = 60;

async fn two(place: &Place) -> [Arc<dyn Store>; 2] {
    let open = async |carrier| {
        store::open(&place.orders(), Uuid::from_u128(carrier), &Metrics::default()).await.unwrap()
    };
    [open(1).await, open(2).await]
}

/// A connection to what the stores wrote.
async fn connect(place: &Place) -> PgConnection {
    let Location::Postgres(server) = place.orders() else { panic!("the place is a file") };
    let options = PgConnectOptions::from_str(&server.url).unwrap();
    options.options([("search_path", "orders")]).connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_order_is_made_once() {
    in_postgres(async |place| {
        let stores = two(place).await;
        for number in 1..=ORDERS {
            let mut consumers = JoinSet::new();
            for store in stores.iter().cycle().take(4) {
                let store = Arc::clone(store);
                consumers.spawn(async move { make(&store, &order(number, 7, 100)).await });
            }
            let answers = consumers.join_all().await;
            let before = Made::Before(Box::new(order(number, 7, 100)));
            assert_eq!(answers.iter().filter(|made| **made == Made::Now).count(), 1);
            assert_eq!(answers.iter().filter(|made| **made == before).count(), 3);
        }
        let snapshot = stores[0].snapshot().await.unwrap();
        let count = usize::try_from(ORDERS).unwrap();
        assert_eq!(
            (snapshot.orders.len(), snapshot.inbox.len(), snapshot.outbox.len()),
            (count, count, count)
        );
        assert!(snapshot.orders.iter().all(|order| order.purchase.lines.len() == 2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_step_is_taken_once() {
    in_postgres(async |place| {
        let stores = two(place).await;
        for number in 1..=ORDERS {
            let order = order(number, 7, 100);
            make(&stores[0], &order).await;
            let (from, to) = (Status::Confirmed, Status::Processing);
            let step = Step { id: order.id, from, to, at: Timestamp::from_micros(500) };
            let mut callers = JoinSet::new();
            for (call, store) in (0..).zip(stores.iter().cycle().take(4)) {
                let store = Arc::clone(store);
                callers.spawn(async move { take(&store, step, number * 4 + call).await });
            }
            assert_eq!(callers.join_all().await.into_iter().filter(|taken| *taken).count(), 1);
        }
        let snapshot = stores[1].snapshot().await.unwrap();
        assert_eq!(snapshot.outbox.len(), usize::try_from(2 * ORDERS).unwrap());
        assert!(snapshot.orders.iter().all(|order| order.status == Status::Processing));
    })
    .await;
}

/// What is due is given to one of those who ask at once, and an order is cancelled once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cancellation_is_begun_once_and_given_to_one() {
    in_postgres(async |place| {
        let stores = two(place).await;
        let now = Timestamp::from_micros(500);
        for number in 1..=ORDERS {
            let order = order(number, 7, 100);
            make(&stores[0], &order).await;
            let mut callers = JoinSet::new();
            for store in stores.iter().cycle().take(4) {
                let (store, cancellation) =
                    (Arc::clone(store), Cancellation::of(&order, Origin::default(), now));
                callers.spawn(async move { store.cancel(Status::Confirmed, &cancellation).await.unwrap() });
            }
            assert_eq!(callers.join_all().await.into_iter().filter(|begun| *begun).count(), 1);
        }
        let mut owners = JoinSet::new();
        for (owner, store) in (1..=10).zip(stores.iter().cycle()) {
            let store = Arc::clone(store);
            owners.spawn(async move { store.claim(Uuid::from_u128(owner), 8, now).await.unwrap() });
        }
        let mut claimed: Vec<Cancellation> = owners.join_all().await.into_iter().flatten().collect();
        claimed.extend(stores[0].claim(Uuid::from_u128(99), 100, now).await.unwrap());
        let ids: BTreeSet<Uuid> = claimed.iter().map(|it| it.order_id.0).collect();
        let count = usize::try_from(ORDERS).unwrap();
        assert_eq!((claimed.len(), ids.len()), (count, count));
        assert!(claimed.iter().all(|it| it.fence == 1));
    })
    .await;
}

#[tokio::test]
async fn an_event_is_carried_by_one() {
    in_postgres(async |place| {
        let [one, two] = two(place).await;
        make(&one, &order(1, 7, 100)).await;
        let rows = one.unpublished(10).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(two.unpublished(10).await.unwrap(), []);
        assert_eq!(one.unpublished(10).await.unwrap(), rows);
    })
    .await;
}

#[tokio::test]
async fn who_only_looks_changes_nothing() {
    in_postgres(async |place| {
        let refused = store::open_read_only(&place.orders()).await.err().unwrap().to_string();
        let text = "DATABASE_URL: no shop was ever started on this database, there is no schema orders";
        assert_eq!(refused, text);
        let [store, _] = two(place).await;
        let order = order(1, 7, 100);
        make(&store, &order).await;
        let looker = store::open_read_only(&place.orders()).await.unwrap();
        assert_eq!(looker.snapshot().await.unwrap(), store.snapshot().await.unwrap());
        assert_eq!(looker.order(order.id).await.unwrap().as_ref(), Some(&order));
        let refused = looker.make(order.clone(), Uuid::from_u128(9), created(&order)).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
        looker.unpublished(10).await.unwrap_err();
        store.ping().await.unwrap();
    })
    .await;
}

/// The tables hold nothing that means nothing, whoever writes into them.
#[tokio::test]
async fn the_schema_refuses_what_can_not_be() {
    in_postgres(async |place| {
        let [store, _] = two(place).await;
        let id = order(1, 7, 100).id;
        make(&store, &order(1, 7, 100)).await;
        let mut connection = connect(place).await;
        for wrong in [
            "UPDATE orders SET status = 'LOST'",
            "UPDATE orders SET user_id = 0",
            "UPDATE orders SET total_minor = -1",
            "UPDATE orders SET currency = 'US'",
            "UPDATE order_lines SET quantity = 0",
            "UPDATE order_lines SET line_total_minor = line_total_minor + 1",
            "UPDATE order_lines SET order_id = gen_random_uuid()",
            "UPDATE inbox SET order_id = gen_random_uuid()",
            "DELETE FROM orders",
            "INSERT INTO cancellations SELECT id, 'CANCELLED', 0, NULL, now(), NULL, now(), now(), 1 FROM orders",
        ] {
            let refused = Error::from(sqlx::query(wrong).execute(&mut connection).await.unwrap_err());
            assert!(matches!(refused, Error::Conflict(_)), "{wrong}: {refused:?}");
        }
        assert_eq!(store.order(id).await.unwrap(), Some(order(1, 7, 100)));
    })
    .await;
}

/// A page costs what it shows, however many orders there are.
#[tokio::test]
async fn a_page_is_read_from_the_index() {
    in_postgres(async |place| {
        let [store, _] = two(place).await;
        let mut connection = connect(place).await;
        let many = "INSERT INTO orders SELECT gen_random_uuid(), gen_random_uuid(), 1 + n % 5, 'CONFIRMED', 1, 'USD',
                                              NULL, now() - n * interval '1 s', now()
                    FROM generate_series(1, 5000) n";
        sqlx::query(many).execute(&mut connection).await.unwrap();
        sqlx::query("ANALYZE orders").execute(&mut connection).await.unwrap();
        let plan: Vec<String> = sqlx::query_scalar(
            "EXPLAIN SELECT * FROM orders
             WHERE user_id = 2 AND (NULL::text IS NULL OR status = NULL) AND (created_at, id) < (now(), '80000000-0000-0000-0000-000000000000')
             ORDER BY created_at DESC, id DESC LIMIT 20",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains("Index Scan using orders_of_user") && !plan.contains("Sort"), "{plan}");
        let after = Position { created_at: Timestamp::from_micros(i64::MAX), id: OrderId(Uuid::max()) };
        for after in [None, Some(after)] {
            let page = store.orders(2.try_into().unwrap(), None, after, 20).await.unwrap();
            assert_eq!(page.len(), 20);
        }
    })
    .await;
}
