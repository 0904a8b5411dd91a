//! Rust files: how long they may be, and what they are called.

use crate::violation::{Violation, assert_none, told};
use crate::workspace::{self, TextFile};

/// Longer files are not read, tests included; aim for 300.
const MAX_LINES: usize = 500;

fn check(file: &TextFile) -> Vec<Violation> {
    if !file.path.ends_with(".rs") {
        return Vec::new();
    }
    let mut found = Vec::new();
    let lines = file.text.lines().count();
    if lines > MAX_LINES {
        let message = format!("has {lines} lines: split it, {MAX_LINES} is the most and 300 the aim");
        found.push(Violation::in_file(&file.path, message));
    }
    if let Some(directory) = file.path.strip_suffix("/mod.rs") {
        let message = format!("tabs and search results should have names: call it {directory}.rs");
        found.push(Violation::in_file(&file.path, message));
    }
    found
}

#[test]
fn files_are_short_and_have_names() {
    let found: Vec<Violation> = workspace::text_files().iter().flat_map(check).collect();
    assert_none(&found);
}

#[test]
fn a_long_file_is_found() {
    assert_eq!(
        told(&check(&TextFile::new("a/tests/it/main.rs", &"\n".repeat(501)))),
        ["a/tests/it/main.rs: has 501 lines: split it, 500 is the most and 300 the aim"]
    );
    assert_eq!(check(&TextFile::new("a/src/lib.rs", &"\n".repeat(500))), []);
    assert_eq!(check(&TextFile::new("README.md", &"\n".repeat(501))), []);
}

#[test]
fn a_file_without_a_name_is_found() {
    assert_eq!(
        told(&check(&TextFile::new("a/src/store/mod.rs", ""))),
        ["a/src/store/mod.rs: tabs and search results should have names: call it a/src/store.rs"]
    );
    assert_eq!(check(&TextFile::new("a/src/commod.rs", "")), []);
}
