//! The way from the checkout service to a participant, with faults that are planned call by call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use platform::grpc::Server;
use platform::transport::{Transport, Wire};
use prost::Message as _;
use proto::inventory::inventory_service_client::InventoryServiceClient;
use proto::inventory::{ConfirmRequest, ReleaseRequest};
use proto::payment::payment_service_client::PaymentServiceClient;
use proto::payment::{CaptureRequest, VoidRequest};
use tonic::Status;
use tonic::body::Body;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

/// A gRPC message comes behind a flag and its length.
const FRAME: usize = 5;

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not arrive.
    Error,
    /// It arrives twice.
    Repeat,
    /// It arrives, and the answer does not.
    ReplyLost,
}

/// What somebody else does first, past the checkout service, so that the call is refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    /// Gives the stock back.
    Releases,
    /// Gives the authorisation back.
    Voids,
    /// Takes the money.
    Captures,
}

/// A call that something is to be done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    /// The method: "Reserve".
    pub(crate) call: &'static str,
    pub(crate) hand: Option<Hand>,
    pub(crate) fault: Option<Fault>,
}

/// Where calls go to the real service, unless something else is planned for them.
pub(crate) struct Line {
    server: Server,
    plan: Mutex<VecDeque<Planned>>,
}

impl Line {
    pub(crate) fn to(server: Server) -> Arc<Self> {
        Arc::new(Self { server, plan: Mutex::default() })
    }

    /// For the next calls of these methods, in this order.
    pub(crate) fn plan(&self, planned: impl IntoIterator<Item = Planned>) {
        self.plan.lock().unwrap().extend(planned);
    }

    /// What was planned and has not come to pass.
    pub(crate) fn left(&self) -> Vec<Planned> {
        self.plan.lock().unwrap().iter().copied().collect()
    }

    pub(crate) fn transport(self: &Arc<Self>, peer: &'static str) -> Transport {
        let line = self.clone();
        let wire: Wire = BoxCloneSyncService::new(tower::service_fn(move |request| {
            let line = line.clone();
            async move { line.carry(request).await }
        }));
        Transport::over(peer, vec![wire])
    }

    async fn carry(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let (parts, body) = request.into_parts();
        let message = body.collect().await?.to_bytes();
        let planned = self.next(parts.uri.path());
        if let Some(hand) = planned.and_then(|it| it.hand) {
            self.by_hand(hand, &message).await;
        }
        let answer = match planned.and_then(|it| it.fault) {
            None => self.deliver(&parts, &message).await,
            Some(Fault::Error) => return Err(Status::unavailable("it does not arrive")),
            Some(Fault::Repeat) => {
                drop(self.deliver(&parts, &message).await);
                self.deliver(&parts, &message).await
            }
            Some(Fault::ReplyLost) => {
                drop(self.deliver(&parts, &message).await);
                return Err(Status::unknown("the answer does not arrive"));
            }
        };
        Ok(answer)
    }

    fn next(&self, path: &str) -> Option<Planned> {
        let mut plan = self.plan.lock().unwrap();
        let is_it = |planned: &Planned| path.rsplit('/').next() == Some(planned.call);
        plan.iter().position(is_it).and_then(|place| plan.remove(place))
    }

    async fn deliver(&self, parts: &Parts, message: &Bytes) -> Response<Body> {
        let body = Body::new(Full::new(message.clone()));
        let Ok(answer) = self.server.clone().oneshot(Request::from_parts(parts.clone(), body)).await;
        answer
    }

    async fn by_hand(&self, hand: Hand, message: &Bytes) {
        // All calls of the saga begin with the checkout's id.
        let id = ConfirmRequest::decode(message.slice(FRAME..)).unwrap().reservation_id;
        let here = Transport::in_process("here", &self.server);
        match hand {
            Hand::Releases => {
                let release = ReleaseRequest { reservation_id: id };
                InventoryServiceClient::new(here).release(release).await.unwrap();
            }
            Hand::Voids => {
                PaymentServiceClient::new(here).void(VoidRequest { checkout_id: id }).await.unwrap();
            }
            Hand::Captures => {
                PaymentServiceClient::new(here).capture(CaptureRequest { checkout_id: id }).await.unwrap();
            }
        }
    }
}
