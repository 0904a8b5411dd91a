//! `<program> healthcheck`, as a container's health check runs it.

use std::process::Command;
use std::time::Duration;

use testkit::{Port, TempDir};

use crate::harness::{Process, program};
use crate::settings::PROGRAMS;

/// The code and what is said on stderr.
fn healthcheck(mut command: Command) -> (Option<i32>, String) {
    let output = command.arg("healthcheck").output().unwrap();
    assert_eq!(output.stdout, b"");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_program_tells_whether_it_serves() {
    let dir = TempDir::new().unwrap();
    let ports = Port::hold_some(7);
    let gateway = ports[0].number().to_string();
    let services: Vec<(&str, String)> =
        PROGRAMS[2..].iter().copied().zip(ports[1..].iter().map(|port| port.number().to_string())).collect();
    let with_settings = |name: &str| {
        let mut command = program(name);
        command.env("DATA_DIR", dir.path()).env("BIND_ADDR", "0.0.0.0").env("HTTP_PORT", &gateway);
        for (service, port) in &services {
            let service = service.to_uppercase().replace('-', "_");
            command.env(format!("{service}_PORT"), port);
            command.env(format!("{service}_ADDR"), format!("127.0.0.1:{port}"));
        }
        command
    };
    let serves = async |name: &str| {
        testkit::eventually(name, Duration::from_secs(30), async || {
            healthcheck(with_settings(name)) == (Some(0), String::new())
        })
        .await;
    };
    let serves_not = |name: &str, why: &str| {
        let (code, said) = healthcheck(with_settings(name));
        assert_eq!((code, said.lines().count()), (Some(1), 1), "{name}: {said}");
        assert!(said.starts_with(&format!("{name} healthcheck: ")) && said.contains(why), "{said}");
    };

    for name in &PROGRAMS[1..] {
        serves_not(name, "127.0.0.1:");
    }
    let alone = Process::start(with_settings("api-gateway"));
    let not_ready = async || healthcheck(with_settings("api-gateway")).1.contains("503");
    testkit::eventually("a gateway without services says so", Duration::from_secs(30), not_ready).await;
    let running: Vec<Process> =
        services.iter().map(|(name, _)| Process::start(with_settings(name))).collect();
    for name in &PROGRAMS[1..] {
        serves(name).await;
    }
    running.into_iter().chain([alone]).for_each(Process::kill);
    for name in &PROGRAMS[1..] {
        serves_not(name, "127.0.0.1:");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_the_whole_shop() {
    let dir = TempDir::new().unwrap();
    let held = Port::hold();
    let port = held.number().to_string();
    let oxcart = || {
        let mut command = program("oxcart");
        command.env("DATA_DIR", dir.path()).env("HTTP_PORT", &port).env("GRPC_BASE_PORT", "0");
        command
    };
    assert_eq!(healthcheck(oxcart()).0, Some(1));
    let shop = Process::start(oxcart());
    let serves = async || healthcheck(oxcart()) == (Some(0), String::new());
    testkit::eventually("the shop serves", Duration::from_secs(30), serves).await;
    shop.kill();
    assert_eq!(healthcheck(oxcart()).0, Some(1));
}
