//! Spans: what a request did, where and for how long, for a collector of OpenTelemetry.
//!
//! A [`Tracer`] is a value that each program has one of, so that programs that share a process are still told apart.
//! Who receives a request begins a [`Span`] for it and has it handled [`Span::only`] there; whatever is done meanwhile
//! finds the span as the current one, and begins its own below it with [`begin`]. A request that is not sampled, and
//! any where no collector is set, has no span: then [`begin`] is a look at one cell, and no name or attribute of a span
//! is made.

mod gate;
mod parent;
mod pipeline;
pub(crate) mod rpc;
mod settings;
pub mod store;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use opentelemetry::trace::{Link, Span as _, SpanBuilder, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, Span as Recording};

use crate::ids::Ids;
use crate::metrics::Metrics;
pub(crate) use parent::Trace;
use pipeline::Pipeline;
pub use settings::Settings;

/// What a span stands for.
pub use opentelemetry::trace::SpanKind as Kind;

tokio::task_local! {
    /// The span that what this task does is a part of.
    static CURRENT: Option<Current>;
}

#[derive(Clone)]
struct Current {
    program: Arc<Program>,
    trace: Trace,
}

/// Where the spans of one program go. Clones are the same; the default leads nowhere.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Program>>);

struct Program {
    name: &'static str,
    spans: SdkTracer,
    pipeline: Arc<Pipeline>,
}

impl Tracer {
    /// To the collector that the settings name, on behalf of this program; to nowhere if they name none. Nothing is
    /// sent before the first span, and a collector that is away is no error. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Settings that can't be used, beside ours the `OTEL_…` variables that the exporter reads itself; and a system without
    /// root certificates, where it needs them.
    pub async fn open(settings: &Settings, program: &'static str, metrics: &Metrics) -> anyhow::Result<Self> {
        Ok(match Pipeline::open(settings, metrics).await? {
            Some(pipeline) => Self(Some(Program::new(Arc::new(pipeline), program)?)),
            None => Self::default(),
        })
    }

    /// The same on behalf of another program, which is told apart by its name.
    #[must_use]
    pub fn of(&self, program: &'static str) -> Self {
        let other = self.0.as_ref().map(|own| match own.name == program {
            true => Ok(own.clone()),
            false => Program::new(own.pipeline.clone(), program),
        });
        Self(other.transpose().unwrap_or_else(|error| {
            tracing::error!(program, error = format!("{error:#}"), "no traces of this program");
            None
        }))
    }

    /// Sends what is left of all programs, for two seconds at the most. What ends later is lost.
    pub async fn close(&self) {
        if let Some(program) = &self.0 {
            program.pipeline.close().await;
        }
    }

    /// Where a request that has this parent, if any, stands: in a span of its own if it is sampled, else in its
    /// parent's, since who comes after us must not look for one that nobody has recorded. Whether it is sampled is
    /// ours to say, unless nothing is traced here.
    pub(crate) fn arrive(&self, kind: Kind, parent: Option<Trace>, ids: &dyn Ids) -> (Trace, Option<Span>) {
        let as_it_came = || parent.unwrap_or_else(|| Trace::begin(ids.next()));
        let Some(program) = &self.0 else { return (as_it_came(), None) };
        if program.pipeline.may_sample(parent)
            && let (trace, Some(span)) = program.begin(kind, parent, Cow::Borrowed(""), Vec::new())
        {
            return (trace, Some(span));
        }
        (as_it_came().unsampled(), None)
    }

    /// A span of what a request began, by the `traceparent` that was kept of it: the request waits for it, or would if
    /// it was still there. `None` where that was not sampled.
    pub fn go_on(&self, kind: Kind, traceparent: &str, name: impl FnOnce() -> String) -> Option<Span> {
        let (program, parent) = self.sampled(traceparent)?;
        program.begin(kind, Some(parent), name().into(), Vec::new()).1
    }

