//! What the shop costs, in processor time, beside what the same answer costs a server that has nothing around it.
//!
//! Times of one machine say little about another, so nothing here is a time that must be kept: each benchmark runs its
//! baseline in turn with what it compares, and tells ratios.

#![expect(clippy::print_stdout, reason = "it is what the command is for")]

mod load;
mod program;
mod servers;
mod telemetry;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use servers::Server;

#[global_allocator]
static ALLOCATOR: platform::Allocator = platform::Allocator;

/// Measures the shop against a bare server.
#[derive(Parser)]
#[command(name = "bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What log lines, numbers and traces cost a request.
    Telemetry(telemetry::Scale),
    /// A server to be measured: started by the others.
    #[command(hide = true, subcommand)]
    Serve(Server),
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Telemetry(scale) => telemetry::run(&scale).map(|()| ExitCode::SUCCESS),
        Command::Serve(server) => servers::serve(server),
    }
}
