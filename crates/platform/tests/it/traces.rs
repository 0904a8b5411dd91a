//! Spans of calls, and what becomes of them.

use std::time::Duration;

use clap::Parser;
use http::{HeaderMap, HeaderValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use platform::Context;
use platform::ids::RandomIds;
use platform::metrics::Metrics;
use platform::trace::{self, Kind, Settings, Span, Tracer};
use platform::transport::Transport;
use testkit::{Authority, Collected, Collector, TempDir, eventually};
use tonic::body::Body;
use tower::ServiceExt as _;

use crate::tiny::{self, ask};

const SOON: Duration = Duration::from_secs(10);
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    traces: Settings,
}

fn settings(endpoint: &str, more: &[&str]) -> Settings {
    let arguments = ["test", "--otel-exporter-otlp-endpoint", endpoint];
    Arguments::parse_from(arguments.iter().chain(more)).traces
}

async fn tracer(collector: &Collector, more: &[&str]) -> Tracer {
    Tracer::open(&settings(&collector.url(), more), "asking", &Metrics::default()).await.unwrap()
}

fn begun(tracer: &Tracer, traceparent: Option<&str>) -> (Context, Option<Span>) {
    let parent = traceparent.map(|it| ("traceparent".parse().unwrap(), HeaderValue::from_str(it).unwrap()));
    let headers: HeaderMap = parent.into_iter().collect();
    Context::traced(&headers, &RandomIds, SOON, tracer, Kind::Internal)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_a_span_on_either_side_of_it_one_below_the_other() {
    let collector = Collector::start().await;
    let tracer = tracer(&collector, &[]).await;
    let server = tiny::traced(tracer.of("tiny-service"));
    let served = tiny::serve(&server).await;
    let here = Transport::in_process("tiny", &server);
    for (way, transport) in [("in process", here), ("over TCP", served.transport.clone())] {
        let (context, span) = begun(&tracer, None);
        let mut client = tiny::client(&transport);
        let asked = Span::only(span.as_ref(), client.check(context.request(ask("?"))));
        assert_eq!(asked.await.unwrap_err().code(), tonic::Code::NotFound);
        let trace_id = context.trace_id().to_string();
        drop(span);
        let spans = eventually("all three spans", SOON, async || {
            let spans = collector.trace(&trace_id);
            (spans.len() == 3).then_some(spans)
        })
        .await;
        let find = |kind| -> &Collected { spans.iter().find(|span| span.kind == kind).unwrap() };
        let (root, client, server) =
            (find(SpanKind::Internal), find(SpanKind::Client), find(SpanKind::Server));
        assert_eq!(root.parent_id, "", "{way}");
        assert_eq!((&client.parent_id, &server.parent_id), (&root.span_id, &client.span_id), "{way}");
        assert_eq!((&*client.service, &*server.service), ("asking", "tiny-service"), "{way}");
        for span in [client, server] {
            assert_eq!(span.name, "test.Tiny/Check", "{way}");
            let noted = ["rpc.system", "rpc.service", "rpc.method", "rpc.grpc.status_code"];
            let noted = noted.map(|name| span.attribute(name));
            assert_eq!(noted, ["grpc", "test.Tiny", "Check", "5"], "{way}");
        }
        assert_eq!(client.attribute("error.type"), "NOT_FOUND");
        assert!(client.is_error && !server.is_error, "the server did what it is for");
    }
    tracer.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_fails_at_is_an_error_and_what_is_made_up_names_nothing() {
    let collector = Collector::start().await;
    let tracer = tracer(&collector, &[]).await;
    let server = tiny::traced(tracer.clone());
    let transport = Transport::in_process("tiny", &server);
    let (context, span) = begun(&tracer, Some(&format!("{CALLER}-01")));
    let failed = Span::only(span.as_ref(), async {
        let unavailable = tiny::client(&transport).check(context.request(ask("unavailable"))).await;
        let made_up = http::Request::post("/evil/Name").body(Body::empty()).unwrap();
        let unknown = transport.clone().oneshot(made_up).await.unwrap();
        (unavailable.unwrap_err().code(), unknown.headers()["grpc-status"].clone())
    });
    assert_eq!(failed.await, (tonic::Code::Unavailable, HeaderValue::from_static("12")));
    drop(span);
    tracer.close().await;
    let servers: Vec<Collected> =
        collector.spans().into_iter().filter(|span| span.kind == SpanKind::Server).collect();
    let told = servers.iter().map(|span| (span.name.as_str(), span.attribute("error.type"), span.is_error));
    let wanted = [("test.Tiny/Check", "UNAVAILABLE", true), ("unknown method", "UNIMPLEMENTED", true)];
    assert_eq!(told.collect::<Vec<_>>(), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sampler_decides_or_leaves_it_to_the_caller() {
    let collector = Collector::start().await;
    let none = ["--otel-traces-sampler-arg", "0"];
    let cases = [
        (["always_on", "1"], [true, true, true]),
        (["always_off", "1"], [false, false, false]),
        (["traceidratio", "0"], [false, false, false]),
        (["traceidratio", "1"], [true, true, true]),
        (["parentbased_always_on", "1"], [true, true, false]),
        (["parentbased_always_off", "1"], [false, true, false]),
        (["parentbased_traceidratio", "0"], [false, true, false]),
    ];
    for ([sampler, share], wanted) in cases {
        let arguments = ["--otel-traces-sampler", sampler, none[0], share];
        let tracer = tracer(&collector, &arguments).await;
        let (yes, no) = (format!("{CALLER}-01"), format!("{CALLER}-00"));
        let callers = [None, Some(yes.as_str()), Some(no.as_str())];
        let found = callers.map(|caller| {
            let (context, span) = begun(&tracer, caller);
            let traceparent = context.traceparent();
            assert_eq!(span.is_some(), traceparent.ends_with("-01"), "{sampler}: what is told is true");
            if let (None, Some(caller)) = (&span, caller) {
                let (kept, flags) = (&traceparent[..52], &traceparent[52..]);
                assert_eq!((kept, flags), (&caller[..52], "-00"), "{sampler}: no span that nobody finds");
            }
            span.is_some()
        });
        assert_eq!(found, wanted, "{sampler} {share}");
        tracer.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sampled_makes_no_names_and_a_probe_is_no_request() {
    let collector = Collector::start().await;
    let sampled = tracer(&collector, &[]).await;
    let unsampled = tracer(&collector, &["--otel-traces-sampler", "always_off"]).await;
    for tracer in [&Tracer::default(), &unsampled] {
        let (_, span) = begun(tracer, None);
        assert!(span.is_none());
        let within = Span::only(span.as_ref(), async {
            trace::begin(Kind::Internal, || -> String { panic!("asked") })
        });
        assert!(within.await.is_none());
    }
    let (context, span) = begun(&sampled, None);
    let server = tiny::traced(sampled.clone());
    let mut health =
        tonic_health::pb::health_client::HealthClient::new(Transport::in_process("tiny", &server));
    Span::only(span.as_ref(), health.check(context.request(ask("")))).await.unwrap();
    drop(span);
    sampled.close().await;
    assert_eq!(collector.spans().len(), 1, "{:?}", collector.spans());
}

/// In process a caller's span is still the current one of the task.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_not_sampled_is_no_part_of_its_callers_span() {
    let collector = Collector::start().await;
    let sampled = tracer(&collector, &[]).await;
    let unsampled = tracer(&collector, &["--otel-traces-sampler", "always_off"]).await;
    let mut client = tiny::client(&Transport::in_process("tiny", &tiny::traced(unsampled)));
    let (context, span) = begun(&sampled, None);
    let told = Span::only(span.as_ref(), client.check(context.request(ask("span")))).await.unwrap_err();
    assert_eq!(told.message(), "None");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_or_silent_loses_spans_and_disturbs_nobody() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = "http://127.0.0.1:9".to_owned();
    for (url, reason) in [(away, "collector"), (format!("http://{}", silent.local_addr().unwrap()), "queue")]
    {
        let metrics = Metrics::default();
        let tracer = Tracer::open(&settings(&url, &[]), "asking", &metrics).await.unwrap();
        let began = tokio::time::Instant::now();
        (0..5000).for_each(|_| drop(begun(&tracer, None)));
        assert!(began.elapsed() < SOON, "{reason}");
        eventually("what was lost is counted", SOON, async || dropped(&metrics, reason) > 0).await;
        let closing = tokio::time::Instant::now();
        tracer.close().await;
        assert!(closing.elapsed() < Duration::from_secs(8), "{reason}: {:?}", closing.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_is_sent_spans_by_tls_if_its_certificate_is_trusted() {
    let (ca, dir) = (Authority::new(), TempDir::new().unwrap());
    let roots = dir.path().join("ca.crt");
    std::fs::write(&roots, ca.pem()).unwrap();
    let trusting = ["--otel-exporter-otlp-certificate", roots.to_str().unwrap()];
    let collector = Collector::start_secured(&ca.sign(&["localhost"])).await;
    let tracer = tracer(&collector, &trusting).await;
    drop(begun(&tracer, None));
    tracer.close().await;
    assert_eq!(collector.spans().len(), 1);

    for (what, certificate, roots) in [
        ("of another CA", Authority::new().sign(&["localhost"]), &trusting[..]),
        ("with another name", ca.sign(&["elsewhere.example"]), &trusting[..]),
        ("expired", ca.sign_expired(&["localhost"]), &trusting[..]),
        ("that the system does not know", ca.sign(&["localhost"]), &[]),
    ] {
        let collector = Collector::start_secured(&certificate).await;
        let metrics = Metrics::default();
        let tracer = Tracer::open(&settings(&collector.url(), roots), "asking", &metrics).await.unwrap();
        drop(begun(&tracer, None));
        let lost = async || dropped(&metrics, "collector") == 1;
        eventually(&format!("a certificate {what} is refused"), SOON, lost).await;
        tracer.close().await;
        assert_eq!(collector.spans(), [], "{what}");
    }
}

#[tokio::test]
async fn roots_of_a_collector_that_can_not_be_used_stop_the_start() {
    let missing = ["--otel-exporter-otlp-certificate", "/nowhere/ca.crt"];
    let open = async |url| Tracer::open(&settings(url, &missing), "asking", &Metrics::default()).await;
    let refused = format!("{:#}", open("https://localhost:1").await.unwrap_err());
    let said = "OTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere/ca.crt can't be read; wanted: a PEM file";
    assert!(refused.starts_with(said), "{refused}");
    open("http://localhost:1").await.unwrap().close().await;
}

/// How many spans were lost for this reason.
fn dropped(metrics: &Metrics, reason: &str) -> u64 {
    let series = format!("oxcart_spans_dropped_total{{reason=\"{reason}\"}} ");
    let text = metrics.text();
    text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
}
