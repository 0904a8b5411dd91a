//! Who finds out whether Redis is there.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, InfoDict, RedisError, Script};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::gate::{Gate, State};
use crate::link::PATIENCE;

/// Between two questions whether Redis is still there. With [`PATIENCE`], every link has noticed 150 ms after
/// Redis fell silent that it did, whether or not anybody calls.
const BEAT: Duration = Duration::from_millis(50);

/// From one attempt to connect to the next, and the longest that one may take.
const ATTEMPT: Duration = Duration::from_millis(500);

/// Calls that wait to be written to the connection; when it is full, calls wait for a place, within [`PATIENCE`].
const QUEUE: usize = 1024;

/// What Redis must be able to do to be of use: keep something. A replica or a full disk can't.
static PROBE: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('SET', KEYS[1], '', 'PX', 1000)"));

const PROBE_KEY: &str = "oxcart:probe";

pub(crate) struct Keeper {
    client: Client,
    config: AsyncConnectionConfig,
    gate: Gate,
    /// The setting to name in the log.
    variable: String,
}

impl Keeper {
    pub(crate) fn new(client: Client, gate: Gate, variable: String) -> Self {
        // The waiting is bounded here and by the callers.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE);
        Self { client, config, gate, variable }
    }

    /// Connects again and again until told to stop.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        // A gate that stays shut would let callers of a closed link hope.
        let _ = stop.run_until_cancelled(self.connect_for_ever()).await;
        if let State::Open(open) = self.gate.state() {
            self.gate.shut_after(&open);
        }
    }

    async fn connect_for_ever(&self) {
        let mut told = false;
        for era in 0.. {
            let next = Instant::now() + ATTEMPT;
            match timeout(ATTEMPT, self.connect()).await {
                Ok(Ok((connection, server))) => {
                    if told {
                        tracing::info!("{}: redis answers again", self.variable);
                    }
                    self.gate.open(connection, server, era);
                    let cause = self.watch().await;
                    tracing::warn!(cause, "{}: redis does not answer, going on without", self.variable);
                    told = true;
                    // The first attempt comes at once: a short pause is over as soon as Redis is back.
                    continue;
                }
                Ok(Err(error)) if !told => {
                    let cause = error.to_string();
                    tracing::warn!(cause, "{}: redis does not answer, going on without", self.variable);
                    told = true;
                }
                Err(_) if !told => {
                    tracing::warn!("{}: redis does not answer, going on without", self.variable);
                    told = true;
                }
                Ok(Err(_)) | Err(_) => {}
            }
            sleep_until(next).await;
        }
    }

    async fn connect(&self) -> Result<(MultiplexedConnection, Arc<str>), RedisError> {
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&self.config).await?;
        let mut ask = redis::cmd("INFO");
        let about: InfoDict = ask.arg("server").query_async(&mut connection).await?;
        let server: String = about.get("run_id").unwrap_or_default();
        let () = PROBE.key(PROBE_KEY).invoke_async(&mut connection).await?;
        Ok((connection, server.into()))
    }

    /// Asks from time to time, and returns once the gate is shut, be it by a caller; why, if it is known here.
    async fn watch(&self) -> Option<String> {
        loop {
            let State::Open(mut open) = self.gate.state() else { return None };
            tokio::select! {
                () = sleep(BEAT) => {}
                () = self.gate.closed() => return None,
            }
            let (ping, asked) = (redis::cmd("PING"), Instant::now());
            let answer = timeout(PATIENCE, ping.query_async::<()>(&mut open.connection)).await;
            // An answer that was late and is here all the same, as after this process itself was held up, is late.
            if !matches!(answer, Ok(Ok(()))) || asked.elapsed() > PATIENCE {
                self.gate.shut_after(&open);
                return answer.ok().and_then(Result::err).map(|error| error.to_string());
            }
        }
    }
}
