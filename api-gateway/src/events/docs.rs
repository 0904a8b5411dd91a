//! Server-sent events, described.

use http::StatusCode;
use utoipa::openapi::schema::ObjectBuilder;

use crate::openapi::Operation;
use crate::openapi::schemas::text;

const HOW: &str = "\
Server-sent events, as a browser's `EventSource` reads them. The last one is `end`; a stream that ends without it was cut \
off, at the latest after five minutes: come back with the id of the last event in `Last-Event-ID`, and it goes on behind \
it. Who comes back after the `end` is answered 204. Every 15 seconds in which nothing happens there is a comment.";

impl Operation {
    /// A stream of these events, each with one of these ids.
    pub(crate) fn replies_events(self, ids: ObjectBuilder, events: &str, example: &str) -> Self {
        let stream = text(&format!("{events}\n\n{HOW}")).examples([example]);
        self.in_header("Last-Event-ID", ids)
            .replies_with(
                StatusCode::OK,
                "What happens, as it happens",
                &["X-Accel-Buffering"],
                "text/event-stream",
                stream,
            )
            .replies_nothing(StatusCode::NO_CONTENT, "You have seen the end", &[])
            .refuses(StatusCode::BAD_REQUEST, &["invalid_argument"])
            .refuses(StatusCode::TOO_MANY_REQUESTS, &["too_many_streams"])
            .refuses(StatusCode::SERVICE_UNAVAILABLE, &["streams_exhausted"])
    }
}
