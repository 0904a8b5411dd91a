//! Event streams through a real port.

use std::time::Duration;

use api_gateway::{Settings, StreamBounds};
use platform::World;
use reqwest::{Response, StatusCode};
use testkit::eventually;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::changes::Changes;
use crate::events::{OF_A_CHECKOUT, at};
use crate::fake::Fake;
use crate::shop::{gateway, settings};

const SOON: Duration = Duration::from_secs(10);

/// A gateway with room for one stream.
struct Narrow {
    url: String,
    shutdown: CancellationToken,
    serving: JoinSet<anyhow::Result<()>>,
    http: reqwest::Client,
}

impl Narrow {
    async fn open() -> Self {
        let services = Fake::default();
        services.replies("watch_checkout", Changes::silent([Ok(at(1))]));
        let streams = StreamBounds { max_event_streams: 1, max_event_streams_per_user: 1 };
        let gateway = gateway(Settings { streams, ..settings() }, &services, World::real()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{OF_A_CHECKOUT}", listener.local_addr().unwrap());
        let (shutdown, mut serving) = (CancellationToken::new(), JoinSet::new());
        serving.spawn(gateway.serve(listener, shutdown.clone()));
        // Each stream on a connection of its own, as those of strangers are.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
        Self { url, shutdown, serving, http }
    }

    async fn watch(&self) -> Response {
        self.http.get(&self.url).send().await.unwrap()
    }
}

/// Reads until `wanted` has come.
async fn shows(stream: &mut Response, wanted: &str) {
    let mut text = String::new();
    while !text.contains(wanted) {
        let chunk = timeout(SOON, stream.chunk()).await.expect("something comes").unwrap();
        text += std::str::from_utf8(&chunk.expect("more comes")).unwrap();
    }
}

#[tokio::test]
async fn a_client_that_is_gone_frees_its_place_at_once() {
    let shop = Narrow::open().await;
    let mut first = shop.watch().await;
    shows(&mut first, "id: 1\n").await;
    assert_eq!(shop.watch().await.status(), StatusCode::TOO_MANY_REQUESTS);
    drop(first);
    // Long before the next heartbeat would have found it out.
    eventually("a free place", Duration::from_secs(5), async || {
        shop.watch().await.status() == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn a_shutdown_ends_streams_cleanly() {
    let mut shop = Narrow::open().await;
    let mut stream = shop.watch().await;
    shows(&mut stream, "id: 1\n").await;
    shop.shutdown.cancel();
    let rest = timeout(SOON, stream.chunk()).await.expect("the stream ends");
    assert_eq!(rest.expect("in good order, not by a connection that breaks"), None);
    timeout(SOON, shop.serving.join_next())
        .await
        .expect("nothing holds the drain up")
        .unwrap()
        .unwrap()
        .unwrap();
}
