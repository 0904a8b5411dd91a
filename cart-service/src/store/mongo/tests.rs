use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use bson::Document as Bson;
use futures::future::join_all;
use platform::config::Server;
use platform::metrics::Metrics;
use testkit::{Engine, eventually};
use tokio::net::TcpListener;

use super::*;
use crate::fixtures::{cart, user};
use crate::store::conformance;

const SOON: Duration = Duration::from_secs(20);

fn server(url: &str) -> Server {
    Server { url: url.to_owned(), variable: "MONGO_URI".to_owned() }
}

/// A database that nobody else has.
fn fresh() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("carts_{:x}_{count}", platform::World::real().ids.next().as_u128())
}

async fn database(url: &str, name: &str) -> mongodb::Database {
    Client::with_uri_str(url).await.unwrap().database(name)
}

#[tokio::test]
async fn is_a_store_of_carts() {
    let Some(url) = Engine::Mongo.url() else { return };
    let open = async || {
        let name = fresh();
        let store: Arc<dyn Store> =
            Arc::new(Mongo::open(&server(&url), &name, &Metrics::default()).await.unwrap());
        (store, name)
    };
    let discard = async |store: Arc<dyn Store>, name: String| {
        store.close().await;
        database(&url, &name).await.drop().await.unwrap();
    };
    conformance::alone(&open, &discard).await;
    if updates_are_atomic(&url).await {
        conformance::at_once(&open, &discard).await;
    } else {
        let _ =
            writeln!(std::io::stderr(), "left out: changes at once, on a FerretDB without atomic updates");
    }
}

/// FerretDB 1 finds and changes in two steps: of changes at once several win, whatever the filter.
async fn updates_are_atomic(url: &str) -> bool {
    let database = database(url, "admin").await;
    let about = database.run_command(doc! { "buildInfo": 1 }).await.unwrap();
    let is_two_steps = |version: &str| version.starts_with("v1.") && !version.ends_with("-atomic");
    !about.get_str("ferretdbVersion").is_ok_and(is_two_steps)
}

#[tokio::test]
async fn several_instances_start_at_once_and_share_the_carts() {
    let Some(url) = Engine::Mongo.url() else { return };
    let (server, name) = (server(&url), fresh());
    let metrics = Metrics::default();
    let instances = join_all((0..8).map(|_| Mongo::open(&server, &name, &metrics))).await;
    let instances: Vec<Mongo> = instances.into_iter().map(Result::unwrap).collect();
    let stored = cart(1, &[(1, 1)]);
    let wrote = join_all(instances.iter().map(|instance| instance.replace(None, &stored))).await;
    let won = wrote.into_iter().map(Result::unwrap).filter(|outcome| *outcome == Replaced::Yes).count();
    assert_eq!(won, 1);
    for instance in &instances {
        assert_eq!(instance.load(user(1)).await.unwrap().as_ref(), Some(&stored));
        instance.close().await;
    }
    let audit = Mongo::open_read_only(&server, &name).await.unwrap();
    assert_eq!(audit.snapshot().await.unwrap(), [stored]);
    audit.close().await;
    let database = database(&url, &name).await;
    let indexes = database.collection::<Bson>("carts").list_index_names().await.unwrap();
    assert!(indexes.contains(&"user_id_1".to_owned()), "{indexes:?}");
    database.drop().await.unwrap();
}

#[tokio::test]
async fn an_operator_can_read_the_documents() {
    let Some(url) = Engine::Mongo.url() else { return };
    let name = fresh();
    let store = Mongo::open(&server(&url), &name, &Metrics::default()).await.unwrap();
    let mut stored = cart(7, &[(3, 2)]);
    stored.purchases.recent = vec![crate::fixtures::taken(1, Version(5))];
    store.replace(None, &stored).await.unwrap();
    let database = database(&url, &name).await;
    let found = database.collection::<Bson>("carts").find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(found.get_i64("user_id").unwrap(), 7);
    assert_eq!(found.get_datetime("updated_at").unwrap().timestamp_millis(), 1_763_842_530_000);
    let inside = found.get_document("cart").unwrap();
    let line = inside.get_array("lines").unwrap()[0].as_document().unwrap();
    assert_eq!((line.get_i64("product_id").unwrap(), line.get_i64("quantity").unwrap()), (3, 2));
    let bought = inside.get_array("purchases").unwrap()[0].as_document().unwrap();
    assert_eq!(bought.get_str("checkout_id").unwrap(), "00000000-0000-0000-0000-000000000001");
    store.close().await;
    database.drop().await.unwrap();
}

