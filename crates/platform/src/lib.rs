//! What every program of the shop calls, as plain functions and values: configuration, telemetry, shutdown,
//! clock and ids, the gRPC server and what surrounds each call, the transport to other services.
//!
//! Nothing here knows a message of the contract or a database, and nothing is global but what the process has one of,
//! its log lines and its numbers: two services in one process are the default.

pub mod breaker;
pub mod clock;
pub mod config;
mod context;
pub mod fault;
pub mod grpc;
pub mod health;
pub mod healthcheck;
pub mod ids;
pub mod lease;
pub mod metrics;
pub mod retry;
mod run;
mod serve;
pub mod tasks;
mod telemetry;
pub mod tls;
pub mod trace;
pub mod transport;
pub mod watch;
mod world;

pub use context::{Context, Origin};
/// The allocator of every program; measured, it saves 15 to 25 % of the processor time.
pub use mimalloc::MiMalloc as Allocator;
pub use run::run;
pub use serve::{drain_then_stop, serve};
pub use telemetry::milliseconds;
pub use world::World;
