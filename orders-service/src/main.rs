//! The program `orders-service`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: platform::Allocator = platform::Allocator;

fn main() -> ExitCode {
    let config: orders_service::Config = platform::config::parse("ORDERS");
    platform::run("orders-service", &config.log.clone(), |shutdown| orders_service::run(config, shutdown))
}
