//! The program `cart-service`.

use std::process::ExitCode;

use cart_service::Config;

#[global_allocator]
static ALLOCATOR: platform::Allocator = platform::Allocator;

fn main() -> ExitCode {
    let config: Config = platform::config::parse("CART");
    let log = config.log.clone();
    platform::run("cart-service", &log, |shutdown| cart_service::run(config, shutdown))
}
