//! Whoever reads which user a call is about says so, so that the line of the call has it.

use crate::violation::{Violation, assert_none, told};
use crate::workspace::{self, TextFile};

/// How a service reads a user off the wire.
const READS: [&str; 2] = ["convert::user_id(", "convert::any_user_id("];
/// What is around it.
const SAYS: &str = ".about(";

fn check(file: &TextFile) -> Vec<Violation> {
    let is_code = file.path.ends_with(".rs") && file.path.contains("-service/src/");
    let lines = (1..).zip(file.text.lines()).filter(|_| is_code);
    let silent =
        |text: &str, read: &str| text.match_indices(read).any(|(at, _)| !text.split_at(at).0.ends_with(SAYS));
    lines
        .filter(|(_, text)| READS.iter().any(|read| silent(text, read)))
        .map(|(line, _)| {
            let message = "a user is read and not told to the log: say context.about(convert::user_id(…)?)";
            Violation::at(&file.path, line, message.to_owned())
        })
        .collect()
}

#[test]
fn whom_a_call_is_about_is_told_where_it_is_read() {
    assert_none(&workspace::text_files().iter().flat_map(check).collect::<Vec<_>>());
}

#[test]
fn a_user_who_is_not_told_is_found() {
    let planted = "let user = context.about(convert::user_id(\"user_id\", id)?);\nlet user = convert::any_user_id(\"user_id\", id)?;\n";
    assert_eq!(
        told(&check(&TextFile::new("a-service/src/api.rs", planted))),
        [
            "a-service/src/api.rs:2: a user is read and not told to the log: say context.about(convert::user_id(…)?)"
        ]
    );
    assert_eq!(check(&TextFile::new("proto/src/convert.rs", planted)), []);
}
