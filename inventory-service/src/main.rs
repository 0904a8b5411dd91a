//! The inventory service as a program of its own.

#[global_allocator]
static ALLOCATOR: platform::Allocator = platform::Allocator;

fn main() -> std::process::ExitCode {
    let config: inventory_service::Config = platform::config::parse("INVENTORY");
    platform::run("inventory-service", &config.log.clone(), |shutdown| {
        inventory_service::run(config, shutdown)
    })
}
