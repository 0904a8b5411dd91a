//! A call behaves the same in process and over TCP.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use platform::World;
use platform::metrics::Metrics;
use platform::transport::Transport;
use tokio::time::{Instant, timeout};
use tonic::Code;
use tonic::body::Body;
use tonic_health::pb::health_client::HealthClient;
use tower::ServiceExt as _;

use crate::tiny::{self, Client, ask, context};

/// The same server, both ways.
struct Both {
    served: tiny::Served,
    in_process: Transport,
}

impl Both {
    async fn of(server: platform::grpc::Server) -> Self {
        Self { served: tiny::serve(&server).await, in_process: Transport::in_process("tiny", &server) }
    }

    fn clients(&self) -> [(&'static str, Client); 2] {
        [("tcp", tiny::client(&self.served.transport)), ("in process", tiny::client(&self.in_process))]
    }
}

#[tokio::test]
async fn calls_are_counted_by_method_and_status_and_probes_are_not() {
    let metrics = Metrics::default();
    let server = tiny::within(&World { metrics: metrics.clone(), ..World::real() });
    let transport = Transport::in_process("tiny", &server);
    let mut client = tiny::client(&transport);
    for what in ["ok", "ok", "?", "unavailable"] {
        let _ = client.check(context().request(ask(what))).await;
    }
    HealthClient::new(transport.clone()).check(context().request(ask(""))).await.unwrap();
    transport.oneshot(http::Request::post("/made/Up").body(Body::empty()).unwrap()).await.unwrap();
    let text = metrics.text();
    let series = text.lines().filter_map(|line| line.strip_prefix("rpc_server_call_duration_seconds_count"));
    let mut series: Vec<&str> = series.collect();
    series.sort_unstable();
    let wanted = [
        ("_OTHER", "UNIMPLEMENTED", 1),
        ("test.Tiny/Check", "NOT_FOUND", 1),
        ("test.Tiny/Check", "OK", 2),
        ("test.Tiny/Check", "UNAVAILABLE", 1),
    ];
    let wanted = wanted.map(|(method, status, count)| {
        format!("{{rpc_method=\"{method}\",rpc_response_status_code=\"{status}\"}} {count}")
    });
    assert_eq!(series, wanted);
}

#[tokio::test]
async fn answers_and_meant_errors_come_through() {
    let both = Both::of(tiny::server().0).await;
    for (way, mut client) in both.clients() {
        let answer = client.check(context().request(ask("ok"))).await.expect(way);
        assert!(answer.metadata().contains_key("x-request-id"), "{way}");
        let meant = client.check(context().request(ask("meant"))).await.unwrap_err();
        assert_eq!(
            (meant.code(), meant.message(), meant.details()),
            (Code::Unavailable, "sold out", &b"an ErrorInfo"[..]),
            "{way}"
        );
        let unknown = client.check(context().request(ask("?"))).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound, "{way}");
    }
}

#[tokio::test]
async fn request_id_and_trace_arrive() {
    let both = Both::of(tiny::server().0).await;
    for (way, mut client) in both.clients() {
        let context = context();
        let told = client.check(context.request(ask("context"))).await.unwrap_err();
        let (id, trace) = told.message().split_once(' ').unwrap();
        assert_eq!(id, context.request_id(), "{way}");
        assert_eq!(trace, context.traceparent(), "{way}");
        assert_eq!(told.metadata().get("x-request-id").unwrap(), id, "{way}");
    }
}

#[tokio::test]
async fn a_late_answer_is_deadline_exceeded() {
    let both = Both::of(tiny::server().0).await;
    for (way, mut client) in both.clients() {
        let began = Instant::now();
        let brief = context().within(Duration::from_millis(50));
        let late = client.check(brief.request(ask("hang"))).await.unwrap_err();
        assert_eq!(late.code(), Code::DeadlineExceeded, "{way}: {late:?}");
        assert!(began.elapsed() < Duration::from_secs(2), "{way}");

        let none_left = context().within(Duration::ZERO);
        let refused = client.check(none_left.request(ask("ok"))).await.unwrap_err();
        assert_eq!(refused.code(), Code::DeadlineExceeded, "{way}");
    }
}

