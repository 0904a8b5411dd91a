//! Bodies with limits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

use super::call::internal;

/// The longest request, all its messages together. No method takes a stream of unknown length.
const MAX_REQUEST: usize = 1 << 20;

type Polled = Poll<Option<Result<Frame<Bytes>, Status>>>;

/// A request body of at most 1 MiB.
pub(super) struct Limited {
    body: Body,
    left: usize,
}

impl Limited {
    pub(super) fn new(body: Body) -> Self {
        Self { body, left: MAX_REQUEST }
    }
}

impl http_body::Body for Limited {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let length = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => 0,
        };
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Poll::Ready(frame)
            }
            None => Poll::Ready(Some(Err(Status::resource_exhausted("request larger than 1 MiB")))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// An answer's body that ends properly when its stream panics or the server stops.
pub(super) struct Guarded {
    body: Body,
    stopping: Stopping,
}

/// Waiting for the stop begins when a stream first has nothing to say: the body of a unary answer never waits.
enum Stopping {
    Unwatched(CancellationToken),
    Watched(Pin<Box<WaitForCancellationFutureOwned>>),
    Ended,
}

impl Guarded {
    pub(super) fn new(body: Body, stopping: CancellationToken) -> Self {
        Self { body, stopping: Stopping::Unwatched(stopping) }
    }

    fn end(&mut self, status: &Status) -> Polled {
        self.stopping = Stopping::Ended;
        self.body = Body::empty();
        let mut trailers = HeaderMap::new();
        Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let body = &mut self.body;
        match catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx))) {
            Ok(Poll::Pending) => {}
            Ok(ready) => return ready,
            Err(_) => return self.end(&internal()),
        }
        if let Stopping::Unwatched(token) = &self.stopping {
            self.stopping = Stopping::Watched(Box::pin(token.clone().cancelled_owned()));
        }
        match &mut self.stopping {
            Stopping::Watched(stopped) => {
                ready!(stopped.as_mut().poll(cx));
                self.end(&Status::unavailable("the server is stopping"))
            }
            Stopping::Unwatched(_) | Stopping::Ended => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
