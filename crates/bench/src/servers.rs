//! The servers that are measured, each a process of its own. It says on its first line where it listens, and answers
//! each line that it is sent with the processor time that it has used, in nanoseconds.

use std::fmt::Display;
use std::io::{Write as _, stdin, stdout};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{ExitCode, exit};
use std::thread;
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use clap::{Parser as _, Subcommand};
use oxcart::Config;
use oxcart::shop::{self, Listeners};
use platform::config::Log;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// What is served.
#[derive(Subcommand, Clone)]
pub(crate) enum Server {
    /// An answer and nothing else: what a request costs at least.
    Bare {
        /// The answer, made into JSON each time.
        answer: String,
    },
    /// The shop in one process, by the variables of `oxcart`.
    Shop {
        /// Whether it counts.
        #[arg(long)]
        counting: bool,
    },
}

/// Serves until nobody can ask any more.
pub(crate) fn serve(server: Server) -> anyhow::Result<ExitCode> {
    thread::spawn(|| {
        for _ in stdin().lines() {
            let _ = say(worked().as_nanos());
        }
        exit(0)
    });
    match server {
        Server::Bare { answer } => bare(&answer).map(|()| ExitCode::SUCCESS),
        Server::Shop { counting } => Ok(shop(Config::parse_from(["oxcart"]), counting)),
    }
}

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn bare(answer: &str) -> anyhow::Result<()> {
    let answer: Value = serde_json::from_str(answer)?;
    let routes = Router::new().route("/{*path}", get(move || async move { Json(answer.clone()) }));
    Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(LOOPBACK).await?;
        say(listener.local_addr()?)?;
        Ok(axum::serve(listener, routes).await?)
    })
}

fn shop(settings: Config, counting: bool) -> ExitCode {
    let log = Log { metrics_addr: counting.then_some(LOOPBACK), ..settings.log.clone() };
    platform::run("oxcart", &log, |world, shutdown| async move {
        let listeners = Listeners::bind(&settings).await?;
        let shop = shop::open(&settings, &listeners, world).await?;
        say(listeners.addresses()?.http)?;
        shop.serve(listeners, shutdown).await
    })
}

/// Processor time of all threads, those that have ended included.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn say(what: impl Display) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{what}")?;
    Ok(out.flush()?)
}
