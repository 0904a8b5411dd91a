//! What a rule finds.

use std::fmt;

/// Something against a rule: where, what, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) file: String,
    /// From 1; absent where the whole file is meant.
    pub(crate) line: Option<usize>,
    /// What is wrong, and what would be right.
    pub(crate) message: String,
}

impl Violation {
    pub(crate) fn in_file(file: &str, message: String) -> Self {
        Self { file: file.to_owned(), line: None, message }
    }

    pub(crate) fn at(file: &str, line: usize, message: String) -> Self {
        Self { file: file.to_owned(), line: Some(line), message }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// Fails with all violations, one a line.
#[track_caller]
pub(crate) fn assert_none(violations: &[Violation]) {
    let lines: Vec<String> = violations.iter().map(Violation::to_string).collect();
    assert!(violations.is_empty(), "{} violations:\n{}\n", lines.len(), lines.join("\n"));
}

/// The violations as they are told, for comparing.
pub(crate) fn told(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(Violation::to_string).collect()
}

#[test]
fn says_file_line_and_what_to_do() {
    let found = [
        Violation::at("a.rs", 7, "is odd: make it even".into()),
        Violation::in_file("b.rs", "is long: split it".into()),
    ];
    assert_eq!(told(&found), ["a.rs:7: is odd: make it even", "b.rs: is long: split it"]);
}