/// A client that is not ours sees what the server says: it keeps no deadline of its own here.
#[tokio::test]
async fn the_server_itself_says_deadline_exceeded() {
    let (server, _gate) = tiny::server();
    let mut bare = server;
    let mut answers = Vec::new();
    for _ in 0..20 {
        let request = http::Request::builder()
            .uri("/test.Tiny/Check")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", "20m")
            .body(tonic::body::Body::new(http_body_of("hang")))
            .unwrap();
        let response = tower::Service::call(&mut bare, request).await.unwrap();
        answers.push(response.headers()["grpc-status"].to_str().unwrap().to_owned());
    }
    assert_eq!(answers, ["4"; 20]);
}

/// A message in its gRPC frame.
fn http_body_of(what: &str) -> String {
    let length = u8::try_from(what.len()).unwrap();
    let frame = [&[0, 0, 0, 0, length + 2, 0x0a, length], what.as_bytes()].concat();
    String::from_utf8(frame).unwrap()
}

#[tokio::test]
async fn a_panic_is_an_internal_error_without_its_words() {
    let both = Both::of(tiny::server().0).await;
    for (way, mut client) in both.clients() {
        let panicked = client.check(context().request(ask("panic"))).await.unwrap_err();
        assert_eq!((panicked.code(), panicked.message()), (Code::Internal, "internal error"), "{way}");
        client.check(context().request(ask("ok"))).await.expect("the next call is served");

        let mut stream = client.watch(context().request(ask("panic"))).await.unwrap().into_inner();
        let panicked = stream.next().await.unwrap().unwrap_err();
        assert_eq!((panicked.code(), panicked.message()), (Code::Internal, "internal error"), "{way}");
    }
}

#[tokio::test]
async fn too_many_calls_at_once_are_refused() {
    let (server, gate) = tiny::with_places(2);
    let both = Both::of(server).await;
    for (way, mut client) in both.clients() {
        let mut calls: FuturesUnordered<_> = (0..3)
            .map(|_| {
                let mut client = client.clone();
                async move { client.check(context().request(ask("wait"))).await }
            })
            .collect();
        // Two wait at the gate, so the first to end is the one without a place.
        let refused = calls.next().await.unwrap().unwrap_err();
        assert_eq!(
            (refused.code(), refused.message()),
            (Code::ResourceExhausted, "too many calls at once"),
            "{way}"
        );
        gate.let_through(2);
        while let Some(answer) = calls.next().await {
            answer.expect(way);
        }
        client.check(context().request(ask("ok"))).await.expect("there is room again");
    }
}

#[tokio::test]
async fn a_request_over_one_mebibyte_is_refused() {
    let both = Both::of(tiny::server().0).await;
    for (way, mut client) in both.clients() {
        let large = "x".repeat(1 << 20);
        let refused = client.check(context().request(ask(&large))).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{way}: {refused:?}");
        assert_eq!(refused.message(), "request larger than 1 MiB", "{way}");
        let within = "x".repeat((1 << 20) - 20);
        assert_eq!(
            client.check(context().request(ask(&within))).await.unwrap_err().code(),
            Code::NotFound,
            "{way}"
        );
    }
}

#[tokio::test]
async fn a_stream_outlives_the_deadline_of_its_beginning() {
    let both = Both::of(tiny::server().0).await;
    for (way, mut client) in both.clients() {
        let brief = context().within(Duration::from_millis(100));
        let mut stream = client.watch(brief.request(ask("stream"))).await.unwrap().into_inner();
        assert_eq!(stream.next().await.unwrap().unwrap().status, 1, "{way}");
        assert!(timeout(Duration::from_millis(200), stream.next()).await.is_err(), "{way}: still open");
    }
}
