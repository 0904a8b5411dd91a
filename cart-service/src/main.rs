//! The program `cart-service`.

use std::process::ExitCode;

use cart_service::Config;
use platform::config::Task;

#[global_allocator]
static ALLOCATOR: platform::Allocator = platform::Allocator;

const NAME: &str = "cart-service";

fn main() -> ExitCode {
    match platform::config::task::<Config>("CART") {
        Task::Serve(config) => platform::run(NAME, &config.log.clone(), |world, shutdown| {
            cart_service::run(config, world, shutdown)
        }),
        Task::HealthCheck(config) => platform::healthcheck::grpc(NAME, &config.listen, &config.tls),
    }
}
