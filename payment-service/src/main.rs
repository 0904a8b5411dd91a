//! The program `payment-service`.

use std::process::ExitCode;

use payment_service::Config;
use platform::config::Task;

#[global_allocator]
static ALLOCATOR: platform::Allocator = platform::Allocator;

const NAME: &str = "payment-service";

fn main() -> ExitCode {
    match platform::config::task::<Config>("PAYMENT") {
        Task::Serve(config) => platform::run(NAME, &config.log.clone(), |world, shutdown| {
            payment_service::run(config, world, shutdown)
        }),
        Task::HealthCheck(config) => platform::healthcheck::grpc(NAME, &config.listen, &config.tls),
    }
}
