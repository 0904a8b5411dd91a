//! The README does what it says: each command of its tour is run against a fresh shop, and prints what is
//! shown there but for ids, times and versions.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use oxcart::addresses::Addresses;
use testkit::TempDir;

use crate::harness::Shop;

/// A command of the README, and what it prints.
#[derive(Debug, PartialEq, Eq)]
struct Example {
    command: String,
    output: String,
}

fn readme() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    std::fs::read_to_string(path).unwrap()
}

/// The commands of all `console` blocks, in order: each line behind `$ `, up to its last `\`, and what follows.
fn examples(markdown: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let (mut inside, mut continued) = (false, false);
    for line in markdown.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => {
                match (line.strip_prefix("$ "), examples.last_mut()) {
                    (Some(command), _) => {
                        examples.push(Example { command: command.to_owned(), output: String::new() });
                    }
                    (None, Some(example)) if continued => example.command += &format!("\n{line}"),
                    (None, Some(example)) => example.output += &format!("{line}\n"),
                    (None, None) => panic!("output without a command: {line}"),
                }
                let in_command = examples.last().is_some_and(|example| example.output.is_empty());
                continued = in_command && line.ends_with('\\');
            }
        }
    }
    examples
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_prints_what_is_shown() {
    let examples = examples(&readme());
    assert!(examples.len() >= 15, "the tour was not found");
    let has_grpcurl = Command::new("grpcurl").arg("-version").output().is_ok();
    if !has_grpcurl {
        assert!(std::env::var_os("CI").is_none(), "grpcurl is not installed");
        eprintln!("left out: the README's grpcurl commands; install grpcurl to include them");
    }
    let dir = Arc::new(TempDir::new().unwrap());
    let shop = Shop::oxcart(dir.clone(), &[("AUTH_MODE", "dev")]).await;
    let addresses = Addresses::read(dir.path()).unwrap();
    for example in examples.iter().filter(|example| has_grpcurl || !example.command.starts_with("grpcurl")) {
        let command = here(&example.command, &addresses);
        let wanted = without_chance(&example.output);
        // An order follows its checkout by a moment: what only looks may look again.
        let patience = if command.contains("-X") || command.contains("-d ") { 0 } else { 10 };
        let mut printed = String::new();
        let look = async || {
            printed = without_chance(&print(&command));
            printed == wanted || patience == 0
        };
        testkit::eventually(
            &format!("what the README shows for {}", example.command),
            Duration::from_secs(10),
            look,
        )
        .await;
        assert_eq!(printed, wanted, "{}", example.command);
    }
    shop.audit().await;
}

/// The command with the ports of this shop.
fn here(command: &str, addresses: &Addresses) -> String {
    let names = ["product", "cart", "inventory", "payment", "orders", "checkout"];
    let grpc = names.iter().zip(50051..).map(|(name, port)| (port, addresses.grpc[*name]));
    let all = std::iter::once((8080, addresses.http)).chain(grpc);
    all.fold(command.to_owned(), |command, (port, address)| {
        command.replace(&format!("localhost:{port}"), &address.to_string())
    })
}

fn print(command: &str) -> String {
    let output = Command::new("sh").arg("-c").arg(command).output().unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// The text with `<id>`, `<time>` and `<version>` in place of what differs from run to run.
fn without_chance(text: &str) -> String {
    let between = |c: char| !(c.is_ascii_alphanumeric() || "-:.".contains(c));
    let mut words = Vec::new();
    for piece in text.split_inclusive(between) {
        let word = piece.trim_end_matches(between).trim_start_matches(':');
        let known = match word {
            id if id.len() == 36 && id.matches('-').count() == 4 => "<id>",
            time if time.len() >= 20 && time.ends_with('Z') && time.matches(':').count() == 2 => "<time>",
            version if version.len() == 13 && version.bytes().all(|b| b.is_ascii_digit()) => "<version>",
            other => other,
        };
        words.push(if word.is_empty() { piece.to_owned() } else { piece.replacen(word, known, 1) });
    }
    words.concat().trim_end().to_owned()
}

#[test]
fn a_tour_is_read_and_compared_without_its_chances() {
    let markdown =
        "text\n```console\n$ curl a \\\n  -d b\n{\"x\":1}\n$ curl c\n```\n```sh\n$ not this\n```\n";
    let example = |command: &str, output: &str| Example { command: command.into(), output: output.into() };
    assert_eq!(examples(markdown), [example("curl a \\\n  -d b", "{\"x\":1}\n"), example("curl c", "")]);
    let line = r#"{"id":"01890a5d-ac96-774b-bcce-b302099a8057","at":"2026-11-22T20:15:30.123Z","version":1763842530123,"n":1}"#;
    assert_eq!(without_chance(line), r#"{"id":"<id>","at":"<time>","version":<version>,"n":1}"#);
}
