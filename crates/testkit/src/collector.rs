//! A collector of traces that remembers what it was sent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use platform::tls::{Credentials, File, Files, GRPC};
use platform::{World, grpc};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::Certificate;

/// A collector that speaks OTLP over gRPC on a port of its own, until it is dropped.
pub struct Collector {
    url: String,
    memory: Memory,
    serving: JoinSet<()>,
}

/// A span as it arrived. Ids are hexadecimal, values as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collected {
    /// Of the program, from its resource.
    pub service: String,
    /// Its name.
    pub name: String,
    /// What it stands for.
    pub kind: SpanKind,
    /// Its trace.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// That of the span it is below; empty if there is none.
    pub parent_id: String,
    /// What was noted about it.
    pub attributes: BTreeMap<String, String>,
    /// The ids of the spans that it is linked to.
    pub links: Vec<String>,
    /// Whether it failed.
    pub is_error: bool,
}

impl Collected {
    /// What was noted under this name; empty if nothing was.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

impl Collector {
    /// Starts it.
    ///
    /// # Panics
    /// Where no port can be had.
    pub async fn start() -> Self {
        let (mut collector, listener) = Self::bound("http://127.0.0.1").await;
        let service = TraceServiceServer::new(collector.memory.clone());
        collector.serving.spawn(async move {
            let server = tonic::transport::Server::builder().add_service(service);
            let _ = server.serve_with_incoming(TcpIncoming::from(listener)).await;
        });
        collector
    }

    /// Starts one that speaks TLS and shows this certificate; it is called `localhost`.
    ///
    /// # Panics
    /// Where no port can be had.
    pub async fn start_secured(certificate: &Certificate) -> Self {
        let (mut collector, listener) = Self::bound("https://localhost").await;
        let dir = TempDir::new().expect("a directory can be made");
        certificate.write(dir.path());
        let file = |variable, name| File { variable, path: dir.path().join(name) };
        let files = Files { cert: file("TLS_CERT", "tls.crt"), key: file("TLS_KEY", "tls.key"), ca: None };
        let credentials = Credentials::open(files, GRPC).await.expect("the certificate is good");
        let service = TraceServiceServer::new(collector.memory.clone());
        let server = grpc::server("collector", &World::real()).add(service).build();
        collector.serving.spawn(async move {
            let _ = server.serve_secured(listener, &credentials, CancellationToken::new()).await;
        });
        collector
    }

    async fn bound(host: &str) -> (Self, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        let (memory, serving) = (Memory::default(), JoinSet::new());
        (Self { url: format!("{host}:{port}"), memory, serving }, listener)
    }

    /// As `OTEL_EXPORTER_OTLP_ENDPOINT` has it.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// All that has arrived.
    pub fn spans(&self) -> Vec<Collected> {
        self.memory.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A header of what was sent last.
    pub fn header(&self, name: &str) -> Option<String> {
        let headers = self.memory.headers.lock().unwrap_or_else(PoisonError::into_inner);
        Some(headers.get(name)?.to_str().ok()?.to_owned())
    }

    /// What has arrived of one trace.
    pub fn trace(&self, trace_id: &str) -> Vec<Collected> {
        self.spans().into_iter().filter(|span| span.trace_id == trace_id).collect()
    }
}

#[derive(Clone, Default)]
struct Memory {
    spans: Arc<Mutex<Vec<Collected>>>,
    headers: Arc<Mutex<MetadataMap>>,
}

#[tonic::async_trait]
impl TraceService for Memory {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        *self.headers.lock().unwrap_or_else(PoisonError::into_inner) = request.metadata().clone();
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        for of_a_program in request.into_inner().resource_spans {
            let resource = texts(&of_a_program.resource.unwrap_or_default().attributes);
            let service = resource.get("service.name").cloned().unwrap_or_default();
            let arrived = of_a_program.scope_spans.iter().flat_map(|scope| &scope.spans);
            spans.extend(arrived.map(|span| collected(&service, span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn collected(service: &str, span: &Span) -> Collected {
    Collected {
        service: service.to_owned(),
        name: span.name.clone(),
        kind: span.kind(),
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_id: hex(&span.parent_span_id),
        attributes: texts(&span.attributes),
        links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
        is_error: span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(is_so)) => is_so.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
