//! What a program counts, for whoever scrapes it.

mod connections;
mod durations;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use axum::routing::get;
use metrics::{Key, Label, Level, Metadata, NoopRecorder, Recorder, SharedString};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

pub use connections::Connections;
pub use durations::Durations;
pub use metrics::{Counter, Gauge, Histogram};

/// A number of things as the float that a gauge holds; beyond 2^32 it stays there, which nobody has.
pub fn count(things: u64) -> f64 {
    f64::from(u32::try_from(things).unwrap_or(u32::MAX))
}

/// Where the buckets of a duration end, in seconds: those that OpenTelemetry's conventions advise for requests, and
/// finer ones below, since a call within one process takes less.
const BUCKETS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Between times that what histograms were given is sorted into their buckets. Until then each value takes its space.
const SORT_EVERY: Duration = Duration::from_secs(5);

/// What Prometheus text is sent as.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The numbers of one process. Clones share them.
///
/// A handle is asked for once, when a service is opened, and kept: counting is then one addition. The same name and
/// labels give the same handle, so that services that share a process need not know of each other.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<dyn Recorder + Send + Sync>,
    handle: PrometheusHandle,
    served_at: Arc<OnceLock<SocketAddr>>,
}

/// The labels of one series: `[("state", "VOIDING")]`. Values come from a list that is known to be short, never from
/// a client.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

impl Metrics {
    /// Counts nothing: where nobody can ask.
    pub fn none() -> Self {
        Self { recorder: Arc::new(NoopRecorder), ..Self::default() }
    }

    /// A number that only grows, from 0 at the start of the process. `help` is told to who scrapes.
    pub fn counter(&self, name: &'static str, help: &'static str, labels: Labels<'_>) -> Counter {
        self.recorder.describe_counter(name.into(), None, SharedString::const_str(help));
        self.recorder.register_counter(&key(name, labels), &METADATA)
    }

    /// A number that goes up and down. `help` is told to who scrapes.
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: Labels<'_>) -> Gauge {
        self.recorder.describe_gauge(name.into(), None, SharedString::const_str(help));
        self.recorder.register_gauge(&key(name, labels), &METADATA)
    }

    /// How durations are spread, in seconds: `record(duration)`. `help` is told to who scrapes.
    pub fn durations(&self, name: &'static str, help: &'static str, labels: Labels<'_>) -> Histogram {
        self.recorder.describe_histogram(name.into(), None, SharedString::const_str(help));
        self.recorder.register_histogram(&key(name, labels), &METADATA)
    }

    /// Keeps what [`Metrics::durations`] are given small, whether or not anybody scrapes.
    pub(crate) async fn sort_for_ever(self) -> Infallible {
        loop {
            tokio::time::sleep(SORT_EVERY).await;
            self.handle.run_upkeep();
        }
    }

    /// All numbers as they are, as Prometheus text.
    pub fn text(&self) -> String {
        self.handle.render()
    }

    /// Where this process serves them, if it does.
    pub fn served_at(&self) -> Option<SocketAddr> {
        self.served_at.get().copied()
    }

    /// A listener to [`Metrics::serve`] them on.
    ///
    /// # Errors
    /// An address that can't be had.
    pub(crate) async fn listen(&self, address: SocketAddr) -> anyhow::Result<TcpListener> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("can't listen on {address}, choose another METRICS_ADDR"))?;
        let address = listener.local_addr()?;
        self.served_at.get_or_init(|| address);
        Ok(listener)
    }

    /// Serves [`Metrics::text`] as `/metrics`.
    ///
    /// # Errors
    /// Those of the listener.
    pub(crate) async fn serve(self, listener: TcpListener) -> anyhow::Result<()> {
        let text = move || {
            let text = self.text();
            async move { ([(http::header::CONTENT_TYPE, TEXT)], text) }
        };
        let routes = axum::Router::new().route("/metrics", get(text));
        axum::serve(listener, routes).await.context("metrics are no longer served")
    }
}

/// How often a cache had what was looked for.
#[derive(Clone)]
pub struct Lookups {
    /// It had it.
    pub hits: Counter,
    /// It had not.
    pub misses: Counter,
    /// It was not asked, since what it has can't be relied on at the moment, or there is none.
    pub bypasses: Counter,
}

impl Lookups {
    /// The counters of the cache of this name.
    pub fn new(metrics: &Metrics, cache: &'static str) -> Self {
        let counter = |result| {
            let help = "Lookups in a cache: found, not found, or not looked since it can't be relied on.";
            metrics.counter("oxcart_cache_lookups_total", help, &[("cache", cache), ("result", result)])
        };
        Self { hits: counter("hit"), misses: counter("miss"), bypasses: counter("bypass") }
    }
}

/// One more of what a gauge counts, until this is dropped.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    /// Counted by this gauge.
    pub fn by(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

const METADATA: Metadata<'static> = Metadata::new("oxcart", Level::INFO, None);

fn key(name: &'static str, labels: Labels<'_>) -> Key {
    let labels = labels.iter().map(|(label, value)| Label::new(*label, (*value).to_owned()));
    Key::from_parts(name, labels.collect::<Vec<_>>())
}

/// No numbers yet, shared with nobody.
impl Default for Metrics {
    fn default() -> Self {
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).expect("there are buckets");
        let recorder = builder.build_recorder();
        Self { handle: recorder.handle(), recorder: Arc::new(recorder), served_at: Arc::default() }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_one_number_and_is_there_before_it_counts() {
        let metrics = Metrics::default();
        let [one, other] = [(); 2].map(|()| metrics.counter("sold_total", "Sold.", &[("kind", "a")]));
        metrics.gauge("waiting", "Waiting.", &[]).set(1.5);
        assert!(metrics.text().contains("sold_total{kind=\"a\"} 0"), "{}", metrics.text());
        metrics.durations("took_seconds", "Took.", &[]).record(Duration::from_millis(3));
        one.increment(1);
        other.increment(2);
        let text = metrics.text();
        for line in [
            "# HELP sold_total Sold.",
            "# TYPE sold_total counter",
            "sold_total{kind=\"a\"} 3",
            "waiting 1.5",
            "took_seconds_bucket{le=\"0.0025\"} 0",
            "took_seconds_bucket{le=\"0.005\"} 1",
            "took_seconds_sum 0.003",
            "took_seconds_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert_eq!(Metrics::default().text(), "");
    }

    #[test]
    fn where_nobody_can_ask_nothing_is_counted() {
        let metrics = Metrics::none();
        metrics.counter("sold_total", "Sold.", &[]).increment(1);
        metrics.durations("took_seconds", "Took.", &[]).record(Duration::from_millis(3));
        assert_eq!(metrics.text(), "");
    }
}
