//! Health of a server, as `grpc.health.v1` tells it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt as _};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_server};

use crate::clock::Clock;
use crate::metrics::Gauge;

/// From one probe to the next while all is well,
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// and while it is not.
const PROBE_AGAIN: Duration = Duration::from_secs(1);
/// A probe that takes longer has failed.
const PROBE_WITHIN: Duration = Duration::from_secs(2);
/// So many failed probes in a row mean not serving: one may be chance.
const MISSES: u32 = 2;

/// Whether a server is ready for calls: ready at first, and for good not once it is stopping. Clones speak of the
/// same server.
#[derive(Clone)]
pub struct Health {
    serving: watch::Sender<bool>,
    told: Gauge,
    stopping: CancellationToken,
}

impl Health {
    /// It is told there too: 1 while it is ready, else 0.
    pub(crate) fn new(told: Gauge) -> Self {
        told.set(1.0);
        Self { serving: watch::Sender::new(true), told, stopping: CancellationToken::new() }
    }

    /// Says whether the server is ready, under each of its service names and the empty one.
    pub fn set(&self, serving: bool) {
        self.serving.send_if_modified(|now| {
            let next = serving && !self.stopping.is_cancelled();
            self.told.set(f64::from(u8::from(next)));
            std::mem::replace(now, next) != next
        });
    }

    /// Whether the server says that it is ready.
    pub fn is_serving(&self) -> bool {
        *self.serving.borrow()
    }

    /// Not ready from now on: the server stops.
    pub(crate) fn stop(&self) {
        self.stopping.cancel();
        self.set(false);
    }

    /// Cancelled once the server is stopping.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// The service that tells it, for services of these names.
    pub(crate) fn server(&self, services: Vec<&'static str>) -> HealthServer<impl health_server::Health> {
        HealthServer::new(Answers { health: self.clone(), services })
    }
}

/// A worker: calls `probe` every 5 s, every second while it fails, until the shutdown and tells `health` what it
/// finds. Two probes in a row that say no, or nothing within 2 s, mean not serving, at the start one does; one that
/// says yes means serving.
pub async fn follow(
    health: Health,
    clock: Arc<dyn Clock>,
    probe: impl Fn() -> BoxFuture<'static, bool> + Send + 'static,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    // What has never been seen to work gets no benefit of the doubt.
    let mut misses = MISSES - 1;
    loop {
        let probed = probe();
        let found = tokio::select! {
            biased;
            found = probed => found,
            () = clock.sleep(PROBE_WITHIN) => false,
            () = shutdown.cancelled() => return Ok(()),
        };
        misses = if found { 0 } else { misses + 1 };
        if found && !health.is_serving() {
            tracing::info!("serving again");
            health.set(true);
        } else if misses == MISSES {
            tracing::warn!("not serving, a dependency does not answer");
            health.set(false);
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            () = clock.sleep(if found { PROBE_EVERY } else { PROBE_AGAIN }) => {}
        }
    }
}

/// The generated trait over a [`Health`].
struct Answers {
    health: Health,
    services: Vec<&'static str>,
}

impl Answers {
    fn knows(&self, service: &str) -> bool {
        service.is_empty() || self.services.contains(&service)
    }
}

#[tonic::async_trait]
impl health_server::Health for Answers {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !self.knows(&request.get_ref().service) {
            return Err(Status::not_found("no such service here"));
        }
        Ok(Response::new(answer(status(self.health.is_serving()))))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let known = self.knows(&request.get_ref().service);
        let statuses = if known {
            WatchStream::new(self.health.serving.subscribe()).map(status).boxed()
        } else {
            // The protocol wants it said and the stream kept open.
            stream::iter([ServingStatus::ServiceUnknown]).chain(stream::pending()).boxed()
        };
        Ok(Response::new(statuses.map(|status| Ok(answer(status))).boxed()))
    }
}

fn status(serving: bool) -> ServingStatus {
    if serving { ServingStatus::Serving } else { ServingStatus::NotServing }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::FutureExt as _;
    use tokio::time::sleep;

    use super::*;
    use crate::clock::SystemClock;
    use crate::metrics::Metrics;

    /// A moment after the last thing that happens at the same instant.
    const MOMENT: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn two_misses_mean_not_serving_and_one_hit_serving() {
        let metrics = Metrics::default();
        let health = Health::new(metrics.gauge("ready", "Whether it is.", &[]));
        let told = |ready: &str| metrics.text().lines().any(|line| line == ready);
        let up = Arc::new(AtomicBool::new(true));
        let shutdown = CancellationToken::new();
        let seen = up.clone();
        let probe = move || std::future::ready(seen.load(Ordering::Relaxed)).boxed();
        let worker = follow(health.clone(), Arc::new(SystemClock), probe, shutdown.clone());
        let script = async {
            sleep(MOMENT).await;
            up.store(false, Ordering::Relaxed);
            sleep(PROBE_EVERY).await;
            assert!(health.is_serving() && told("ready 1"), "one miss may be chance");
            sleep(PROBE_AGAIN).await;
            assert!(!health.is_serving() && told("ready 0"));
            up.store(true, Ordering::Relaxed);
            sleep(PROBE_AGAIN).await;
            assert!(health.is_serving() && told("ready 1"));
            shutdown.cancel();
        };
        let (ended, ()) = tokio::join!(worker, script);
        ended.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_starts_without_what_it_needs_is_not_serving_at_once() {
        let health = Health::new(Gauge::noop());
        let shutdown = CancellationToken::new();
        let probe = || std::future::ready(false).boxed();
        let worker = follow(health.clone(), Arc::new(SystemClock), probe, shutdown.clone());
        let script = async {
            sleep(MOMENT).await;
            assert!(!health.is_serving());
            shutdown.cancel();
        };
        tokio::join!(worker, script).0.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_hangs_is_a_miss() {
        let health = Health::new(Gauge::noop());
        let shutdown = CancellationToken::new();
        let probe = || std::future::pending().boxed();
        let worker = follow(health.clone(), Arc::new(SystemClock), probe, shutdown.clone());
        let script = async {
            sleep(PROBE_WITHIN + MOMENT).await;
            assert!(!health.is_serving());
            shutdown.cancel();
        };
        tokio::join!(worker, script).0.unwrap();
    }

    #[test]
    fn a_server_that_stops_is_never_ready_again() {
        let health = Health::new(Gauge::noop());
        health.stop();
        health.set(true);
        assert!(!health.is_serving());
    }
}
