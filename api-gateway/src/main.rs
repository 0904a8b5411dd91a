//! The program `api-gateway`.

use std::process::ExitCode;

use api_gateway::{Config, Listen};
use platform::config::Task;

#[global_allocator]
static ALLOCATOR: platform::Allocator = platform::Allocator;

const NAME: &str = "api-gateway";

fn main() -> ExitCode {
    match platform::config::task::<Config>("GATEWAY") {
        Task::Serve(config) => platform::run(NAME, &config.log.clone(), |world, shutdown| {
            api_gateway::run(config, world, shutdown)
        }),
        Task::HealthCheck(config) => {
            let Listen { bind_addr, http_port } = config.listen;
            api_gateway::healthcheck(NAME, bind_addr, http_port, &config.settings.port)
        }
    }
}
