//! Peers that are broken, and peers that only seem so.

use std::time::Duration;

use platform::Context;
use platform::ids::RandomIds;
use platform::metrics::Metrics;
use platform::transport::Transport;
use testkit::Port;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use tonic::Code;
use tonic_health::pb::health_client::HealthClient;

use crate::tiny::{self, Client, ask, context};

async fn fail(client: &mut Client, what: &str) -> tonic::Status {
    client.check(context().request(ask(what))).await.unwrap_err()
}

/// Whether this is what the metrics say of the breaker: 1 while it is open.
fn told(metrics: &Metrics, is_open: &str) -> bool {
    let line = format!("oxcart_breaker_open{{peer=\"tiny\",destination=\"in process\"}} {is_open}");
    metrics.text().lines().any(|found| found == line)
}

#[tokio::test]
async fn after_five_failures_calls_are_refused_at_once_but_health_is_asked() {
    let (server, _gate) = tiny::server();
    let metrics = Metrics::default();
    let transport = Transport::in_process("tiny", &server).counted(&metrics);
    let mut client = tiny::client(&transport);
    for _ in 0..5 {
        assert!(told(&metrics, "0"));
        assert_eq!(fail(&mut client, "unavailable").await.message(), "no store");
    }
    assert!(told(&metrics, "1"));
    let refused = fail(&mut client, "ok").await;
    assert_eq!((refused.code(), refused.message()), (Code::Unavailable, "tiny is not available"));
    let health = HealthClient::new(transport).check(ask("")).await.unwrap().into_inner();
    assert_eq!(health.status, 1);
}

#[tokio::test]
async fn what_a_service_means_never_opens_the_breaker() {
    let (server, _gate) = tiny::server();
    let mut client = tiny::client(&Transport::in_process("tiny", &server));
    for what in ["meant", "?", "context", "panic"].iter().cycle().take(40) {
        fail(&mut client, what).await;
    }
    client.check(context().request(ask("ok"))).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_given_up_gives_its_probe_back() {
    let (server, _gate) = tiny::server();
    let metrics = Metrics::default();
    let mut client = tiny::client(&Transport::in_process("tiny", &server).counted(&metrics));
    for _ in 0..5 {
        fail(&mut client, "unavailable").await;
    }
    assert!(told(&metrics, "1"));
    tokio::time::advance(Duration::from_secs(10)).await;
    for _ in 0..4 {
        let probe = timeout(Duration::from_millis(10), client.check(context().request(ask("hang")))).await;
        assert!(probe.is_err(), "let through and given up");
    }
    for _ in 0..4 {
        client.check(context().request(ask("ok"))).await.unwrap();
    }
    assert!(told(&metrics, "0"));
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let nowhere = Port::hold();
    let mut client = tiny::client(&Transport::connect("tiny", &nowhere.address().to_string()).unwrap());
    let status = fail(&mut client, "ok").await;
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "tiny can't be reached"));
    for _ in 0..4 {
        fail(&mut client, "ok").await;
    }
    assert_eq!(fail(&mut client, "ok").await.message(), "tiny is not available");
}

/// A port that takes connections and never says a word: nothing in HTTP/2 tells that it is broken.
#[tokio::test]
async fn a_silent_peer_costs_no_more_than_the_deadline() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mute.local_addr().unwrap().to_string();
    let mut client = tiny::client(&Transport::connect("tiny", &address).unwrap());
    let began = Instant::now();
    let brief = context().within(Duration::from_millis(100));
    let late = client.check(brief.request(ask("ok"))).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    assert!(began.elapsed() < Duration::from_secs(2));
}

/// The same, for a call that could wait longer: the connection is found to be dead before the call is given up, so that
/// the next call goes over a new one.
#[tokio::test]
async fn a_peer_that_is_gone_without_a_word_is_found_out() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mute.local_addr().unwrap().to_string();
    let mut client = tiny::client(&Transport::connect("tiny", &address).unwrap());
    let patient = Context::root(&RandomIds, Duration::from_secs(20));
    let broken = client.check(patient.request(ask("ok"))).await.unwrap_err();
    assert_eq!((broken.code(), broken.message()), (Code::Unavailable, "tiny can't be reached"));
}

#[tokio::test]
async fn a_broken_address_is_left_out_and_the_other_serves() {
    let (server, _gate) = tiny::server();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = Port::hold();
    let addresses = format!("{}, {}", nowhere.address(), listener.local_addr().unwrap());
    let shutdown = tokio_util::sync::CancellationToken::new();
    let mut tasks = platform::tasks::Tasks::new(shutdown.clone());
    tasks.spawn("grpc", server.serve(listener, shutdown.clone()));

    let mut client = tiny::client(&Transport::connect("tiny", &addresses).unwrap());
    let mut failed = 0;
    for _ in 0..30 {
        failed += i32::from(client.check(context().request(ask("ok"))).await.is_err());
    }
    assert_eq!(failed, 5, "until the breaker of the broken one opens");
    shutdown.cancel();
    tasks.join().await.unwrap();
}
