//! The compose files start what there is, with settings that exist, and open nothing that should be shut.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::harness::program;
use crate::settings::{PROGRAMS, variables};

const ENGINES: [&str; 4] = ["kafka", "mongo", "postgres", "redis"];

/// A compose file of `deployments`, with what YAML itself can put in for its anchors.
fn file(name: &str) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(directory().join(name)).unwrap()).unwrap()
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deployments")
}

fn services(file: &Value) -> &Map<String, Value> {
    file["services"].as_object().unwrap()
}

/// The programs of the shop; the whole of it in one has no place beside them.
fn programs() -> Vec<&'static str> {
    PROGRAMS.into_iter().filter(|name| *name != "oxcart").collect()
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|item| item.as_str().unwrap()).collect()
}

#[test]
fn the_shop_is_seven_programs_on_four_engines() {
    let shop = file("docker-compose.yml");
    let mut names = [programs(), ENGINES.to_vec()].concat();
    names.sort_unstable();
    let of = |profile: Option<&str>| {
        let named = services(&shop)
            .iter()
            .filter(|(_, service)| strings(&service["profiles"]).first().copied() == profile);
        let mut names: Vec<&str> = named.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(of(None), names);
    assert_eq!(of(Some("observability")), ["collector", "grafana", "jaeger", "prometheus"]);
    for (name, service) in services(&shop) {
        // There is nothing in the image that could ask.
        let is_mute = name == "collector";
        assert!(
            service["healthcheck"]["test"].is_array() != is_mute,
            "{name} tells nobody whether it is healthy"
        );
        assert!(service["mem_limit"].is_string(), "{name} may take all memory");
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(strings(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        let mounted = strings(&service["volumes"]).into_iter().filter_map(|volume| volume.strip_prefix("./"));
        for path in mounted.map(|volume| volume.split(':').next().unwrap()) {
            assert!(directory().join(path).exists(), "{name} is given {path}, which is not there");
        }
        for (needed, how) in service["depends_on"].as_object().into_iter().flatten() {
            assert!(services(&shop).contains_key(needed), "{name} waits for {needed}");
            assert_eq!(how["condition"], "service_healthy", "{name} does not wait until {needed} serves");
        }
    }
}

#[test]
fn each_program_is_started_with_settings_that_it_has() {
    let shop = file("docker-compose.yml");
    for name in programs() {
        let service = &shop["services"][name];
        assert_eq!(strings(&service["command"]), [name]);
        assert_eq!(strings(&service["healthcheck"]["test"]), ["CMD", name, "healthcheck"]);
        assert_eq!(service["read_only"], true, "{name}");
        let help = program(name).arg("--help").output().unwrap();
        let known = variables(&String::from_utf8(help.stdout).unwrap());
        for (variable, value) in service["environment"].as_object().unwrap() {
            assert!(known.contains_key(variable), "{name} knows no {variable}");
            // Each host that is named is waited for.
            let host = value.as_str().unwrap().rsplit(['/', '@']).find_map(|part| part.split_once(':'));
            if let Some((host, _)) = host.filter(|(host, _)| services(&shop).contains_key(*host)) {
                assert!(service["depends_on"].get(host).is_some(), "{name} does not wait for {host}");
            }
        }
    }
}

#[test]
fn what_is_published_is_published_on_this_machine_only() {
    let shop = file("docker-compose.yml");
    let mut published = Vec::new();
    for (name, service) in services(&shop) {
        published.extend(strings(&service["ports"]).into_iter().map(|port| format!("{name} {port}")));
    }
    published.sort_unstable();
    let expected = [("api-gateway", 8080), ("cart-service", 50052), ("checkout-service", 50056)]
        .into_iter()
        .chain([("inventory-service", 50053), ("orders-service", 50055), ("payment-service", 50054)])
        .chain([("product-service", 50051), ("grafana", 3000), ("prometheus", 9090), ("jaeger", 16686)])
        .map(|(name, port)| format!("{name} 127.0.0.1:{port}:{port}"));
    let mut expected: Vec<_> = expected.collect();
    expected.sort_unstable();
    assert_eq!(published, expected);
}

#[test]
fn the_engines_can_be_had_alone() {
    let engines = file("docker-compose.engines.yml");
    let mut found: Vec<&String> = services(&engines).keys().collect();
    found.sort_unstable();
    assert_eq!(found, ENGINES);
    for (name, service) in services(&engines) {
        assert_eq!(service["extends"]["file"], "docker-compose.yml");
        assert_eq!(service["extends"]["service"], name.as_str());
        let ports = strings(&service["ports"]);
        assert!(ports.len() == 1 && ports[0].starts_with("127.0.0.1:"), "{name}: {ports:?}");
    }
    assert_eq!(engines["volumes"], file("docker-compose.yml")["volumes"], "the data is the same");
}
