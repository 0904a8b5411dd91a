//! Server-sent events: something that is watched, step by step, to its end.
//!
//! An event is told once its gRPC stream shows it. Each has an id, and a client that comes back with it as
//! `Last-Event-ID` goes on behind it: the id says by itself what was seen, nothing is remembered here. The last one is
//! named `end`; who asks again after it is answered 204, which tells a browser to stay away. A stream that ends without
//! it was cut off, by a shutdown, by the service, or by its age, and the client is meant to come back.
//!
//! What can go wrong before the first event is a problem document, as with any other request.

mod docs;
mod places;

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::{StreamExt as _, stream};
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use tonic::{Status, Streaming};

use crate::gateway::Shop;
use crate::guard::Caller;
use crate::problem::{FieldError, Problem};
use crate::reply;
use places::Place;

pub use places::StreamBounds;
pub(crate) use places::Streams;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// For proxies that collect answers before they pass them on.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A client that hears nothing for longer than this may take the connection for broken.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// When a client whose stream was cut off should come back.
const COME_BACK_AFTER: Duration = Duration::from_secs(1);
/// A stream is cut off at this age: who comes back shows his token again, so that none is believed for much longer
/// than it is good.
const LIFETIME: Duration = Duration::from_secs(300);

/// What a change comes to.
pub(crate) enum Told {
    /// These events, and more to come.
    More(Vec<Event>),
    /// These events, and nothing after them.
    Last(Vec<Event>),
}

/// The name of the last event of a stream.
pub(crate) const END: &str = "end";

/// An event.
pub(crate) fn event(id: impl AsRef<str>, name: &str, data: impl Serialize) -> Result<Event, Problem> {
    Event::default().id(id).event(name).json_data(data).map_err(Problem::internal)
}

/// What the client saw last, as its `Last-Event-ID` says it. Absent and empty mean nothing.
pub(crate) fn seen<T>(
    headers: &HeaderMap,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let mut sent = headers.get_all(LAST_EVENT_ID).iter();
    let id = match (sent.next(), sent.next()) {
        (None, _) => return Ok(None),
        (Some(only), None) => only.to_str().ok(),
        (Some(_), Some(_)) => None,
    };
    match id {
        Some("") => Ok(None),
        id => id.and_then(parse).map(Some).ok_or_else(never_given),
    }
}

/// `Last-Event-ID` is none that this stream has given.
pub(crate) fn never_given() -> Problem {
    let (field, message) =
        ("Last-Event-ID".to_owned(), "must be the id of an event of this stream".to_owned());
    Problem::invalid(vec![FieldError { field, message }])
}

/// The answer that tells of what `open` watches, as `tell` puts it, for as long as the caller's place is his.
pub(crate) async fn stream<T, F>(
    shop: &Shop,
    caller: Caller,
    request_id: &str,
    open: impl Fn() -> F,
    mut tell: impl FnMut(T) -> Result<Told, Problem> + Send + 'static,
) -> Result<Response, Problem>
where
    T: Send + 'static,
    F: Future<Output = Result<tonic::Response<Streaming<T>>, Status>>,
{
    let place = shop.streams.take(caller.user_id)?;
    let mut changes = shop.retries.read(open).await?;
    let first = changes.message().await?.ok_or_else(|| reply::broken("a watch that shows nothing"))?;
    let (events, watch) = match tell(first)? {
        Told::Last(none) if none.is_empty() => return Ok(StatusCode::NO_CONTENT.into_response()),
        Told::Last(events) => (events, None),
        Told::More(events) => {
            let request_id = request_id.to_owned();
            (events, Some(Watch { changes, tell, request_id, _place: place }))
        }
    };
    let begin = Event::default().retry(COME_BACK_AFTER);
    let later = stream::unfold(watch, async |watch| {
        let mut watch = watch?;
        match watch.next().await? {
            Told::More(events) => Some((events, Some(watch))),
            Told::Last(events) => Some((events, None)),
        }
    });
    let all = stream::iter([begin]).chain(stream::iter(events)).chain(later.flat_map(stream::iter));
    let over = shop.streams.over(LIFETIME);
    let all = all.map(Ok::<_, Infallible>).take_until(over);
    let mut response = Sse::new(all).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

/// A stream under way, with the place that it takes.
struct Watch<T, Tell> {
    changes: Streaming<T>,
    tell: Tell,
    request_id: String,
    _place: Place,
}

impl<T, Tell: FnMut(T) -> Result<Told, Problem>> Watch<T, Tell> {
    /// What comes next; `None` when nothing can be said any more, and the client has to come back.
    async fn next(&mut self) -> Option<Told> {
        let cut_off =
            |cause: &str| tracing::info!(request_id = self.request_id, cause, "event stream cut off");
        match self.changes.message().await {
            Ok(Some(change)) => match (self.tell)(change) {
                Ok(told) => Some(told),
                Err(problem) => {
                    cut_off(problem.cause().unwrap_or_default());
                    None
                }
            },
            Ok(None) => None,
            Err(status) => {
                cut_off(status.message());
                None
            }
        }
    }
}
