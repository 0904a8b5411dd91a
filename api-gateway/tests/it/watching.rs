//! Event streams through a real port.

use std::time::Duration;

use api_gateway::{Settings, StreamBounds};
use reqwest::{Response, StatusCode};
use testkit::eventually;
use tokio::time::timeout;

use crate::changes::Changes;
use crate::events::{OF_A_CHECKOUT, at};
use crate::running::{Running, SOON, serve_with};
use crate::shop::settings;

/// A gateway with room for one stream, in which nothing happens after its first step.
async fn narrow() -> Running {
    let streams = StreamBounds { max_event_streams: 1, max_event_streams_per_user: 1 };
    let shop = serve_with(Settings { streams, ..settings() }).await;
    shop.services.replies("watch_checkout", Changes::silent([Ok(at(1))]));
    shop
}

/// On a connection of its own.
async fn watch(shop: &Running) -> Response {
    reqwest::get(format!("http://{}{OF_A_CHECKOUT}", shop.address)).await.unwrap()
}

/// Reads until the first step has come.
async fn shows_the_first_step(stream: &mut Response) {
    let mut text = String::new();
    while !text.contains("id: 1\n") {
        let chunk = timeout(SOON, stream.chunk()).await.expect("something comes").unwrap();
        text += std::str::from_utf8(&chunk.expect("more comes")).unwrap();
    }
}

#[tokio::test]
async fn a_client_that_is_gone_frees_its_place_at_once() {
    let shop = narrow().await;
    let mut first = watch(&shop).await;
    shows_the_first_step(&mut first).await;
    assert_eq!(watch(&shop).await.status(), StatusCode::TOO_MANY_REQUESTS);
    drop(first);
    // Long before the next heartbeat would have found it out.
    let free = async || watch(&shop).await.status() == StatusCode::OK;
    eventually("a free place", Duration::from_secs(5), free).await;
}

#[tokio::test]
async fn a_shutdown_ends_streams_cleanly() {
    let shop = narrow().await;
    let mut stream = watch(&shop).await;
    shows_the_first_step(&mut stream).await;
    shop.shutdown.cancel();
    let rest = timeout(SOON, stream.chunk()).await.expect("the stream ends");
    assert_eq!(rest.expect("in good order, not by a connection that breaks"), None);
    timeout(SOON, shop.serving).await.expect("nothing holds the drain up").unwrap().unwrap();
}
