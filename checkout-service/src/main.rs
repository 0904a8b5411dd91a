//! The program `checkout-service`.

use std::process::ExitCode;

use checkout_service::Config;
use platform::config::Task;

#[global_allocator]
static ALLOCATOR: platform::Allocator = platform::Allocator;

const NAME: &str = "checkout-service";

fn main() -> ExitCode {
    match platform::config::task::<Config>("CHECKOUT") {
        Task::Serve(config) => platform::run(NAME, &config.log.clone(), |world, shutdown| {
            checkout_service::run(config, world, shutdown)
        }),
        Task::HealthCheck(config) => platform::healthcheck::grpc(NAME, &config.listen, &config.tls),
    }
}
