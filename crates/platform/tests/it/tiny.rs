//! A service that does as it is asked: the messages are those of the health protocol, under another name.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt as _};
use http::{Request, Response, Uri};
use platform::ids::RandomIds;
use platform::trace::{self, Tracer};
use platform::transport::Transport;
use platform::{World, grpc};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::Service;

/// The client of the small service.
pub(crate) type Client = HealthClient<Renamed<Transport>>;

/// What to do, written into the field `service`.
pub(crate) fn ask(what: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: what.to_owned() }
}

/// A context of a worker with 5 s.
pub(crate) fn context() -> platform::Context {
    platform::Context::root(&RandomIds, Duration::from_secs(5))
}

pub(crate) fn client(transport: &Transport) -> Client {
    HealthClient::new(Renamed { inner: transport.clone(), to: "/test.Tiny" })
}

/// A server of the small service, and what lets its calls of `wait` go on.
pub(crate) fn server() -> (grpc::Server, Arc<Gate>) {
    with_places(512)
}

pub(crate) fn with_places(max_calls: usize) -> (grpc::Server, Arc<Gate>) {
    made(max_calls, &World::real())
}

/// A server of the small service whose calls are traced.
pub(crate) fn traced(tracer: Tracer) -> grpc::Server {
    within(&World { tracer, ..World::real() })
}

/// A server of the small service in this world.
pub(crate) fn within(world: &World) -> grpc::Server {
    made(512, world).0
}

fn made(max_calls: usize, world: &World) -> (grpc::Server, Arc<Gate>) {
    let gate = Arc::new(Gate::shut());
    let tiny = Tiny(HealthServer::new(Behaviour { gate: gate.clone() }));
    let server = grpc::server("tiny", world)
        .add(tiny)
        .reflection(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .max_calls(max_calls)
        .build();
    (server, gate)
}

/// A server behind a port.
pub(crate) struct Served {
    pub(crate) transport: Transport,
    pub(crate) shutdown: CancellationToken,
    pub(crate) running: AbortOnDropHandle<anyhow::Result<()>>,
}

#[expect(clippy::disallowed_methods, reason = "the handle owns the task")]
pub(crate) async fn serve(server: &grpc::Server) -> Served {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let shutdown = CancellationToken::new();
    let running = AbortOnDropHandle::new(tokio::spawn(server.clone().serve(listener, shutdown.clone())));
    Served { transport: Transport::connect("tiny", &address).unwrap(), shutdown, running }
}

/// Where calls of `wait` wait.
pub(crate) struct Gate {
    arrived: Semaphore,
    open: Semaphore,
}

impl Gate {
    fn shut() -> Self {
        Self { arrived: Semaphore::new(0), open: Semaphore::new(0) }
    }

    async fn pass(&self) {
        self.arrived.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }

    /// One more call has come to the gate.
    pub(crate) async fn arrival(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    /// Lets so many calls through, those that come later included.
    pub(crate) fn let_through(&self, calls: usize) {
        self.open.add_permits(calls);
    }
}

struct Behaviour {
    gate: Arc<Gate>,
}

#[tonic::async_trait]
impl Health for Behaviour {
    async fn check(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, Status> {
        let context = platform::Context::of(&request);
        match request.get_ref().service.as_str() {
            "ok" => {}
            "panic" => panic!("asked for"),
            "hang" => std::future::pending().await,
            "wait" => self.gate.pass().await,
            "context" => {
                let told = format!("{} {}", context.request_id(), context.traceparent());
                return Err(Status::aborted(told));
            }
            "span" => return Err(Status::aborted(format!("{:?}", trace::traceparent()))),
            "meant" => {
                let details = bytes::Bytes::from_static(b"an ErrorInfo");
                return Err(Status::with_details(Code::Unavailable, "sold out", details));
            }
            "unavailable" => return Err(Status::unavailable("no store")),
            _ => return Err(Status::not_found("no such behaviour")),
        }
        Ok(tonic::Response::new(HealthCheckResponse { status: 1 }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, Status> {
        let stream = match request.get_ref().service.as_str() {
            "panic" => stream::poll_fn(|_| panic!("asked for")).boxed(),
            _ => stream::iter([Ok(HealthCheckResponse { status: 1 })]).chain(stream::pending()).boxed(),
        };
        Ok(tonic::Response::new(stream))
    }
}

/// The server side under its other name.
#[derive(Clone)]
struct Tiny(HealthServer<Behaviour>);

impl NamedService for Tiny {
    const NAME: &'static str = "test.Tiny";
}

impl Service<Request<Body>> for Tiny {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = <HealthServer<Behaviour> as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.call(renamed(request, "/grpc.health.v1.Health"))
    }
}

/// The client side under its other name.
#[derive(Clone)]
pub(crate) struct Renamed<S> {
    inner: S,
    to: &'static str,
}

impl<S: Service<Request<Body>>> Service<Request<Body>> for Renamed<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> S::Future {
        self.inner.call(renamed(request, self.to))
    }
}

/// Another service, the same method.
fn renamed(mut request: Request<Body>, service: &str) -> Request<Body> {
    let (_, method) = request.uri().path().rsplit_once('/').unwrap();
    *request.uri_mut() = format!("{service}/{method}").parse::<Uri>().unwrap();
    request
}
