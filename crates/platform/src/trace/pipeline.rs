//! One connection to a collector, and what each program sends over it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use http::Uri;
use http::uri::Scheme;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use super::gate::{Counts, Gate};
use super::{Settings, Trace};
use crate::ids::{Ids as _, RandomIds};
use crate::metrics::Metrics;
use crate::tls::{File, GRPC, Roots};
use crate::transport::secured::{self, Hands};

/// A collector that does not take a connection by then is away.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long a program that stops waits for the collector.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

pub(super) struct Pipeline {
    /// Tells this process from others that run the same programs.
    instance: String,
    collector: Channel,
    sampler: Sampler,
    counts: Counts,
    programs: Mutex<Vec<SdkTracerProvider>>,
}

impl Pipeline {
    /// `None` where no collector is set.
    pub(super) async fn open(settings: &Settings, metrics: &Metrics) -> anyhow::Result<Option<Self>> {
        // There from the start, so that who scrapes finds them.
        let counts = Counts::new(metrics);
        let Some(collector) = settings.otel_exporter_otlp_endpoint.clone() else { return Ok(None) };
        let collector = channel(collector, settings.otel_exporter_otlp_certificate.as_deref()).await?;
        let sampler = settings.sampler();
        let (instance, programs) = (RandomIds.next().to_string(), Mutex::default());
        Ok(Some(Self { instance, collector, sampler, counts, programs }))
    }

    /// Where the spans of one more program begin.
    pub(super) fn tracer(&self, program: &'static str) -> anyhow::Result<SdkTracer> {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_channel(self.collector.clone())
            .build()
            .context("an OTEL_EXPORTER_OTLP_… variable can't be used")?;
        let resource = Resource::builder()
            .with_service_name(program)
            .with_attribute(KeyValue::new("service.namespace", "oxcart"))
            .with_attribute(KeyValue::new("service.instance.id", self.instance.clone()))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_sampler(self.sampler.clone())
            .with_resource(resource)
            .with_span_processor(Gate::new(exporter, self.counts.clone()))
            .build();
        let tracer = provider.tracer("oxcart");
        self.programs.lock().unwrap_or_else(PoisonError::into_inner).push(provider);
        Ok(tracer)
    }

    /// Whether a span with this parent may be sampled, as far as that can be told without making one.
    pub(super) fn may_sample(&self, parent: Option<Trace>) -> bool {
        match (&self.sampler, parent) {
            (Sampler::AlwaysOff, _) => false,
            (Sampler::ParentBased(_), Some(parent)) => parent.is_sampled(),
            _ => true,
        }
    }

    pub(super) async fn close(&self) {
        let programs = std::mem::take(&mut *self.programs.lock().unwrap_or_else(PoisonError::into_inner));
        let mut closing = JoinSet::new();
        for program in programs {
            // It blocks, and needs the connection, whose task is one of this runtime.
            closing.spawn_blocking(move || program.shutdown_with_timeout(CLOSE_WITHIN));
        }
        while let Some(closed) = closing.join_next().await {
            if let Ok(Err(error)) = closed {
                tracing::debug!(%error, "the last traces were not sent");
            }
        }
    }
}

/// Connects when the first spans are sent, by TLS where the collector is behind `https://`.
async fn channel(collector: Uri, roots: Option<&Path>) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from(collector.clone()).connect_timeout(CONNECT_WITHIN);
    if collector.scheme() != Some(&Scheme::HTTPS) {
        return Ok(endpoint.connect_lazy());
    }
    let roots = match roots {
        Some(path) => {
            let file = File { variable: "OTEL_EXPORTER_OTLP_CERTIFICATE", path: path.to_owned() };
            Roots::in_file(&file, GRPC).await?
        }
        None => Roots::of_the_system(GRPC).with_context(|| {
            format!(
                "OTEL_EXPORTER_OTLP_ENDPOINT={collector} can't be used without OTEL_EXPORTER_OTLP_CERTIFICATE"
            )
        })?,
    };
    secured::connect("collector", &endpoint, Hands::Empty(roots)).with_context(|| {
        format!("OTEL_EXPORTER_OTLP_ENDPOINT={collector} can't be used: no certificate is for its host")
    })
}
