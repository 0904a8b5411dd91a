//! A bound on what waits for a collector, with what is lost counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_otlp::SpanExporter as Otlp;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};

use crate::metrics::{Counter, Metrics};

/// Spans of a program that may wait, some megabyte at most: the standard's number.
const QUEUE: usize = 2048;
/// How long a span waits for others to be sent with it.
const SEND_EVERY: Duration = Duration::from_secs(1);

/// What became of the spans of this process.
#[derive(Clone)]
pub(super) struct Counts {
    sent: Counter,
    overflown: Counter,
    unsent: Counter,
}

impl Counts {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let dropped = |reason| {
            let help = "Spans that no collector got, since too many waited or none took them.";
            metrics.counter("oxcart_spans_dropped_total", help, &[("reason", reason)])
        };
        Self {
            sent: metrics.counter("oxcart_spans_sent_total", "Spans that the collector has taken.", &[]),
            overflown: dropped("queue"),
            unsent: dropped("collector"),
        }
    }
}

/// Lets at most [`QUEUE`] spans into the batches that are behind it: those never have to drop any, which they would
/// not count.
pub(super) struct Gate {
    waiting: Arc<AtomicUsize>,
    counts: Counts,
    batches: BatchSpanProcessor,
}

impl Gate {
    pub(super) fn new(exporter: Otlp, counts: Counts) -> Self {
        let waiting = Arc::new(AtomicUsize::new(0));
        let config =
            BatchConfigBuilder::default().with_max_queue_size(QUEUE).with_scheduled_delay(SEND_EVERY);
        let exit = Exit {
            waiting: waiting.clone(),
            counts: counts.clone(),
            is_away: AtomicBool::new(false),
            exporter,
        };
        let batches = BatchSpanProcessor::builder(exit).with_batch_config(config.build()).build();
        Self { waiting, counts, batches }
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl SpanProcessor for Gate {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < QUEUE {
            self.batches.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counts.overflown.increment(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// The way to the collector.
#[derive(Debug)]
struct Exit {
    waiting: Arc<AtomicUsize>,
    counts: Counts,
    is_away: AtomicBool,
    exporter: Otlp,
}

impl std::fmt::Debug for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counts").finish_non_exhaustive()
    }
}

impl SpanExporter for Exit {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.exporter.export(batch).await;
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        let counter = if sent.is_ok() { &self.counts.sent } else { &self.counts.unsent };
        counter.increment(spans as u64);
        // An outage is one line for people, however long it takes.
        let was_away = self.is_away.swap(sent.is_err(), Ordering::Relaxed);
        match (&sent, was_away) {
            (Err(error), false) => tracing::warn!(%error, "the collector takes no traces, they are dropped"),
            (Ok(()), true) => tracing::info!("the collector takes traces again"),
            (Ok(()), false) | (Err(_), true) => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
