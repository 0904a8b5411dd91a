//! The program `checkout-service`.

use std::process::ExitCode;

use checkout_service::Config;

#[global_allocator]
static ALLOCATOR: platform::Allocator = platform::Allocator;

fn main() -> ExitCode {
    let config: Config = platform::config::parse("CHECKOUT");
    platform::run("checkout-service", &config.log.clone(), |shutdown| checkout_service::run(config, shutdown))
}
