//! What every `Cargo.toml` below the root says.

use std::fs;

use crate::violation::{Violation, assert_none, told};
use crate::workspace::{self, Package};

/// Nothing is released by accident: neither a version nor a registry.
fn check_package(package: &Package) -> Vec<Violation> {
    let mut found = Vec::new();
    if package.version != "0.0.0" {
        let message = format!("version {}: write `version.workspace = true`", package.version);
        found.push(Violation::in_file(&package.manifest, message));
    }
    if !package.private {
        let message = "could be published: write `publish.workspace = true`".to_owned();
        found.push(Violation::in_file(&package.manifest, message));
    }
    found
}

/// The lints are the workspace's, and so is every dependency: its version stands in one table.
fn check_text(file: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut section = "";
    let mut shared_lints = false;
    for (number, line) in (1..).zip(text.lines()).map(|(number, line)| (number, line.trim())) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            if is_dependencies(section.rsplit_once('.').map_or("", |(table, _)| table)) {
                let message =
                    format!("[{section}]: write `NAME.workspace = true` under the table of dependencies");
                found.push(Violation::at(file, number, message));
            }
        } else if section == "lints" {
            shared_lints |= line == "workspace = true";
        } else if is_dependencies(section) && is_entry(line) && !is_shared(line) {
            let message = "has a source of its own: put it into [workspace.dependencies] and write \
                           `NAME.workspace = true`";
            found.push(Violation::at(file, number, message.to_owned()));
        }
    }
    if !shared_lints {
        let message = "has lints of its own: write `[lints]` and `workspace = true`".to_owned();
        found.push(Violation::in_file(file, message));
    }
    found
}

/// `dependencies`, `dev-dependencies`, `build-dependencies`, also those of one platform.
fn is_dependencies(section: &str) -> bool {
    ["dependencies", "dev-dependencies", "build-dependencies"].iter().any(|name| {
        section.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

fn is_entry(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

fn is_shared(line: &str) -> bool {
    let line = line.replace(' ', "");
    line.ends_with(".workspace=true") || line.contains("{workspace=true")
}

#[test]
fn every_crate_follows_the_workspace() {
    let root = workspace::root();
    let mut found = Vec::new();
    for package in workspace::packages() {
        let text = fs::read_to_string(root.join(&package.manifest)).unwrap();
        found.extend(check_package(&package));
        found.extend(check_text(&package.manifest, &text));
    }
    assert_none(&found);
}

#[test]
fn a_crate_that_could_be_released_is_found() {
    let package = Package {
        name: "stray".into(),
        version: "0.1.0".into(),
        private: false,
        manifest: "stray/Cargo.toml".into(),
        dependencies: Vec::new(),
        roots: Vec::new(),
    };
    assert_eq!(
        told(&check_package(&package)),
        [
            "stray/Cargo.toml: version 0.1.0: write `version.workspace = true`",
            "stray/Cargo.toml: could be published: write `publish.workspace = true`"
        ]
    );
}

#[test]
fn a_version_outside_of_the_table_is_found() {
    let stray = "[package]\nname = \"stray\"\n\n[dependencies]\n# ours\ntypes.workspace = true\n\
                 tokio = { workspace = true, features = [\"full\"] }\nserde = \"1\"\n\n\
                 [dev-dependencies.rand]\nversion = \"0.10\"\n\n\
                 [target.'cfg(unix)'.dependencies]\nnix = { git = \"https://example.org/nix\" }\n";
    let found = check_text("stray/Cargo.toml", stray);
    let lines: Vec<Option<usize>> = found.iter().map(|violation| violation.line).collect();
    assert_eq!(lines, [Some(8), Some(10), Some(14), None]);
    assert_eq!(
        found[0].to_string(),
        "stray/Cargo.toml:8: has a source of its own: put it into [workspace.dependencies] and write \
         `NAME.workspace = true`"
    );
    assert_eq!(
        found[3].to_string(),
        "stray/Cargo.toml: has lints of its own: write `[lints]` and `workspace = true`"
    );
}

#[test]
fn a_manifest_that_follows_is_left_alone() {
    let good =
        "[dependencies]\ntypes.workspace = true\n\n[[bin]]\nname = \"x\"\n\n[lints]\nworkspace = true\n";
    assert_eq!(check_text("good/Cargo.toml", good), []);
}