#[tokio::test]
async fn what_can_not_be_read_is_a_defect_not_an_empty_cart() {
    let Some(url) = Engine::Mongo.url() else { return };
    let name = fresh();
    let store = Mongo::open(&server(&url), &name, &Metrics::default()).await.unwrap();
    let database = database(&url, &name).await;
    let good = bson::serialize_to_document(&Stored::from(&cart(1, &[(1, 1)]))).unwrap();
    let wrong: [(&str, bson::Bson); 3] = [
        ("schema", (SCHEMA + 1).into()),
        ("cart", doc! { "lines": [{ "quantity": 0 }] }.into()),
        ("version", "one".into()),
    ];
    for (user_id, (field, value)) in (1..).zip(wrong) {
        let mut bad = good.clone();
        bad.insert("user_id", user_id);
        bad.insert(field, value);
        database.collection::<Bson>("carts").insert_one(bad).await.unwrap();
        let loaded = store.load(user(user_id)).await;
        assert!(matches!(loaded, Err(Error::Defect(_))), "{field}: {loaded:?}");
    }
    store.close().await;
    database.drop().await.unwrap();
}

#[tokio::test]
async fn carts_of_a_newer_version_stop_the_start() {
    let Some(url) = Engine::Mongo.url() else { return };
    let name = fresh();
    let database = database(&url, &name).await;
    let marks = database.collection::<Bson>("meta");
    marks.insert_one(doc! { "_id": "carts", "schema": 2 }).await.unwrap();
    let said = "MONGO_URI: the carts have schema 2, this version knows up to 1: run a newer one";
    let error = Mongo::open(&server(&url), &name, &Metrics::default()).await.err().unwrap();
    assert_eq!(error.to_string(), said);
    let error = Mongo::open_read_only(&server(&url), &name).await.err().unwrap();
    assert_eq!(error.to_string(), said);
    database.drop().await.unwrap();
}

#[tokio::test]
async fn a_uri_that_can_not_be_used_is_refused_without_showing_it() {
    for url in ["", "secret", "http://u:secret@h", "mongodb://u:secret@", "mongodb://h/?maxPoolSize=secret"] {
        let error = Mongo::open(&server(url), "cartdb", &Metrics::default()).await.err().unwrap().to_string();
        let wanted = "mongodb://USER:PASSWORD@HOST:PORT or mongodb+srv://USER:PASSWORD@HOST";
        let said = format!("MONGO_URI=*** can't be used: it is no URI of a MongoDB; wanted: {wanted}");
        assert_eq!(error, said, "{url}");
    }
}

#[tokio::test]
async fn wrong_credentials_stop_the_start() {
    let Some(url) = Engine::Mongo.url() else { return };
    let url = url.replace("mongodb://", "mongodb://nobody:secret@");
    let error = Mongo::open(&server(&url), &fresh(), &Metrics::default()).await.err().unwrap().to_string();
    assert!(error.starts_with("MONGO_URI: the server refuses: "), "{error}");
    assert!(!error.contains("secret") && !error.contains('\n'), "{error}");
}

