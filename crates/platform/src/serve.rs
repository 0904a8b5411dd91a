//! Serving in front, working behind.

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::grpc;
use crate::tls::Security;

/// Runs a service until `shutdown`: its server on `listener`, secured as told and following its certificates, its
/// workers beside it. What every service's `run` ends in.
///
/// # Errors
/// The first of the two that fails.
pub async fn serve<Working>(
    server: grpc::Server,
    listener: TcpListener,
    security: &Security,
    work: impl FnOnce(CancellationToken) -> Working,
    shutdown: CancellationToken,
) -> anyhow::Result<()>
where
    Working: Future<Output = anyhow::Result<()>>,
{
    let told = shutdown.clone();
    let serving = async {
        let served = async {
            match security {
                // On the heap: two large futures, of which one is ever made.
                Security::Plain => Box::pin(server.serve(listener, told)).await,
                Security::Tls(credentials) => {
                    Box::pin(server.serve_secured(listener, credentials, told)).await
                }
            }
        };
        tokio::select! {
            served = served => served,
            never = security.follow() => match never {},
        }
    };
    drain_then_stop(serving, work, shutdown).await
}

/// Runs `serving` and, beside it, the workers. Serving ends by `shutdown` and finishes what it has begun;
/// the workers are told to stop only then, for a request in progress may need them. Workers that end before
/// they are told stop the serving.
///
/// # Errors
/// The first of the two that fails.
pub async fn drain_then_stop<Working>(
    serving: impl Future<Output = anyhow::Result<()>>,
    work: impl FnOnce(CancellationToken) -> Working,
    shutdown: CancellationToken,
) -> anyhow::Result<()>
where
    Working: Future<Output = anyhow::Result<()>>,
{
    let stop = CancellationToken::new();
    let working = work(stop.clone());
    let serving = async {
        let served = serving.await;
        stop.cancel();
        served
    };
    let working = async {
        let worked = working.await;
        shutdown.cancel();
        worked
    };
    let (served, worked) = tokio::join!(serving, working);
    worked.and(served)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn workers_outlive_what_is_served() {
        let (shutdown, order) = (CancellationToken::new(), Mutex::new(Vec::new()));
        let serving = async {
            shutdown.cancelled().await;
            tokio::task::yield_now().await;
            order.lock().unwrap().push("drained");
            Ok(())
        };
        let work = async |stop: CancellationToken| {
            stop.cancelled().await;
            order.lock().unwrap().push("stopped");
            Ok(())
        };
        let running = drain_then_stop(serving, work, shutdown.clone());
        let (outcome, ()) = tokio::join!(running, async { shutdown.cancel() });
        outcome.unwrap();
        assert_eq!(*order.lock().unwrap(), ["drained", "stopped"]);
    }

    #[tokio::test]
    async fn a_worker_that_fails_ends_the_serving() {
        let shutdown = CancellationToken::new();
        let serving = async {
            shutdown.cancelled().await;
            Ok(())
        };
        let work = async |_| anyhow::bail!("disk full");
        let error = drain_then_stop(serving, work, shutdown.clone()).await.unwrap_err();
        assert_eq!(error.to_string(), "disk full");
    }
}
