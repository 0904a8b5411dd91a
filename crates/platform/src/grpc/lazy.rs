//! A service that most programs are never asked for.

use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use http::Request;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

/// Makes the service when it is first called: what it takes to make it, is not spent before. Clones share it.
#[derive(Clone)]
pub(super) struct Lazy<S>(Arc<LazyLock<S, Make<S>>>);

type Make<S> = Box<dyn FnOnce() -> S + Send + Sync>;

impl<S> Lazy<S> {
    pub(super) fn new(make: impl FnOnce() -> S + Send + Sync + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }
}

impl<S: NamedService> NamedService for Lazy<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: Service<Request<Body>> + Clone> Service<Request<Body>> for Lazy<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    /// As generated services are, at any time.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> S::Future {
        let service: &S = &self.0;
        service.clone().call(request)
    }
}
