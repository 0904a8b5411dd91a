//! The README's configuration table and `--help` say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::harness::program;

/// All programs of the workspace.
pub(crate) const PROGRAMS: [&str; 8] = [
    "oxcart",
    "api-gateway",
    "product-service",
    "cart-service",
    "inventory-service",
    "payment-service",
    "orders-service",
    "checkout-service",
];

/// The variables of a program's `--help`, each with its default if it has one.
pub(crate) fn variables(help: &str) -> BTreeMap<String, Option<String>> {
    let mut variables = BTreeMap::new();
    let mut current: Option<(String, Option<String>)> = None;
    for line in help.lines().map(str::trim) {
        if line.starts_with('-') {
            variables.extend(current.take());
        }
        if let Some(rest) = line.split("[env: ").nth(1) {
            let name = rest.split(['=', ']']).next().unwrap().to_owned();
            current = Some((name, current.take().and_then(|(_, default)| default)));
        }
        if let Some(rest) = line.split("[default: ").nth(1)
            && let Some((_, default)) = &mut current
        {
            *default = rest.split(']').next().map(str::to_owned);
        }
    }
    variables.extend(current);
    variables
}

/// The rows of the table under "Configuration": variable and default.
fn table() -> BTreeMap<String, String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let section = readme.split("\n## Configuration").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
    })
    .collect()
}

#[test]
fn the_table_lists_what_help_lists() {
    let table = table();
    let mut known = BTreeSet::new();
    for name in PROGRAMS {
        let output = program(name).arg("--help").output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(!help.contains("```"), "{name} shows the source's examples to its users");
        for (variable, default) in variables(&help) {
            let row = table.get(&variable);
            let row = row.unwrap_or_else(|| panic!("{variable} of {name} is not in the README's table"));
            if let Some(default) = default {
                assert!(
                    row.contains(&format!("`{default}`")),
                    "{variable}: {name} has {default}, the table {row}"
                );
            }
            known.insert(variable);
        }
    }
    let unknown: Vec<&String> = table.keys().filter(|variable| !known.contains(*variable)).collect();
    assert!(unknown.is_empty(), "no program knows {unknown:?}");
}
