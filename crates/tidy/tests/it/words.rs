//! Words that stay out of the repository.

use crate::violation::{Violation, assert_none, told};
use crate::workspace::{self, TextFile};

struct Word {
    text: &'static str,
    place: Place,
    /// Why not, and what to do.
    reason: &'static str,
}

/// Where a word is looked for.
#[derive(Clone, Copy)]
enum Place {
    Everywhere,
    /// Rust files below a directory `tests`.
    Tests,
}

/// Each is put together from pieces, so that this file does not have it. Upper and lower case are told apart
/// where the table has upper case.
const WORDS: [Word; 13] = [
    everywhere(concat!("TO", "DO"), "do it now, or open an issue"),
    everywhere(concat!("FIX", "ME"), "fix it now, or open an issue"),
    everywhere(concat!("X", "XX"), "say what is wrong, or open an issue"),
    everywhere(concat!("todo", "!("), "write the code, or leave the function out"),
    everywhere(concat!("unimpl", "emented!("), "write the code, or leave the function out"),
    everywhere(concat!("#[ign", "ore"), "a test runs or is deleted"),
    everywhere(concat!("#[al", "low("), "write #[expect(LINT, reason = \"...\")], which ends with its cause"),
    everywhere(
        concat!("#![al", "low("),
        "write #![expect(LINT, reason = \"...\")], which ends with its cause",
    ),
    everywhere(concat!("/wo", "rk/"), "paths of one machine mean nothing on another"),
    everywhere(concat!("sub-", "agent"), "the repository speaks of itself alone"),
    everywhere(concat!("ai-gen", "erated"), "the repository speaks of itself alone"),
    in_tests(concat!("thread::", "sleep"), "wait with testkit::eventually, or move the manual clock"),
    in_tests(concat!("time::", "sleep"), "wait with testkit::eventually, or move the manual clock"),
];

const fn everywhere(text: &'static str, reason: &'static str) -> Word {
    Word { text, place: Place::Everywhere, reason }
}

const fn in_tests(text: &'static str, reason: &'static str) -> Word {
    Word { text, place: Place::Tests, reason }
}

fn check(file: &TextFile) -> Vec<Violation> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        for word in WORDS.iter().filter(|word| applies(word.place, &file.path) && has(line, word.text)) {
            let message = format!("`{}`: {}", word.text, word.reason);
            found.push(Violation::at(&file.path, number, message));
        }
    }
    found
}

fn applies(place: Place, path: &str) -> bool {
    match place {
        Place::Everywhere => true,
        Place::Tests => path.ends_with(".rs") && path.split('/').any(|part| part == "tests"),
    }
}

/// Whether the line has the word, and not only within a longer one.
fn has(line: &str, word: &str) -> bool {
    let folded;
    let line = if word.bytes().any(|b| b.is_ascii_uppercase()) {
        line
    } else {
        folded = line.to_ascii_lowercase();
        &folded
    };
    let longer = |inside: Option<char>, outside: Option<char>| is_letter(inside) && is_letter(outside);
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (line[..at].chars().next_back(), line[at + word.len()..].chars().next());
        !longer(word.chars().next(), before) && !longer(word.chars().next_back(), after)
    })
}

fn is_letter(letter: Option<char>) -> bool {
    letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
}

#[test]
fn nobody_uses_them() {
    let found: Vec<Violation> = workspace::text_files().iter().flat_map(check).collect();
    assert_none(&found);
}

#[test]
fn each_is_found_where_it_must_not_be() {
    for word in &WORDS {
        let planted = TextFile::new("a/tests/it/main.rs", &format!("fine\n  // {} \n", word.text));
        let expected = format!("a/tests/it/main.rs:2: `{}`: {}", word.text, word.reason);
        assert_eq!(told(&check(&planted)), [expected]);
        let elsewhere = TextFile::new("a/src/lib.rs", &planted.text);
        let everywhere = matches!(word.place, Place::Everywhere);
        assert_eq!(check(&elsewhere).len(), usize::from(everywhere), "{}", word.text);
    }
}

#[test]
fn a_part_of_a_longer_word_is_none() {
    let longer = concat!("let AUTO", "DOC = 0xXX", "XX; my_thread::", "sleeper();");
    assert_eq!(check(&TextFile::new("a/tests/it/main.rs", longer)), []);
}

#[test]
fn the_case_of_code_words_does_not_hide_them() {
    assert!(has(concat!("Made by a Sub-", "Agent"), concat!("sub-", "agent")));
    assert!(has(concat!("AI-gen", "erated"), concat!("ai-gen", "erated")));
    assert!(!has(concat!("to", "do"), concat!("TO", "DO")));
}
