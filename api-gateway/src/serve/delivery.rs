//! Answers on HTTP/2 that their client does not take.
//!
//! A client of HTTP/2 says for each answer how many bytes it has room for, and may say none while it reads on from the
//! socket. hyper waits for room without an end, and asks the body for nothing meanwhile. So each request is run within a
//! limit for what has been handed over, or is ready to be, and is not asked for more: the request alone is reset, for
//! behind the connection of a proxy are many clients.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::rt::Executor;
use hyper_util::rt::TokioExecutor;
use tokio::task_local;
use tokio::time::{Instant, Sleep, sleep_until};

use super::exchange::Open;

/// Bytes that are handed over at a time: what is less is not missed.
const STEP: usize = 16 * 1024;

/// Since when the client could have taken more; none while it is not its turn.
type Waiting = Arc<Mutex<Option<Instant>>>;

task_local! {
    static WAITING: Waiting;
}

/// Runs the requests of HTTP/2, each until it is delivered or its client has taken nothing for so long.
#[derive(Clone)]
pub(super) struct Deliveries {
    pub(super) limit: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Deliveries {
    fn execute(&self, request: F) {
        let waiting = Waiting::default();
        let request = Box::pin(WAITING.scope(waiting.clone(), request));
        TokioExecutor::new().execute(Delivery { request, waiting, limit: self.limit, late: None });
    }
}

struct Delivery<F> {
    request: Pin<Box<F>>,
    waiting: Waiting,
    limit: Duration,
    late: Option<Pin<Box<Sleep>>>,
}

impl<F: Future<Output = ()>> Future for Delivery<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.request.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        // Only the request itself, within the poll above, changes it.
        let waiting = *this.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(since) = waiting else {
            this.late = None;
            return Poll::Pending;
        };
        let end = since + this.limit;
        let late = this.late.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if late.deadline() != end {
            late.as_mut().reset(end);
        }
        late.as_mut().poll(cx)
    }
}

/// The body of an answer, until it is sent or given up.
pub(super) struct Sent {
    body: Body,
    /// Of its last frame, what is not handed over yet.
    rest: Bytes,
    open: Open,
}

impl Sent {
    pub(super) fn new(body: Body, open: Open) -> Self {
        wait_for_client(true);
        let mut sent = Self { body, rest: Bytes::new(), open };
        sent.look_for_the_end();
        sent
    }

    /// Nobody asks again for what has ended.
    fn look_for_the_end(&mut self) {
        if http_body::Body::is_end_stream(self) {
            self.open.delivered();
        }
    }
}

/// Whose turn it is: the client's, or ours. Only HTTP/2 wants to know.
fn wait_for_client(wait: bool) {
    let _ = WAITING.try_with(|waiting| {
        *waiting.lock().unwrap_or_else(PoisonError::into_inner) = wait.then(Instant::now);
    });
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Pending => {
                    wait_for_client(false);
                    return Poll::Pending;
                }
                end => {
                    self.open.delivered();
                    return end;
                }
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        wait_for_client(true);
        let step = self.rest.len().min(STEP);
        let data = self.rest.split_to(step);
        self.look_for_the_end();
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream;
    use http_body_util::BodyExt as _;

    use super::super::exchange::Exchange;
    use super::*;

    /// How long a request runs that hands over a body like this, and asks it for so many frames.
    async fn lasts(body: Body, frames: usize) -> u64 {
        let began = Instant::now();
        let waiting = Waiting::default();
        let request = WAITING.scope(waiting.clone(), async move {
            let mut sent = Sent::new(body, Exchange::new().request());
            for _ in 0..frames {
                sent.frame().await;
            }
            std::future::pending().await
        });
        Delivery { request: Box::pin(request), waiting, limit: Duration::from_secs(10), late: None }.await;
        began.elapsed().as_secs()
    }

    /// A frame each minute, of 20 KiB.
    fn slow() -> Body {
        let minutes = tokio::time::interval(Duration::from_secs(60));
        Body::from_stream(stream::unfold(minutes, async |mut minutes| {
            minutes.tick().await;
            Some((Ok::<_, Infallible>(Bytes::from(vec![b'x'; 20 * 1024])), minutes))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn b3_only_the_client_is_hurried() {
        assert_eq!(lasts(Body::from("x"), 0).await, 10, "it never takes the first frame");
        assert_eq!(lasts(slow(), 0).await, 10);
        assert_eq!(lasts(slow(), 1).await, 10, "nor the second half of it");
        assert_eq!(lasts(slow(), 3).await, 70, "we were slow, then it was");
    }
}