    /// The same of what somebody else has taken over: a link says that it follows from the request, which no longer
    /// waits for it.
    pub fn take_over(&self, kind: Kind, traceparent: &str, name: impl FnOnce() -> String) -> Option<Span> {
        let (program, cause) = self.sampled(traceparent)?;
        program.begin(kind, Some(cause), name().into(), vec![Link::with_context(cause.remote())]).1
    }

    fn sampled(&self, traceparent: &str) -> Option<(&Arc<Program>, Trace)> {
        let program = self.0.as_ref()?;
        let parent = Trace::parse(traceparent.as_bytes())?;
        program.pipeline.may_sample(Some(parent)).then_some((program, parent))
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracer").field(&self.0.as_ref().map(|program| &program.spans)).finish()
    }
}

impl Program {
    fn new(pipeline: Arc<Pipeline>, name: &'static str) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self { name, spans: pipeline.tracer(name)?, pipeline }))
    }

    fn begin(
        self: &Arc<Self>,
        kind: Kind,
        parent: Option<Trace>,
        name: Cow<'static, str>,
        links: Vec<Link>,
    ) -> (Trace, Option<Span>) {
        let around = match parent {
            Some(parent) => Context::new().with_remote_span_context(parent.remote()),
            None => Context::new(),
        };
        let builder = SpanBuilder::from_name(name).with_kind(kind).with_links(links);
        let recording = self.spans.build_with_context(builder, &around);
        let trace = Trace::of(recording.span_context());
        let span = recording.is_recording().then(|| Span { recording, trace, program: self.clone() });
        (trace, span)
    }
}

/// Begins a span below the current one; `None` where there is none, and then nobody asks for its name. It is over
/// when it is dropped.
pub fn begin<N: Into<Cow<'static, str>>>(kind: Kind, name: impl FnOnce() -> N) -> Option<Span> {
    let current = current()?;
    current.program.begin(kind, Some(current.trace), name().into(), Vec::new()).1
}

/// A future that goes on with the span that is the current one now, in whichever task it will run.
pub fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(current(), future)
}

/// The current span as a W3C `traceparent`, for whoever goes on with it elsewhere.
pub fn traceparent() -> Option<String> {
    current().map(|current| current.trace.to_string())
}

/// The id of the trace of this `traceparent`, in 32 hexadecimal digits, if it is one: for log lines.
pub fn trace_id(traceparent: &str) -> Option<impl fmt::Display + use<>> {
    Trace::parse(traceparent.as_bytes()).map(Trace::trace_id)
}

fn current() -> Option<Current> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// Something that has begun and is being recorded. It is over when it is dropped.
pub struct Span {
    recording: Recording,
    trace: Trace,
    program: Arc<Program>,
}

impl Span {
    /// What happens in `future` is a part of this span, or of the one that is current if there is no such span.
    pub fn around<F: Future>(span: Option<&Self>, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(span.map(Self::current).or_else(current), future)
    }

    /// What happens in `future` is a part of this span, or of none if there is no such span: where a program begins
    /// whose caller may be in this process.
    pub fn only<F: Future>(span: Option<&Self>, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(span.map(Self::current), future)
    }

    fn current(&self) -> Current {
        Current { program: self.program.clone(), trace: self.trace }
    }

    /// Notes something about it. Never what a user typed, and no secret: collectors are read by many.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.recording.set_attribute(KeyValue::new(key, value));
    }

    /// Gives it the name that it is found by.
    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        self.recording.update_name(name);
    }

    /// It did not do what it was meant to; `kind` is one of few words.
    pub fn fail(&mut self, kind: impl Into<Value>) {
        self.set("error.type", kind);
        self.recording.set_status(Status::error(""));
    }

    /// As a W3C `traceparent`, for whoever goes on with it elsewhere.
    pub fn traceparent(&self) -> String {
        self.trace.to_string()
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Span").field(&self.trace).finish()
    }
}
