//! Calls between programs, and what becomes of them on the way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use platform::grpc::Server;
use platform::transport::{Transport, Wire};
use tokio::time::sleep;
use tonic::Status;
use tonic::body::Body;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use super::process::Process;
use super::weather::Fault;

/// How late a call or an answer comes at most, in milliseconds: longer than anybody waits for one, longer than the
/// hold of a reservation would have to be waited for.
const LATE: u64 = 60_000;

/// An address. Who answers there changes: programs die, and others take their place.
#[derive(Clone, Default)]
pub(super) struct Seat(Arc<Mutex<Option<(Process, Server)>>>);

impl Seat {
    /// This program answers from now on.
    pub(super) fn take(&self, process: &Process, server: Server) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((process.clone(), server));
    }

    /// Nobody answers from now on.
    pub(super) fn leave(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Who is there.
    pub(super) fn holder(&self) -> Option<(Process, Server)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The way from a program to those at these addresses, who take turns.
pub(super) fn way(from: &Process, peer: &'static str, seats: &[Seat]) -> Transport {
    let wire = |seat: &Seat| {
        let (from, seat) = (from.clone(), seat.clone());
        let carry = move |request| carry(from.clone(), seat.clone(), request);
        let wire: Wire = BoxCloneSyncService::new(tower::service_fn(carry));
        wire
    };
    Transport::over(peer, seats.iter().map(wire).collect())
}

async fn carry(from: Process, seat: Seat, request: Request<Body>) -> Result<Response<Body>, Status> {
    let nature = from.nature.clone();
    let (parts, body) = request.into_parts();
    let message = body.collect().await?.to_bytes();
    let call = Call { parts, message };
    from.step(call.name(), "called").await;
    if nature.strikes(Fault::Refused) {
        return Err(Status::unavailable("connection refused"));
    }
    if nature.strikes(Fault::Lost) {
        return Err(silence().await);
    }
    if nature.strikes(Fault::Late) {
        call.arrives_later(&from, &seat);
        // It was on its way when the connection broke, or it just takes its time.
        return Err(if nature.draws(0.5) {
            Status::unavailable("connection reset")
        } else {
            silence().await
        });
    }
    if nature.strikes(Fault::Repeated) {
        call.arrives_later(&from, &seat);
    }
    // A caller that gives up takes its call along where the handler is polled here, and does not where it runs by
    // itself: both happen.
    let answer = if nature.draws(0.5) {
        let (call, seat) = (call.clone(), seat.clone());
        let handling = nature.tasks.spawn(async move { call.arrives(&seat).await });
        handling.await.map_err(|error| Status::unknown(error.to_string()))?
    } else {
        call.arrives(&seat).await
    };
    if nature.strikes(Fault::AnswerLost) {
        return Err(Status::unavailable("connection reset"));
    }
    if nature.strikes(Fault::AnswerLate) {
        sleep(nature.millis(LATE)).await;
    }
    from.step(call.name(), "answered").await;
    answer
}

/// What a caller hears of a call that is nowhere: nothing, until its own patience is over.
async fn silence() -> Status {
    std::future::pending().await
}

/// A call that can be made any number of times.
#[derive(Clone)]
struct Call {
    parts: Parts,
    message: Bytes,
}

impl Call {
    /// Its method: "Reserve".
    fn name(&self) -> &'static str {
        const NAMES: [&str; 12] = [
            "Reserve",
            "Confirm",
            "Release",
            "Restock",
            "Authorize",
            "Capture",
            "Void",
            "Refund",
            "GetCart",
            "BatchGetProducts",
            "InitiateCheckout",
            "AddItem",
        ];
        let path = self.parts.uri.path();
        NAMES.into_iter().find(|name| path.ends_with(name)).unwrap_or("another")
    }

    /// Is handled by who is there, if anybody is, and as long as he lives.
    async fn arrives(&self, seat: &Seat) -> Result<Response<Body>, Status> {
        let Some((process, server)) = seat.holder().filter(|(process, _)| !process.is_dead()) else {
            return Err(Status::unavailable("connection refused"));
        };
        let body = Body::new(Full::new(self.message.clone()));
        let handling = server.oneshot(Request::from_parts(self.parts.clone(), body));
        tokio::select! {
            biased;
            () = process.death() => Err(Status::unavailable("connection reset")),
            answer = handling => Ok(answer.unwrap_or_else(|never| match never {})),
        }
    }

    /// Is handled at some later moment, whoever is there then; nobody hears what came of it.
    fn arrives_later(&self, from: &Process, seat: &Seat) {
        let (mut call, seat, late) = (self.clone(), seat.clone(), from.nature.millis(LATE));
        // By then its time would be over.
        call.parts.headers.remove("grpc-timeout");
        from.nature.tasks.spawn(async move {
            sleep(late.max(Duration::from_millis(1))).await;
            drop(call.arrives(&seat).await);
        });
    }
}
