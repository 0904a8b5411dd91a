//! The program `payment-service`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: platform::Allocator = platform::Allocator;

fn main() -> ExitCode {
    let config: payment_service::Config = platform::config::parse("PAYMENT");
    platform::run("payment-service", &config.log.clone(), |shutdown| payment_service::run(config, shutdown))
}
