//! Who may depend on whom.

use crate::violation::{Violation, assert_none, told};
use crate::workspace::{self, Dependency, Kind, Package};

/// Each crate of the workspace with the crates of the workspace that it may depend on; for its tests it may
/// have [`FOR_TESTS`] as well. Services meet in `proto`, never in each other; the gateway sees no store;
/// `platform` knows neither `proto` nor a database.
const ARROWS: [(&str, &[&str]); 18] = [
    ("types", &[]),
    ("proto", &["types"]),
    ("platform", &["types"]),
    ("sql", &["types", "platform"]),
    // The embedded log is an SQLite file.
    ("event-log", &["types", "platform", "sql"]),
    ("redis-link", &["platform"]),
    ("testkit", &["types", "platform"]),
    ("product-service", &["types", "proto", "platform", "sql"]),
    ("inventory-service", &["types", "proto", "platform", "sql"]),
    ("payment-service", &["types", "proto", "platform", "sql"]),
    ("cart-service", &["types", "proto", "platform", "sql", "event-log", "redis-link"]),
    ("checkout-service", &["types", "proto", "platform", "sql", "event-log"]),
    ("orders-service", &["types", "proto", "platform", "sql", "event-log"]),
    ("api-gateway", &["types", "proto", "platform", "redis-link"]),
    (
        "oxcart",
        &[
            "types",
            "proto",
            "platform",
            "sql",
            "event-log",
            "product-service",
            "inventory-service",
            "payment-service",
            "cart-service",
            "checkout-service",
            "orders-service",
            "api-gateway",
        ],
    ),
    // It holds all of them against each other, and is in no program of the shop.
    (
        "proof",
        &[
            "types",
            "proto",
            "platform",
            "sql",
            "event-log",
            "testkit",
            "product-service",
            "inventory-service",
            "payment-service",
            "cart-service",
            "checkout-service",
            "orders-service",
            "api-gateway",
            "oxcart",
        ],
    ),
    // It starts shops, and is in none of their programs.
    ("bench", &["platform", "testkit", "oxcart"]),
    ("tidy", &[]),
];

/// What any crate may have, in its tests only.
const FOR_TESTS: &str = "testkit";

/// Crates of others that a crate of ours must not have, with the reason.
const FOREIGN: [(&str, &str, &str); 7] = [
    ("types", "tokio", "values are not asynchronous"),
    ("types", "tonic", "values know no wire"),
    ("types", "sqlx", "values know no database"),
    ("proto", "sqlx", "the contract knows no database"),
    ("platform", "sqlx", "the platform knows no database"),
    ("testkit", "sqlx", "test tools that need a database belong to the service that has it"),
    ("api-gateway", "sqlx", "the gateway has no store"),
];

fn check(packages: &[Package]) -> Vec<Violation> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Violation> {
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
        let message = format!("{} is in no table: say in ARROWS what it may depend on", package.name);
        return vec![Violation::in_file(&package.manifest, message)];
    };
    let problem = |dependency: &Dependency| {
        if dependency.internal {
            internal(package, allowed, dependency)
        } else {
            foreign(package, dependency)
        }
    };
    let violation = |message| Violation::in_file(&package.manifest, message);
    package.dependencies.iter().filter_map(problem).map(violation).collect()
}

fn internal(package: &Package, allowed: &[&str], dependency: &Dependency) -> Option<String> {
    let (from, to) = (&package.name, &dependency.name);
    if allowed.contains(&to.as_str()) {
        return None;
    }
    match (to == FOR_TESTS, dependency.kind) {
        (true, Kind::Dev) => None,
        (true, Kind::Normal | Kind::Build) => {
            Some(format!("{from} depends on {to}: make it a dev-dependency, {to} is for tests"))
        }
        (false, Kind::Normal | Kind::Build | Kind::Dev) => {
            Some(format!("{from} must not depend on {to}: it may depend on {allowed:?}"))
        }
    }
}

fn foreign(package: &Package, dependency: &Dependency) -> Option<String> {
    let (_, to, reason) =
        FOREIGN.iter().find(|(from, to, _)| *from == package.name && *to == dependency.name)?;
    Some(format!("{} must not depend on {to}: {reason}", package.name))
}

#[test]
fn every_arrow_is_allowed() {
    assert_none(&check(&workspace::packages()));
}

#[test]
fn the_table_has_no_crate_that_is_gone() {
    let packages = workspace::packages();
    for (name, allowed) in ARROWS {
        for name in allowed.iter().chain([&name, &FOR_TESTS]) {
            assert!(
                packages.iter().any(|package| package.name == **name),
                "{name} is gone: drop it from ARROWS"
            );
        }
    }
}

#[test]
fn a_wrong_arrow_is_found() {
    let wrong = [
        ("checkout-service", "orders-service", Kind::Normal),
        ("checkout-service", "orders-service", Kind::Dev),
        ("platform", "proto", Kind::Build),
        ("api-gateway", "sql", Kind::Normal),
        ("api-gateway", "event-log", Kind::Dev),
        ("product-service", "event-log", Kind::Normal),
        ("types", "platform", Kind::Dev),
        ("orders-service", "oxcart", Kind::Dev),
    ];
    for (from, to, kind) in wrong {
        let found = check(&[planted(from, to, kind, Origin::Ours)]);
        assert_eq!(found.len(), 1, "{from} -> {to}");
        let start = format!("{from}/Cargo.toml: {from} must not depend on {to}: it may depend on [");
        assert!(found[0].to_string().starts_with(&start), "{}", found[0]);
    }
}

#[test]
fn what_is_for_tests_stays_there() {
    assert_eq!(check(&[planted("orders-service", "testkit", Kind::Dev, Origin::Ours)]), []);
    for kind in [Kind::Normal, Kind::Build] {
        assert_eq!(
            told(&check(&[planted("orders-service", "testkit", kind, Origin::Ours)])),
            [
                "orders-service/Cargo.toml: orders-service depends on testkit: make it a dev-dependency, testkit is for tests"
            ]
        );
    }
}

#[test]
fn a_database_behind_the_gateway_is_found() {
    assert_eq!(
        told(&check(&[planted("api-gateway", "sqlx", Kind::Normal, Origin::Theirs)])),
        ["api-gateway/Cargo.toml: api-gateway must not depend on sqlx: the gateway has no store"]
    );
    assert_eq!(check(&[planted("orders-service", "sqlx", Kind::Normal, Origin::Theirs)]), []);
}

#[test]
fn a_crate_without_a_rule_is_found() {
    assert_eq!(
        told(&check(&[planted("common", "types", Kind::Normal, Origin::Ours)])),
        ["common/Cargo.toml: common is in no table: say in ARROWS what it may depend on"]
    );
}

enum Origin {
    Ours,
    Theirs,
}

fn planted(from: &str, to: &str, kind: Kind, origin: Origin) -> Package {
    let internal = match origin {
        Origin::Ours => true,
        Origin::Theirs => false,
    };
    Package {
        name: from.to_owned(),
        version: "0.0.0".to_owned(),
        private: true,
        manifest: format!("{from}/Cargo.toml"),
        dependencies: vec![Dependency { name: to.to_owned(), kind, internal }],
        roots: Vec::new(),
    }
}
