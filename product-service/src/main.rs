//! The program `product-service`: the catalogue as a process of its own.

use std::process::ExitCode;

use product_service::Config;

#[global_allocator]
static ALLOCATOR: platform::Allocator = platform::Allocator;

fn main() -> ExitCode {
    let config: Config = platform::config::parse("PRODUCT");
    let log = config.log.clone();
    platform::run("product-service", &log, |shutdown| product_service::run(config, shutdown))
}
