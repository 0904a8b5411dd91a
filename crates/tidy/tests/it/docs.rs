//! Every library and every program says what it is for.

use std::fs;

use crate::violation::{Violation, assert_none, told};
use crate::workspace::{self, TextFile};

fn check(root: &TextFile) -> Option<Violation> {
    let mut lines =
        root.text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("#!["));
    if lines.next().is_some_and(|line| line.starts_with("//! ")) {
        return None;
    }
    let message = "has no crate-level doc comment: begin with `//!` and what the crate promises".to_owned();
    Some(Violation::in_file(&root.path, message))
}

#[test]
fn every_crate_says_what_it_is_for() {
    let directory = workspace::root();
    let mut found = Vec::new();
    for path in workspace::packages().into_iter().flat_map(|package| package.roots) {
        let text = fs::read_to_string(directory.join(&path)).unwrap();
        found.extend(check(&TextFile { path, text }));
    }
    assert_none(&found);
}

#[test]
fn a_crate_without_words_is_found() {
    for silent in
        ["", "//!\n", "// Says nothing to rustdoc.\n", "mod a;\n//! Too late.\n", "/// Of `a`.\nmod a;\n"]
    {
        let found: Vec<Violation> = check(&TextFile::new("a/src/lib.rs", silent)).into_iter().collect();
        assert_eq!(
            told(&found),
            ["a/src/lib.rs: has no crate-level doc comment: begin with `//!` and what the crate promises"],
            "{silent:?}"
        );
    }
    for said in ["//! What it is for.\n", "\n#![no_std]\n//! What it is for.\n"] {
        assert_eq!(check(&TextFile::new("a/src/lib.rs", said)), None);
    }
}
