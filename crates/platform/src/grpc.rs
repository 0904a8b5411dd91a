//! The gRPC server: generated services, with everything that surrounds a call around the server value itself, so
//! that a call in process and one over TCP meet the same behaviour.
//!
//! Each call gets a [`Context`](crate::Context), a deadline (the sooner of `grpc-timeout` and 30 s, after which the answer is
//! DEADLINE_EXCEEDED), a place among the 512 calls at once (else RESOURCE_EXHAUSTED), a request of at most 1 MiB, a
//! panic turned into INTERNAL, and one log line. Beside the services answer `grpc.health.v1.Health`, which is never
//! refused, and reflection.
//!
//! Of a streamed answer, deadline and place cover the time until it begins; then it runs until its end, until the
//! client leaves, or until the server stops, which ends it with UNAVAILABLE.

mod body;
pub(crate) mod call;
mod durations;
mod handshakes;
mod lazy;
mod serve;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{self, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_reflection::server::Builder as Reflection;
use tower::{BoxError, Service};

use crate::World;
use crate::health::Health;
use crate::ids::Ids;
use crate::trace::Tracer;
use durations::Durations;
use lazy::Lazy;

/// Calls at once, over all connections and those in process. More would only wait for the same two cores and disks.
const MAX_CALLS: usize = 512;

/// Begins a server; `name` is the program's in log lines and metrics. In this world each call gets a request id, is
/// counted, and has a span, but those of the health service.
pub fn server(name: &'static str, world: &World) -> Builder {
    let (routes, services) = (Routes::default(), Vec::new());
    Builder { name, world: world.clone(), routes, services, max_calls: MAX_CALLS }
}

/// A server in the making.
pub struct Builder {
    name: &'static str,
    world: World,
    routes: Routes,
    services: Vec<&'static str>,
    max_calls: usize,
}

impl Builder {
    /// Adds a generated service: `XxxServer::new(api)`.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "nobody takes a server in the making for a number")]
    pub fn add<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.services.push(S::NAME);
        self.routes = self.routes.add_service(service);
        self
    }

    /// Serves reflection (v1 and v1alpha) from this encoded descriptor set, naming the services added so far. It
    /// also explains the messages that a refusal has as its details. Nothing is decoded before somebody asks.
    #[must_use]
    pub fn reflection(mut self, descriptor: &'static [u8]) -> Self {
        let own = [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
        ];
        let names: Vec<&'static str> = self.services.iter().copied().chain(own).collect();
        let reflection = move || {
            names.iter().fold(
                Reflection::configure()
                    .register_encoded_file_descriptor_set(descriptor)
                    .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                    .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
                    .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
                    .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET),
                |reflection, name| reflection.with_service_name(*name),
            )
        };
        let older = reflection.clone();
        let v1 = move || reflection().build_v1().expect("a descriptor set made at build time is valid");
        let v1alpha = move || older().build_v1alpha().expect("a descriptor set made at build time is valid");
        self.routes = self.routes.add_service(Lazy::new(v1)).add_service(Lazy::new(v1alpha));
        self
    }

    /// At most so many calls at once, instead of 512.
    #[must_use]
    pub fn max_calls(self, max_calls: usize) -> Self {
        Self { max_calls, ..self }
    }

    /// The server value.
    pub fn build(self) -> Server {
        let World { ids, tracer, metrics, .. } = self.world;
        let help = "Whether a server says that it is ready for calls: 1, or 0.";
        let health = Health::new(metrics.gauge("oxcart_ready", help, &[("program", self.name)]));
        let durations = Durations::new(&metrics);
        let routes = self.routes.add_service(health.server(self.services)).prepare();
        let places = Arc::new(Semaphore::new(self.max_calls));
        Server {
            routes,
            shared: Arc::new(Shared { name: self.name, ids, tracer, durations, places, health }),
        }
    }
}

/// A server: a tower service to be called in process ([`Transport::in_process`]), served over TCP, or both. Clones
/// are the same server.
///
/// [`Transport::in_process`]: crate::transport::Transport::in_process
#[derive(Clone)]
pub struct Server {
    routes: Routes,
    shared: Arc<Shared>,
}

struct Shared {
    name: &'static str,
    ids: Arc<dyn Ids>,
    tracer: Tracer,
    durations: Durations,
    places: Arc<Semaphore>,
    health: Health,
}

impl Server {
    /// Whether it says that it is ready.
    pub fn health(&self) -> Health {
        self.shared.health.clone()
    }
}

impl<B> Service<Request<B>> for Server
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Now, not when first polled: the deadline must not fall behind the one that tonic's transport keeps.
        let (context, span) = self.arrived(&request);
        let server = self.clone();
        let request = request.map(Body::new);
        Box::pin(async move { Ok(server.answer(request, context, span).await) })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.shared.name).finish_non_exhaustive()
    }
}
