//! What crosses a call besides its message.

mod timeout;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;
use tonic::metadata::MetadataValue;
use types::UserId;

use crate::ids::{Ids, RandomIds};
use crate::trace::{self, Kind, Span, Trace, Tracer};

pub(crate) use timeout::grpc_timeout;

/// The header and metadata key of the request id.
const REQUEST_ID: &str = "x-request-id";
/// The header and metadata key of the W3C trace context.
pub(crate) const TRACEPARENT: &str = "traceparent";
/// The longest request id kept from a client, in characters.
const MAX_REQUEST_ID: usize = 128;
/// What a call may take where nobody set a limit.
const DEFAULT_BUDGET: Duration = Duration::from_secs(30);

/// The request id, the W3C trace context and the deadline of a call, and whom it is about. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    call: Arc<Call>,
    trace: Trace,
    deadline: Instant,
}

/// What all clones of a context share.
#[derive(Debug)]
struct Call {
    request_id: String,
    /// Known once the message was read, which is after the call was made.
    user: OnceLock<UserId>,
}

impl Call {
    /// With this request id if a client may choose it, else with one of our own.
    fn new(request_id: &[u8], ids: &dyn Ids) -> Arc<Self> {
        let request_id = acceptable(request_id).map_or_else(|| ids.next().to_string(), str::to_owned);
        Arc::new(Self { request_id, user: OnceLock::new() })
    }
}

/// What is kept of a request by work that goes on when the request is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The request's id; empty if it is not known.
    pub request_id: String,
    /// Its trace, as a W3C `traceparent`; empty if it is not known.
    pub traceparent: String,
}

impl Origin {
    /// The trace and the id of the request, each if it is known.
    pub fn parts(&self) -> (Option<String>, Option<String>) {
        let known = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        (known(&self.traceparent), known(&self.request_id))
    }

    /// The id of the trace, in 32 hexadecimal digits, if it is known: for log lines.
    pub fn trace_id(&self) -> Option<impl fmt::Display + use<>> {
        trace::trace_id(&self.traceparent)
    }
}

impl Context {
    /// The context that the server put beside this request; a fresh one with a budget of 30 s if it came in
    /// without passing the server.
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        match request.extensions().get::<Self>() {
            Some(context) => context.clone(),
            None => Self::root(&RandomIds, DEFAULT_BUDGET),
        }
    }

    /// A context that begins here: for work that no request caused.
    pub fn root(ids: &dyn Ids, budget: Duration) -> Self {
        Self::arriving(&HeaderMap::new(), ids, budget)
    }

    /// A context of what goes on for a request that may be over, with a budget of its own.
    pub fn going_on(origin: &Origin, ids: &dyn Ids, budget: Duration) -> Self {
        let call = Call::new(origin.request_id.as_bytes(), ids);
        let trace = Trace::parse(origin.traceparent.as_bytes()).unwrap_or_else(|| Trace::begin(ids.next()));
        Self { call, trace, deadline: Instant::now() + budget }
    }

    /// What is to be kept of this request by work that goes on when it is over.
    pub fn origin(&self) -> Origin {
        Origin { request_id: self.request_id().to_owned(), traceparent: self.traceparent() }
    }

    /// The context of a request with these headers, HTTP or gRPC.
    ///
    /// Keeps an `x-request-id` of 1 to 128 visible ASCII characters and a valid `traceparent`; what is missing or
    /// malformed is made anew. The deadline is the sooner of `grpc-timeout` and `limit`; a malformed timeout counts as
    /// none.
    pub fn arriving(headers: &HeaderMap, ids: &dyn Ids, limit: Duration) -> Self {
        Self::traced(headers, ids, limit, &Tracer::default(), Kind::Server).0
    }

    /// The same, and a span for the request if it is sampled. Then the context's trace is that span.
    pub fn traced(
        headers: &HeaderMap,
        ids: &dyn Ids,
        limit: Duration,
        tracer: &Tracer,
        kind: Kind,
    ) -> (Self, Option<Span>) {
        let call = Call::new(headers.get(REQUEST_ID).map_or(b"", HeaderValue::as_bytes), ids);
        let parent = headers.get(TRACEPARENT).and_then(|value| Trace::parse(value.as_bytes()));
        let (trace, span) = tracer.arrive(kind, parent, ids);
        let budget = grpc_timeout(headers).map_or(limit, |timeout| timeout.min(limit));
        (Self { call, trace, deadline: Instant::now() + budget }, span)
    }

    /// The same call with no more than `budget` left.
    #[must_use]
    pub fn within(&self, budget: Duration) -> Self {
        Self { deadline: self.deadline.min(Instant::now() + budget), ..self.clone() }
    }

    /// An outgoing request that carries this context: what is left of the deadline as `grpc-timeout`, the request
    /// id and the trace. Sent within a span, it gets one of its own below that one, which then is its trace.
    pub fn request<M>(&self, message: M) -> tonic::Request<M> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(self.remaining());
        for (key, value) in [(REQUEST_ID, self.request_id()), (TRACEPARENT, &self.traceparent())] {
            if let Ok(value) = MetadataValue::try_from(value) {
                request.metadata_mut().insert(key, value);
            }
        }
        request
    }

    /// The time left, zero once the deadline has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The moment at which the answer is of no more use.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The request id: 1 to 128 visible ASCII characters.
    pub fn request_id(&self) -> &str {
        &self.call.request_id
    }

    /// Says which user the call is about, for its log line; nothing else comes of it, and nothing is sent on. Who was
    /// named first stays. What it was given is given back: `ctx.about(parsed?)`.
    pub fn about<U: Into<Option<UserId>> + Copy>(&self, user: U) -> U {
        if let Some(user) = user.into() {
            self.call.user.get_or_init(|| user);
        }
        user
    }

    /// Which user the call is about, as far as that is known by now.
    pub fn user(&self) -> Option<UserId> {
        self.call.user.get().copied()
    }

    /// The trace as a W3C `traceparent`, with our span if there is one: for outgoing calls and events.
    pub fn traceparent(&self) -> String {
        self.trace.to_string()
    }

    /// The id of the trace, in 32 hexadecimal digits: for log lines.
    pub fn trace_id(&self) -> impl fmt::Display + use<> {
        self.trace.trace_id()
    }
}

