//! Each requirement of security has tests, which carry its identifier in their names: `j4_a_file_is_followed_as_well`.

use std::collections::BTreeMap;

use testkit::figures;

use crate::violation::{Violation, assert_none, told};
use crate::workspace::{self, TextFile};

/// What is required: identifier, and in few words what of.
const ROWS: [(&str, &str); 31] = [
    ("b1", "bodies have a limit that holds before they are read"),
    ("b2", "JSON is read by its fields, each known and given once, in bounds"),
    ("b3", "slow clients have their time, and all clients their places"),
    ("b4", "HTTP/2 has bounds for streams, heads and frames that carry nothing"),
    ("b5", "pages have bounds, and queries are understood or refused"),
    ("e1", "every refusal is a problem document that tells nothing of the inside"),
    ("e2", "headers of answers: caches, sniffing, other web sites, https"),
    ("g1", "services hear nothing that a client made up"),
    ("j1", "a key has one algorithm, which no token chooses"),
    ("j2", "claims that must be there, and their times"),
    ("j3", "only access tokens are taken"),
    ("j4", "keys are found by their identifier among those at hand"),
    ("j5", "tokens that are no good get one answer; what was taken away ends"),
    ("l1", "one record an event, whatever a client sent"),
    ("l2", "no secret and nothing personal in logs, metrics and refusals"),
    ("n1", "amounts and quantities are exact, bounded and never wrap"),
    ("n2", "one currency a cart, and no price that was not agreed on"),
    ("q1", "SQL has its values bound"),
    ("q2", "filters of MongoDB are of typed values"),
    ("q3", "keys of Redis are a prefix and what we made"),
    ("q4", "no address that a client sent is called"),
    ("r1", "who is limited: the user, else the address behind trusted proxies"),
    ("r2", "limits by what a request costs"),
    ("s1", "a request that can be read in two ways is none"),
    ("s2", "a path and a method have one form"),
    ("s3", "no header can be broken in two"),
    ("u1", "texts have no characters that hide or turn others"),
    ("z1", "what is somebody else's is not there"),
    ("z2", "there is no route without a policy"),
    ("z3", "what the shop decides is not taken from a client"),
    ("z4", "ids and cursors can not be guessed nor passed on"),
];

/// The invariants of an audit have identifiers of their own.
const OTHERS: &str = "crates/oxcart/src/audit/";

/// The names of the tests in a file.
fn tests(file: &TextFile) -> impl Iterator<Item = &str> {
    let mut lines = file.text.lines().map(str::trim);
    std::iter::from_fn(move || {
        lines.find(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))?;
        let signature = lines.find(|line| line.starts_with("fn ") || line.starts_with("async fn "))?;
        signature.trim_start_matches("async ").strip_prefix("fn ")?.split('(').next()
    })
}

/// How many tests each row has.
fn counts(files: &[TextFile]) -> BTreeMap<&'static str, usize> {
    let mut counts: BTreeMap<_, _> = ROWS.iter().map(|(row, _)| (*row, 0)).collect();
    let code = files.iter().filter(|file| file.path.ends_with(".rs") && !file.path.starts_with(OTHERS));
    for name in code.flat_map(tests) {
        if let Some(count) = name.split('_').next().and_then(|row| counts.get_mut(row)) {
            *count += 1;
        }
    }
    counts
}

fn check(counts: &BTreeMap<&str, usize>) -> Vec<Violation> {
    let bare = ROWS.iter().filter(|(row, _)| counts.get(row).is_none_or(|count| *count == 0));
    bare.map(|(row, what)| {
        let message = format!("no test is called {row}_...: show that {what}");
        Violation::in_file("SECURITY.md", message)
    })
    .collect()
}

#[test]
fn every_requirement_of_security_has_tests() {
    let counts = counts(&workspace::text_files());
    assert_none(&check(&counts));
    let each: Vec<_> = counts.iter().map(|(row, count)| format!("{} {count}", row.to_uppercase())).collect();
    let (rows, tests): (_, usize) = (counts.len(), counts.values().sum());
    figures::tell(
        "security",
        format_args!("{rows} of {} rows have tests, {tests} in all: {}", ROWS.len(), each.join(", ")),
    );
}

#[test]
fn a_requirement_without_a_test_is_found() {
    let file = |path, text| TextFile::new(path, text);
    let mut text: String = ROWS.iter().map(|(row, _)| format!("#[test]\nfn {row}_is_so() {{}}\n")).collect();
    text.push_str("    #[tokio::test(start_paused = true)]\n    #[should_panic]\n    async fn z1_too() {}\n");
    let all = counts(&[file("a/tests/it.rs", &text)]);
    assert_eq!(check(&all), []);
    assert_eq!((all["z1"], all["z2"]), (2, 1));
    let one_less = text.replace("fn q2_", "fn q22_");
    let audit = file("crates/oxcart/src/audit/tests.rs", "#[test]\nfn q2_another_thing() {}\n");
    let untested = file("a/src/lib.rs", "fn q2_not_a_test() {}\n");
    assert_eq!(
        told(&check(&counts(&[file("a/tests/it.rs", &one_less), audit, untested]))),
        ["SECURITY.md: no test is called q2_...: show that filters of MongoDB are of typed values"]
    );
}
