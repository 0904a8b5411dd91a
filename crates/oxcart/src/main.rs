//! The program `oxcart`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: platform::Allocator = platform::Allocator;

fn main() -> ExitCode {
    oxcart::cli::run(platform::config::parse("OXCART"))
}