/// A request id that a client may choose: 1 to 128 visible ASCII characters.
fn acceptable(id: &[u8]) -> Option<&str> {
    let sane = (1..=MAX_REQUEST_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic);
    if sane { std::str::from_utf8(id).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(k, v)| ((*k).parse().unwrap(), HeaderValue::from_bytes(v.as_bytes()).unwrap()))
            .collect()
    }

    fn arriving(pairs: &[(&'static str, &str)]) -> Context {
        Context::arriving(&headers(pairs), &RandomIds, DEFAULT_BUDGET)
    }

    #[test]
    fn keeps_sane_request_ids_and_replaces_others() {
        let longest = "x".repeat(128);
        for kept in ["a", "req-42_{}~!", longest.as_str()] {
            assert_eq!(arriving(&[(REQUEST_ID, kept)]).request_id(), kept);
        }
        let too_long = "x".repeat(129);
        for replaced in ["", "two words", "tab\there", "näme", too_long.as_str()] {
            let made = arriving(&[(REQUEST_ID, replaced)]);
            assert_eq!(
                uuid::Uuid::parse_str(made.request_id()).unwrap().get_version_num(),
                7,
                "{replaced:?}"
            );
        }
    }

    #[test]
    fn a_trace_that_nobody_records_here_goes_on_as_it_came() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let kept = arriving(&[(TRACEPARENT, parent)]);
        assert_eq!(kept.traceparent(), parent);
        assert_eq!(kept.trace_id().to_string(), &parent[3..35]);
        assert!(arriving(&[]).traceparent().ends_with("-00"), "nobody has recorded it");
        assert_ne!(&arriving(&[(TRACEPARENT, "00-zz-1-01")]).traceparent()[3..35], &parent[3..35]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_sooner_deadline_wins_and_a_malformed_one_is_ignored() {
        for (timeout, expected) in [("5S", 5), ("60S", 30), ("soon", 30), ("", 30), ("123456789S", 30)] {
            let left = arriving(&[("grpc-timeout", timeout)]).remaining();
            assert_eq!(left, Duration::from_secs(expected), "{timeout:?}");
        }
        assert_eq!(arriving(&[]).within(Duration::from_secs(2)).remaining(), Duration::from_secs(2));
        assert_eq!(arriving(&[]).within(Duration::from_secs(90)).remaining(), DEFAULT_BUDGET);
    }

    #[tokio::test(start_paused = true)]
    async fn travels_in_the_outgoing_request() {
        let context = arriving(&[(REQUEST_ID, "r-1"), ("grpc-timeout", "2S")]);
        tokio::time::advance(Duration::from_millis(500)).await;
        let outgoing = context.request(()).into_parts().0.into_headers();
        let there = Context::arriving(&outgoing, &RandomIds, DEFAULT_BUDGET);
        assert_eq!(there.request_id(), "r-1");
        assert_eq!(there.remaining(), Duration::from_millis(1500));
        assert_eq!(there.traceparent()[..36], context.traceparent()[..36]);
        assert_eq!(outgoing[TRACEPARENT], context.traceparent());
    }

    #[test]
    fn what_outlives_a_request_has_its_id_and_its_trace() {
        let context = arriving(&[(REQUEST_ID, "r-1")]);
        let later = Context::going_on(&context.origin(), &RandomIds, DEFAULT_BUDGET);
        assert_eq!((later.request_id(), later.traceparent()), ("r-1", context.traceparent()));
        let unknown = Context::going_on(&Origin::default(), &RandomIds, DEFAULT_BUDGET);
        assert!(!unknown.request_id().is_empty());
        assert_ne!(unknown.traceparent(), context.traceparent());
    }

    #[test]
    fn whom_a_call_is_about_is_said_once_and_goes_no_further() {
        let context = arriving(&[]);
        let user = |id| UserId::try_from(id).unwrap();
        assert_eq!((context.about(None), context.user()), (None, None));
        assert_eq!(context.within(DEFAULT_BUDGET).about(user(7)), user(7));
        assert_eq!((context.about(Some(user(8))), context.user()), (Some(user(8)), Some(user(7))));
        let outgoing = context.request(()).into_parts().0.into_headers();
        assert_eq!(Context::arriving(&outgoing, &RandomIds, DEFAULT_BUDGET).user(), None);
    }

    #[test]
    fn without_a_server_a_request_gets_a_fresh_context() {
        assert!(!Context::of(&tonic::Request::new(())).request_id().is_empty());
    }
}
