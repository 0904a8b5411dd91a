//! One call to one destination, and what it says of that destination.

use std::sync::{Arc, PoisonError};

use http::{Request, Response};
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::ServiceExt as _;

use super::{Destination, Route};
use crate::breaker::{Change, Outcome, Ticket};
use crate::grpc::call::{code, too_late};
use crate::trace::{Span, rpc};

/// A call let through by the breaker. Dropped before its end, it gives its place back.
pub(super) struct Attempt {
    peer: &'static str,
    destination: Arc<Destination>,
    ticket: Option<Ticket>,
}

impl Attempt {
    /// Asks the breaker.
    pub(super) fn begin(peer: &'static str, destination: &Arc<Destination>) -> Option<Self> {
        let mut breaker = destination.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = breaker.admit(Instant::now())?;
        Some(Self { peer, destination: destination.clone(), ticket: Some(ticket) })
    }

    /// A call that neither asks the breaker nor tells it.
    pub(super) fn unguarded(peer: &'static str, destination: Arc<Destination>) -> Self {
        Self { peer, destination, ticket: None }
    }

    pub(super) async fn send(
        mut self,
        request: Request<Body>,
        deadline: Option<Instant>,
        span: Option<Span>,
    ) -> Result<Response<Body>, Status> {
        let sent = self.destination.route.clone().send(self.peer, request);
        let answer = match deadline {
            Some(deadline) => timeout_at(deadline, sent).await.unwrap_or_else(|_| Err(too_late())),
            None => sent.await,
        };
        let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let answer = answer_in_time(answer, late);
        if let Some(mut span) = span {
            rpc::answered(&mut span, code_of(&answer));
        }
        self.settle(outcome(&answer));
        answer
    }

    fn settle(&mut self, outcome: Outcome) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut breaker = self.destination.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let change = breaker.settle(ticket, outcome, Instant::now());
        drop(breaker);
        let (peer, destination) = (self.peer, &self.destination.name);
        if let (Some(change), Some(told)) = (change, self.destination.told.get()) {
            told.set(f64::from(u8::from(change == Change::Opened)));
        }
        match change {
            Some(Change::Opened) => tracing::warn!(peer, destination, "breaker opened"),
            Some(Change::Closed) => tracing::info!(peer, destination, "breaker closed"),
            None => {}
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.settle(Outcome::Abandoned);
    }
}

impl Route {
    async fn send(self, peer: &'static str, request: Request<Body>) -> Result<Response<Body>, Status> {
        match self {
            Self::Tcp(channel) => channel.oneshot(request).await.map_err(|error| broken(peer, error)),
            Self::Over(wire) => wire.oneshot(request).await,
            Self::InProcess(server) => server.oneshot(request).await.map_err(|never| match never {}),
        }
    }
}

/// An error of the connection. Its internals are kept out of the message and in the source.
fn broken(peer: &'static str, error: tonic::transport::Error) -> Status {
    let error = Arc::new(error);
    let code = Status::from_error(Box::new(error.clone())).code();
    let mut status = match code {
        Code::Unavailable => Status::unavailable(format!("{peer} can't be reached")),
        code => Status::new(code, format!("the connection to {peer} broke")),
    };
    status.set_source(error);
    status
}

/// tonic calls its own timeouts, on both ends, CANCELLED: past the deadline this means DEADLINE_EXCEEDED.
fn answer_in_time(answer: Result<Response<Body>, Status>, late: bool) -> Result<Response<Body>, Status> {
    if late && code_of(&answer) == Code::Cancelled { Err(too_late()) } else { answer }
}

fn code_of(answer: &Result<Response<Body>, Status>) -> Code {
    match answer {
        Ok(response) => code(response),
        Err(status) => status.code(),
    }
}

/// What the answer says of the destination. An `Err` never comes from the service: the connection failed or the
/// answer was late. Details are only on answers that a service meant.
fn outcome(answer: &Result<Response<Body>, Status>) -> Outcome {
    let Ok(response) = answer else {
        return Outcome::Broken;
    };
    let meant = response.headers().contains_key(Status::GRPC_STATUS_DETAILS);
    match code(response) {
        Code::Unavailable | Code::DeadlineExceeded if !meant => Outcome::Broken,
        _ => Outcome::Answered,
    }
}
