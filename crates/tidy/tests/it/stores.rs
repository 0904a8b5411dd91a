//! What is asked of a store is written down, not put together.

use crate::violation::{Violation, assert_none, told};
use crate::workspace::{self, TextFile};

/// Ways around, and what to do instead. sqlx takes no statement that is not written in the source, unless told that
/// it is safe.
const WAYS: [(&str, &str); 8] = [
    ("AssertSqlSafe", "bind the values"),
    ("raw_sql(", "bind the values"),
    ("QueryBuilder", "write one statement for each case"),
    ("$where", "ask by typed values"),
    ("$function", "ask by typed values"),
    ("$accumulator", "ask by typed values"),
    ("mapReduce", "ask by typed values"),
    ("$expr", "ask by typed values"),
];

/// What takes no text from outside: the name of a schema, which each service has written down, and what makes and clears
/// stores for tests.
const INSIDE: [&str; 3] = [
    "crates/sql/src/postgres/open.rs",
    "crates/sql/src/postgres/scratch.rs",
    "crates/proof/src/simulation/stores.rs",
];

fn check(file: &TextFile) -> Vec<Violation> {
    let is_code =
        file.path.ends_with(".rs") && file.path.contains("src/") && !INSIDE.contains(&file.path.as_str());
    let lines = (1..).zip(file.text.lines()).filter(|_| is_code);
    lines
        .flat_map(|(line, text)| {
            let found = WAYS.iter().filter(move |(way, _)| text.contains(way));
            found.map(move |(way, instead)| {
                Violation::at(&file.path, line, format!("{way} lets a statement be put together: {instead}"))
            })
        })
        .collect()
}

#[test]
fn q1_no_statement_is_put_together() {
    let files = workspace::text_files();
    assert!(INSIDE.iter().all(|path| files.iter().any(|file| file.path == *path)), "exceptions are there");
    assert_none(&files.iter().flat_map(check).collect::<Vec<_>>());
}

#[test]
fn q2_a_statement_that_is_put_together_is_found() {
    let planted = "sqlx::query(AssertSqlSafe(format!(\"{name}\")))\ndoc! { \"$where\": text }\nsqlx::query(\"SELECT 1\")\n";
    assert_eq!(
        told(&check(&TextFile::new("a-service/src/store.rs", planted))),
        [
            "a-service/src/store.rs:1: AssertSqlSafe lets a statement be put together: bind the values",
            "a-service/src/store.rs:2: $where lets a statement be put together: ask by typed values",
        ]
    );
    assert_eq!(check(&TextFile::new("a-service/tests/it/store.rs", planted)), []);
}
