//! The program `api-gateway`.

#[global_allocator]
static ALLOCATOR: platform::Allocator = platform::Allocator;

fn main() -> std::process::ExitCode {
    let config: api_gateway::Config = platform::config::parse("GATEWAY");
    platform::run("api-gateway", &config.log.clone(), |shutdown| api_gateway::run(config, shutdown))
}
