//! The program `orders-service`.

use std::process::ExitCode;

use orders_service::Config;
use platform::config::Task;

#[global_allocator]
static ALLOCATOR: platform::Allocator = platform::Allocator;

const NAME: &str = "orders-service";

fn main() -> ExitCode {
    match platform::config::task::<Config>("ORDERS") {
        Task::Serve(config) => platform::run(NAME, &config.log.clone(), |world, shutdown| {
            orders_service::run(config, world, shutdown)
        }),
        Task::HealthCheck(config) => platform::healthcheck::grpc(NAME, &config.listen, &config.tls),
    }
}
