//! Whether the brokers answer, told once an outage.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::client::Client;

/// From one look at the brokers to the next, at the soonest.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whether an error says that no broker answers: then trying again is all there is to do.
pub(super) fn is_outage(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::WaitingForCoordinator
    )
}

/// Looks at the brokers, first at once and then whenever a client has complained, until `closing`. There is one
/// line when none answers, and one when one answers again.
pub(super) async fn watch(client: Arc<Client>, closing: CancellationToken) {
    let mut was_down = false;
    loop {
        let looked = tokio::select! {
            () = closing.cancelled() => return,
            looked = client.look() => looked,
        };
        let is_down = looked.is_err();
        match looked {
            Ok(()) if was_down => {
                tracing::info!(setting = client.variable(), "the event log answers again");
            }
            Err(error) if !was_down => tracing::warn!(
                setting = client.variable(),
                error = format!("{:#}", anyhow::anyhow!(error)),
                "no broker of the event log answers; events wait until one does"
            ),
            Ok(()) | Err(_) => {}
        }
        was_down = is_down;
        let due = async {
            tokio::time::sleep(LOOK_EVERY).await;
            if !is_down {
                client.complaints().0.notified().await;
            }
        };
        tokio::select! {
            () = closing.cancelled() => return,
            () = due => {}
        }
    }
}

/// Where our clients complain of brokers that don't answer.
#[derive(Debug, Default)]
pub(super) struct Complaints(Notify);

impl Complaints {
    pub(super) fn add(&self) {
        self.0.notify_one();
    }
}

/// What librdkafka has to say goes here. It repeats itself for as long as a broker is down, so most of it is for
/// debugging; [`watch`] says what an operator needs to know.
#[derive(Debug, Clone, Default)]
pub(super) struct Ear(pub(super) Arc<Complaints>);

impl ClientContext for Ear {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(facility, text, "librdkafka");
            }
            RDKafkaLogLevel::Error => {
                tracing::debug!(facility, text, "librdkafka");
                // A connection that fails, for one. That all have failed is told by `error`, but not always.
                self.0.add();
            }
            RDKafkaLogLevel::Warning
            | RDKafkaLogLevel::Notice
            | RDKafkaLogLevel::Info
            | RDKafkaLogLevel::Debug => tracing::debug!(facility, text, "librdkafka"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
        self.0.add();
    }
}

/// Of a consumer that is a member of nothing.
impl ConsumerContext for Ear {}