#[tokio::test]
async fn a_server_that_comes_later_is_found() {
    let Some(url) = Engine::Mongo.url() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let name = fresh();
    let asked = Instant::now();
    let server = server(&format!("mongodb://{address}/?directConnection=true"));
    let store = Mongo::open(&server, &name, &Metrics::default()).await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    let first = cart(1, &[(1, 1)]);
    assert!(matches!(store.ping().await, Err(Error::Unavailable(_))));
    assert!(matches!(store.load(user(1)).await, Err(Error::Unavailable(_))));
    assert!(matches!(store.replace(None, &first).await, Err(Error::Unavailable(_))));
    assert!(Mongo::open_read_only(&server, &name).await.is_err());

    let listener = TcpListener::bind(address).await.unwrap();
    let upstream = url.split('/').nth(2).unwrap().to_owned();
    let tunnels = TaskTracker::new();
    let cut = CancellationToken::new();
    tunnels.spawn(cut.clone().run_until_cancelled_owned(tunnel(listener, upstream.clone())));
    eventually("the server is found", SOON, async || store.ping().await.is_ok()).await;
    assert_eq!(store.replace(None, &first).await.unwrap(), Replaced::Yes);

    // Cut off again, each call ends in time, and a write does not claim to know.
    cut.cancel();
    tunnels.close();
    tunnels.wait().await;
    let asked = Instant::now();
    let next = Cart { version: Version(first.version.0 + 1), ..first.clone() };
    assert!(store.replace(Some(first.version), &next).await.is_err());
    assert!(matches!(store.load(user(1)).await, Err(Error::Unavailable(_))));
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    let tunnels = TaskTracker::new();
    let listener = TcpListener::bind(address).await.unwrap();
    let cut = CancellationToken::new();
    tunnels.spawn(cut.clone().run_until_cancelled_owned(tunnel(listener, upstream)));
    eventually("the server is found again", SOON, async || store.ping().await.is_ok()).await;
    assert_eq!(store.load(user(1)).await.unwrap(), Some(first));
    store.close().await;
    cut.cancel();
    database(&url, &name).await.drop().await.unwrap();
}

/// A server that takes connections and says nothing, as one that is frozen.
#[tokio::test]
async fn a_server_that_says_nothing_is_out_of_reach() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let asked = Instant::now();
    let store = Mongo::open(
        &server(&format!("mongodb://{}", listener.local_addr().unwrap())),
        "x",
        &Metrics::default(),
    )
    .await
    .unwrap();
    assert!(matches!(store.load(user(1)).await, Err(Error::Unavailable(_))));
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
    store.close().await;
}

/// Carries bytes to the server and back until it is dropped, and all connections with it.
async fn tunnel(listener: TcpListener, upstream: String) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let upstream = upstream.clone();
        connections.spawn(async move {
            let mut server = tokio::net::TcpStream::connect(upstream).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

#[tokio::test]
async fn connections_and_who_waits_for_them_are_told() {
    let Some(url) = Engine::Mongo.url() else { return };
    let (name, metrics) = (fresh(), Metrics::default());
    let store = Mongo::open(&server(&url), &name, &metrics).await.unwrap();
    store.ping().await.unwrap();
    let shows = async |number: &str, having: &str, wanted: f64| {
        let name =
            format!("db_client_connection_{number}{{db_client_connection_pool_name=\"cart\"{having}}} ");
        let found = || metrics.text().lines().find_map(|line| line.strip_prefix(&name)?.parse().ok());
        eventually(&format!("{name}{wanted}"), SOON, async || found() == Some(wanted)).await;
    };
    shows("max", "", 16.0).await;
    shows("count", ",db_client_connection_state=\"used\"", 0.0).await;
    shows("count", ",db_client_connection_state=\"idle\"", 1.0).await;
    // The server is busy with as many calls as there are connections.
    let turns = join_all((0..16).map(|_| store.turn())).await;
    assert!(turns.iter().all(Result::is_ok));
    let mut ping = Box::pin(store.ping());
    assert!(futures::poll!(&mut ping).is_pending());
    shows("pending_requests", "", 1.0).await;
    drop(turns);
    ping.await.unwrap();
    shows("pending_requests", "", 0.0).await;
    store.close().await;
    shows("count", ",db_client_connection_state=\"idle\"", 0.0).await;
    database(&url, &name).await.drop().await.unwrap();
}
