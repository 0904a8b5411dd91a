//! The program `product-service`: the catalogue as a process of its own.

use std::process::ExitCode;

use platform::config::Task;
use product_service::Config;

#[global_allocator]
static ALLOCATOR: platform::Allocator = platform::Allocator;

const NAME: &str = "product-service";

fn main() -> ExitCode {
    match platform::config::task::<Config>("PRODUCT") {
        Task::Serve(config) => platform::run(NAME, &config.log.clone(), |world, shutdown| {
            product_service::run(config, world, shutdown)
        }),
        Task::HealthCheck(config) => platform::healthcheck::grpc(NAME, &config.listen, &config.tls),
    }
}
