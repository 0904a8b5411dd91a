//! The inventory service as a program of its own.

use std::process::ExitCode;

use inventory_service::Config;
use platform::config::Task;

#[global_allocator]
static ALLOCATOR: platform::Allocator = platform::Allocator;

const NAME: &str = "inventory-service";

fn main() -> ExitCode {
    match platform::config::task::<Config>("INVENTORY") {
        Task::Serve(config) => platform::run(NAME, &config.log.clone(), |world, shutdown| {
            inventory_service::run(config, world, shutdown)
        }),
        Task::HealthCheck(config) => platform::healthcheck::grpc(NAME, &config.listen, &config.tls),
    }
}
