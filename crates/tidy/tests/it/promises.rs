//! Each test that `ARCHITECTURE.md` names as the proof of a promise is there.

use std::collections::BTreeSet;

use crate::violation::{Violation, assert_none, told};
use crate::workspace::{self, TextFile};

const DOCUMENT: &str = "ARCHITECTURE.md";

/// Names of tests are sentences: nothing else between backticks has so many words.
const WORDS: usize = 3;

fn check(document: &TextFile, tests: &BTreeSet<&str>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (line, text) in (1..).zip(document.text.lines()) {
        let is_missing = |name: &&str| is_sentence(name) && !tests.contains(name);
        for name in text.split('`').skip(1).step_by(2).filter(is_missing) {
            let message = format!("there is no test {name}: name the one that shows the promise");
            found.push(Violation::at(&document.path, line, message));
        }
    }
    found
}

fn is_sentence(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && name.split('_').count() >= WORDS
}

/// The names of all functions; a test that a macro makes bears the name of one.
fn functions(file: &TextFile) -> impl Iterator<Item = &str> {
    file.text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next())
}

#[test]
fn every_test_that_shows_a_promise_is_there() {
    let files = workspace::text_files();
    let tests: BTreeSet<&str> =
        files.iter().filter(|file| file.path.ends_with(".rs")).flat_map(functions).collect();
    let document = files.iter().find(|file| file.path == DOCUMENT).unwrap();
    let named = document.text.split('`').skip(1).step_by(2).filter(|name| is_sentence(name)).count();
    assert!(named > 20, "{named} tests named");
    assert_none(&check(document, &tests));
}

#[test]
fn a_test_that_is_gone_is_found() {
    let file = TextFile::new("a/tests/it.rs", "#[test]\nfn it_is_so() {}\nasync fn they_all_do<T>() {}\n");
    let tests = functions(&file).collect();
    let text = "That (`it_is_so`, `they_all_do`) by `Clock::sleep`, `user_id` and `a/b.rs`.\nThis (`z1_it_was_so`).\n";
    let found = check(&TextFile::new(DOCUMENT, text), &tests);
    let wanted = "ARCHITECTURE.md:2: there is no test z1_it_was_so: name the one that shows the promise";
    assert_eq!(told(&found), [wanted]);
}
