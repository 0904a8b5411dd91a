//! How long calls took, by method and status: the metric `rpc.server.call.duration` of OpenTelemetry's semantic
//! conventions for RPC.

use std::time::Duration;

use tonic::Code;

use crate::metrics::{self, Metrics};
use crate::trace::rpc;

/// What a method is called that no service of ours has: a caller may make up as many as it likes.
const OTHER: &str = "_OTHER";

/// The durations of a server's calls.
pub(super) struct Durations(metrics::Durations<Code>);

impl Durations {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let metrics = metrics.clone();
        Self(metrics::Durations::new(move |method, code| {
            metrics.durations(
                "rpc_server_call_duration_seconds",
                "Calls of rpcs, until the answer or the head of a streamed one.",
                &[("rpc_method", method), ("rpc_response_status_code", rpc::word(code))],
            )
        }))
    }

    /// A call of this path, `/cart.CartService/GetCart`, was answered so.
    pub(super) fn record(&self, path: &str, code: Code, took: Duration) {
        let method = if code == Code::Unimplemented { OTHER } else { path.trim_start_matches('/') };
        self.0.record(method, code, took);
    }
}
